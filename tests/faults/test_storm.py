"""The short storm, with a fixed seed: faults one by one and together; nothing gives way."""

import gc
from pathlib import Path

import pytest

from tests.faults.campaign import storm
from tests.faults.storm_plan import short

pytestmark = [pytest.mark.e2e, pytest.mark.storm]

SEED = 20251125
LEAST_FAULTS = 25


# The storm cuts its own clients' sockets too, and kafka-python forgets to close what was cut.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(900)
def test_nothing_is_lost_doubled_or_wrong_in_a_storm(tmp_path: Path) -> None:
    done = storm(short, SEED, tmp_path / "storm", print)
    assert done.broke_off == ""
    assert done.findings.worst() == ""
    assert len(done.incidents) >= LEAST_FAULTS
    figures = done.findings.figures
    assert figures["events accepted"] >= 2_000
    assert figures["clients compared"] > 150
    assert figures["days compared"] == 3
    assert figures["deliveries"] > 50
    assert figures["canaries where they belong"] > 50
    assert max(figures["outbox backlogs"]) > 0
    gc.collect()  # so that those sockets are found here, not in somebody else's test
