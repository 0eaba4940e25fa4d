"""The pipeline under fire, in its short size: nothing lost, nothing twice, whatever the order."""

from pathlib import Path

import pytest

from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from tests.support.pipeline.findings import look
from tests.support.pipeline.plans import SHORT
from tests.support.pipeline.run import run_pipeline

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(600)
def test_the_pipeline_holds_while_its_workers_die(
    tmp_path: Path, topic_prefix: str, postgres: Postgres, kafka: Kafka
) -> None:
    folder = tmp_path / topic_prefix.rstrip("-")
    findings = run_pipeline(SHORT, folder, look, postgres=postgres, kafka=kafka)
    assert findings.worst() == ""
    figures = findings.figures
    assert figures["events accepted"] == SHORT.size.events
    assert figures["least kills"] == 1
    assert len(figures["failpoints struck"]) == 6
    assert figures["freezes"] == 1
    assert min(figures["joins"], figures["leaves"]) > 1
    assert figures["messages found"] > 200
    assert figures["deliveries"] > 200
    assert figures["clients compared"] > 0.95 * SHORT.size.clients
