"""A bad deploy at the source, and one that is ahead of ours: an alarm, or letters that wait."""

import json
from pathlib import Path
from typing import Any

import pytest

from rapport_contracts.topics import SOURCE_PAYMENTS
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from tests.support.generators.poison import PAYMENT
from tests.support.harness.bad_input import good_event
from tests.support.harness.ingestion import WORKER, IngestionHarness, good, ingestion_harness
from tests.support.servers.buses import eventually

pytestmark = pytest.mark.integration
HALTED = 3
BAD = [
    json.dumps({"type": "rapport.booking.created.v1", "practiceid": practice}).encode()
    for practice in ("lake", "moor", "dune")
]
"""What three practices send after their common vendor's bad deploy."""


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param(BAD * 20, "without a valid one", id="60 invalid ones in a row"),
        pytest.param(
            [
                value
                for number in range(80)
                for value in (*good(range(3 * number, 3 * number + 3)), BAD[number % 3])
            ],
            "records are invalid",
            id="a quarter of 320 invalid",
        ),
    ],
)
def test_too_much_poison_stops_the_worker_with_an_alarm(
    tmp_path: Path, postgres: Postgres, kafka: Kafka, sent: list[bytes], why: str
) -> None:
    """R10: it does not put everything aside; what comes after waits until somebody has looked."""
    patient = {"RAPPORT_MAX_POLL_RECORDS": "10"}
    with ingestion_harness(
        tmp_path / f"poison{len(sent)}", postgres, kafka, environment=patient
    ) as harness:
        harness.send([*sent, *good([999])])
        worker = harness.stack.child(WORKER)
        assert worker.wait(120) == HALTED, worker.log.read_text()[-3_000:]
        ((error,),) = harness.rows("SELECT last_error FROM worker")
        assert why in error
        assert "loop_halted" in worker.log.read_text()
        bad = sum(map(sent.count, BAD))
        assert harness.count("every_letter") < min(bad, 50)
        assert harness.rows("SELECT 1 FROM ledger WHERE event_id = 'good-999'") == []
        harness.practice.post("/v1/events", good_event(1_000))
        assert harness.rows("SELECT 1 FROM ledger WHERE event_id = 'good-1000'") == [(1,)]


def test_events_of_a_later_build_wait_and_count_once_when_it_is_there(
    tmp_path: Path, postgres: Postgres, kafka: Kafka
) -> None:
    """R11, R12: fields that we do not know are let by; a type and a major that we do not know are
    put aside with a reason each. After the upgrade they are replayed, twice, and count once."""
    older = ["tests.support.servers.altered", "older"]
    with ingestion_harness(tmp_path / "ahead", postgres, kafka, launcher=older) as harness:
        harness.send(_sent_by_a_later_build(), SOURCE_PAYMENTS.name)
        harness.read_all()
        assert _letters(harness) == {"unknown-type": 1, "unknown-version": 1}
        assert _amounts(harness) == [("settled", 5_000), ("settled", 7_000)]
        assert harness.stack.end_child(WORKER) == 0
        harness.stack.start_worker("ingestion")
        harness.stack.wait_ready()
        for _ in range(2):
            _replay_all(harness)
        assert _letters(harness) == {"unknown-version": 1}
        assert harness.count("ledger") == 3
        assert eventually(lambda: len(_amounts(harness)) == 3, 30)
        assert _amounts(harness) == [("refunded", 2_000), ("settled", 5_000), ("settled", 7_000)]


def _sent_by_a_later_build() -> list[bytes]:
    """A payment with news, taken back in part; one of a new major; one as ever."""
    payment = good_event(1, PAYMENT)
    richer = payment | {"tracestate": "x=1", "data": payment["data"] | {"loyalty": {"points": 3}}}
    richer["data"]["amount_minor"] = 5_000
    refund = payment | {"id": "back-1", "type": "rapport.payment.refunded.v1"}
    refund["data"] = payment["data"] | {"amount_minor": 2_000}
    major = payment | {"id": "v2-1", "type": "rapport.payment.settled.v2", "data": {"total": "5"}}
    plain = good_event(2, PAYMENT)
    plain["data"] = plain["data"] | {"amount_minor": 7_000}
    return [json.dumps(event).encode() for event in (richer, refund, major, plain)]


def _letters(harness: IngestionHarness) -> dict[str, int]:
    """How many are held, by reason."""
    held = "SELECT reason, count(*) FROM dead_letter WHERE state = 'held' GROUP BY reason"
    return {str(reason): int(count) for reason, count in harness.rows(held)}


def _amounts(harness: IngestionHarness) -> list[tuple[str, int]]:
    """What was published of money, in no order."""
    return sorted((one["kind"], one["amount_minor"]) for one in _money(harness))


def _money(harness: IngestionHarness) -> list[dict[str, Any]]:
    return [one for one in harness.activities() if one["kind"] in ("settled", "refunded")]


def _replay_all(harness: IngestionHarness) -> None:
    """Ask for every letter once more, the newest first, replayed ones too; wait until all are
    decided."""
    for (letter,) in harness.rows("SELECT id FROM every_letter ORDER BY id DESC"):
        harness.operator.post(f"/v1/dead-letters/{letter}/replay", {})
    waiting = "SELECT 1 FROM dead_letter WHERE state = 'queued'"
    assert eventually(lambda: harness.rows(waiting) == [], 60)
