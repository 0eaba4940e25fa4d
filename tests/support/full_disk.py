"""Ingestion on a Postgres whose disk becomes full and is emptied again; prints what was seen.

`python -m tests.support.full_disk FOLDER`: a process of its own, since its disk is its own too
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
from tests.support.bad_input import good_event
from tests.support.buses import eventually
from tests.support.lone_ingestion import WORKER, LoneIngestion, good, lone_ingestion
from tests.support.small_disk import fill, mount_small_disk

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
        lone_ingestion(folder, postgres, kafka) as lone,
    ):
        print(json.dumps(observe(lone, postgres, disk)))


def observe(lone: LoneIngestion, postgres: Postgres, disk: Path) -> dict[str, Any]:
    """Before, while and after the disk is full."""
    lone.send(good(BEFORE))
    lone.read_all()
    filler = fill(disk)
    lone.send(good(BY_BUS))
    acknowledged = {number for number in BY_REST if _accepted(lone, number)}
    filler.unlink()
    if not _answers(lone):
        postgres.restart()  # full for the write-ahead log, it had given up
    assert eventually(lambda: _answers(lone), 60)
    kept = _events(lone)
    for number in set(BY_REST) - acknowledged:
        assert eventually(lambda n=number: _accepted(lone, n), 30)  # type: ignore[misc]
    everything = len(BEFORE) + len(BY_REST) + len(BY_BUS)
    complete = eventually(lambda: len(_events(lone)) == everything, 60)
    published = eventually(lambda: lone.count("outbox") == 0, 60)
    return {
        "refused": len(BY_REST) - len(acknowledged),
        "acknowledged and lost": len({f"good-{n}" for n in acknowledged} - kept),
        "complete": complete,
        "published": published and len(lone.activities()) == everything,
        "letters": lone.count("dead_letter"),
        "worker": lone.stack.child(WORKER).running,
    }


def _accepted(lone: LoneIngestion, number: int) -> bool:
    """Whether the API acknowledged an event. Raises ApiProblem for a refusal that blames it."""
    try:
        lone.practice.post("/v1/events", good_event(number))
    except ApiProblem as problem:
        if problem.status < httpx.codes.INTERNAL_SERVER_ERROR:
            raise
        return False
    return True


def _answers(lone: LoneIngestion) -> bool:
    try:
        lone.count("ledger")
    except Exception:  # noqa: BLE001 - whatever it is, it is no answer
        return False
    return True


def _events(lone: LoneIngestion) -> set[str]:
    return {event for (event,) in lone.rows("SELECT event_id FROM ledger")}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
