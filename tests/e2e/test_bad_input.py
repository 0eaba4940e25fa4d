"""Bad input of every kind: a dead letter with its reason, or a clear 4xx; the service goes on."""

from pathlib import Path

import pytest

from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from tests.support.generators.poison import POISON
from tests.support.harness.bad_input import feed

pytestmark = pytest.mark.e2e


def test_bad_input_is_refused_by_name_and_stops_nobody(
    tmp_path: Path, topic_prefix: str, postgres: Postgres, kafka: Kafka
) -> None:
    outcome = feed(tmp_path / topic_prefix.rstrip("-"), postgres=postgres, kafka=kafka)
    assert outcome.wrong_letters == []
    assert outcome.wrong_answers == []
    assert outcome.stopped == []
    assert outcome.kinds_on_bus == len(POISON) + 1
    assert outcome.kinds_by_rest > len(POISON) / 2
    assert outcome.good > 100
