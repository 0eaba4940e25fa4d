"""Ingestion on a Postgres whose disk becomes full and is emptied again; prints what was seen.

`python -m tests.support.servers.full_disk FOLDER`: its own process, since its disk is its own too
(`small_disk`). The broker is the one at KAFKA_BOOTSTRAP_SERVERS.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from rapport_devkit.api_client import ApiProblem
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from tests.support.harness.bad_input import good_event
from tests.support.harness.ingestion import WORKER, IngestionHarness, good, ingestion_harness
from tests.support.servers.buses import eventually
from tests.support.servers.small_disk import fill, mount_small_disk

MEGABYTES = 256
SETTINGS = {"max_wal_size": "64MB", "min_wal_size": "32MB"}
BEFORE, BY_REST, BY_BUS = range(50), range(1_000, 1_200), range(2_000, 2_200)


def main(folder: Path) -> None:
    """Run, and print the report as JSON."""
    os.environ.pop("DATABASE_URL", None)
    disk = Path(tempfile.mkdtemp(prefix="rapport-small-disk-"))
    disk.chmod(0o755)
    mount_small_disk(disk, MEGABYTES)
    kafka = Kafka(os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    with (
        Postgres.start(disk / "postgres", settings=SETTINGS) as postgres,
        ingestion_harness(folder, postgres, kafka) as harness,
    ):
        print(json.dumps(observe(harness, postgres, disk)))


def observe(harness: IngestionHarness, postgres: Postgres, disk: Path) -> dict[str, Any]:
    """Before, while and after the disk is full."""
    harness.send(good(BEFORE))
    harness.read_all()
    filler = fill(disk)
    harness.send(good(BY_BUS))
    acknowledged = {number for number in BY_REST if _accepted(harness, number)}
    filler.unlink()
    if not _answers(harness):
        postgres.restart()  # full for the write-ahead log, it had given up
    assert eventually(lambda: _answers(harness), 60)
    stored = _events(harness)
    for number in set(BY_REST) - acknowledged:
        assert eventually(lambda n=number: _accepted(harness, n), 30)  # type: ignore[misc]
    everything = len(BEFORE) + len(BY_REST) + len(BY_BUS)
    complete = eventually(lambda: len(_events(harness)) == everything, 60)
    published = eventually(lambda: harness.count("outbox") == 0, 60)
    return {
        "refused": len(BY_REST) - len(acknowledged),
        "acknowledged and lost": len({f"good-{n}" for n in acknowledged} - stored),
        "complete": complete,
        "published": published and len(harness.activities()) == everything,
        "letters": harness.count("every_letter"),
        "worker": harness.stack.child(WORKER).running,
    }


def _accepted(harness: IngestionHarness, number: int) -> bool:
    """Whether the API acknowledged an event. Raises ApiProblem for a refusal that blames it."""
    try:
        harness.practice.post("/v1/events", good_event(number))
    except ApiProblem as problem:
        if problem.status < httpx.codes.INTERNAL_SERVER_ERROR:
            raise
        return False
    return True


def _answers(harness: IngestionHarness) -> bool:
    try:
        harness.count("ledger")
    except Exception:  # noqa: BLE001 - whatever it is, it is no answer
        return False
    return True


def _events(harness: IngestionHarness) -> set[str]:
    return {event for (event,) in harness.rows("SELECT event_id FROM ledger")}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
