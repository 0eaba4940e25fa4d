"""A short run of what `make proof` measures: scoring away for a while, and a late reader."""

from pathlib import Path

import pytest

from rapport_devkit.postgres import Postgres
from tools.claim import Bench
from tools.proof.claims import downtime

pytestmark = pytest.mark.integration


def test_downtime_and_late_reading_change_nothing(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downtime, "STEPS", 12 * 8)
    monkeypatch.setattr(downtime, "OFF_FROM", 5 * 8)
    steady, away, again = downtime.histories(Bench(tmp_path, postgres, seed=7, say=print))
    assert len(steady) > 50
    assert steady == away == again
