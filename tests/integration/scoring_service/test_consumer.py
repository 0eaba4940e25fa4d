"""Scoring over a log: tiers, exact times, and the same result however the log is read."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

import scoring_service
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.metrics import PASSED_OVER
from scoring_service import consumers, handlers
from scoring_service.store.stores import PostgresStore
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
RULEBOOK = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text()
)
Build = Callable[..., ScoringWorld]


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Build]:
    made: list[ScoringWorld] = []

    def build(log: Log, **more: Any) -> ScoringWorld:
        made.append(ScoringWorld(log, service_database("scoring"), RULEBOOK, **more))
        return made[-1]

    yield build
    for one in made:
        one.close()


def with_one_client(world: Build) -> tuple[Log, ScoringWorld]:
    """A log of one booking, read and swept up to its watermark."""
    log = Log()
    log.watermark(at("1997-01-01"))
    log.activity("ada", "completed", date(1997, 1, 1), at("1997-01-01"))
    scoring = world(log, records=5000)
    scoring.read_all()
    return log, scoring


def at(day: str, hour: int = 12) -> datetime:
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00").replace(tzinfo=UTC)


def test_a_booking_becomes_a_tier_and_silence_takes_it_away(world: Build) -> None:
    log = Log()
    log.watermark(at("1997-01-01"))
    log.activity("ada", "registered", date(1997, 1, 1), at("1997-01-01"))
    log.watermark(at("1997-01-02"))
    log.activity("ada", "completed", date(1997, 1, 2), at("1997-01-02"))
    log.activity("ada", "settled", date(1997, 1, 2), at("1997-01-02"), amount_minor=5000)
    log.watermark(at("1998-06-30"))
    scoring = world(log, records=5000)
    scoring.read_all()
    changes = scoring.changes()
    assert [(c.version, c.from_tier, c.to_tier, c.reason) for c in changes][:2] == [
        (1, None, "prospect", "activity"),
        (2, "prospect", changes[1].to_tier, "activity"),
    ]
    last = changes[-1]
    assert (last.to_tier, last.reason, last.direction) == ("iron", "elapsed_time", "downgraded")
    # C-03: within P1Y counts through 2 January 1998, so iron from the first instant of the 3rd.
    assert last.effective_at == at("1998-01-03", 0)
    assert [c.version for c in changes] == list(range(1, len(changes) + 1))


def test_the_same_log_in_other_batches_and_a_late_sweep_says_the_same(world: Build) -> None:
    log = Log()
    start = datetime(1997, 1, 1, 12, tzinfo=UTC)
    for day in range(0, 420, 2):
        noon = start + timedelta(days=day)
        log.watermark(noon)
        client = f"client-{day % 7}"
        if day % 3 == 0:
            log.activity(client, "completed", noon.date(), noon)
            log.activity(client, "settled", noon.date(), noon, amount_minor=100 * day)
    results = []
    for records, sweep_every in ((5000, 1), (7, 1), (40, 23)):
        scoring = world(log, records=records)
        scoring.sweep_only_every(sweep_every)
        scoring.read_all()
        results.append(
            [tuple(row) for row in scoring.rows("SELECT * FROM tier_change ORDER BY 1, 2, 3, 4")]
        )
    assert results[0] == results[1] == results[2]
    assert len(results[0]) > 10


def test_a_sweep_of_many_small_transactions_says_the_same(
    world: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few clients at a time, over partitions: none of these is marked as swept before the last
    of its clients has been."""
    log = Log()
    log.watermark(at("1997-01-01"))
    for number in range(40):
        log.activity(f"client-{number}", "completed", date(1997, 1, 1), at("1997-01-01"))
    log.watermark(at("1998-06-30"))
    sweeps, histories = [], []
    for rows in (handlers.SWEEP_ROWS, 3):
        monkeypatch.setattr(handlers, "SWEEP_ROWS", rows)
        scoring = world(log, records=5000)
        with mock.patch.object(consumers, "sweep", wraps=handlers.sweep) as counted:
            scoring.read_all()
        sweeps.append(counted.call_count)
        changes = scoring.rows("SELECT * FROM tier_change ORDER BY 1, 2, 3, 4")
        histories.append([tuple(row) for row in changes])
        assert scoring.status().business_time == at("1998-06-30")
    assert histories[0] == histories[1]
    assert sum(row[7] == "iron" for row in histories[0]) == 40
    assert sweeps[0] <= 2  # the first watermark's, and the second's
    assert sweeps[1] >= 40 // 3


def test_nobody_looks_for_who_is_due_while_time_stands(world: Build) -> None:
    log, scoring = with_one_client(world)
    with mock.patch.object(
        PostgresStore, "lock_unswept", autospec=True, side_effect=PostgresStore.lock_unswept
    ) as looked:
        log.activity("ada", "completed", date(1997, 1, 2), at("1997-01-02"))
        for _ in range(3):
            scoring.turn()
        assert looked.call_count == 0
        log.watermark(at("1998-06-30"))
        scoring.turn()
        assert looked.call_count == 1
    assert scoring.status().business_time == at("1998-06-30")


def test_what_another_worker_holds_is_swept_when_it_lets_go(world: Build) -> None:
    log, scoring = with_one_client(world)
    log.watermark(at("1998-06-30"))
    scoring.sweep_only_every(10**9)
    scoring.turn()
    scoring.sweep_only_every(1)
    with scoring.database.transaction() as tx:
        tx.execute(sa.text("SELECT * FROM consumer_position FOR UPDATE"))
        scoring.turn()
    assert scoring.status().business_time == at("1997-01-01")
    scoring.turn()
    assert scoring.status().business_time == at("1998-06-30")


def test_status_tells_what_time_owes_until_the_sweep_has_paid(world: Build) -> None:
    log = Log()
    log.watermark(at("1997-01-01"))
    log.activity("ada", "registered", date(1997, 1, 1), at("1997-01-01"))
    log.activity("ada", "completed", date(1997, 1, 1), at("1997-01-01"))
    scoring = world(log, records=5000)
    scoring.read_all()
    assert scoring.status().oldest_due_at is None
    log.watermark(at("1998-06-30"))
    scoring.sweep_only_every(10**9)
    scoring.turn()
    owed = scoring.status()
    assert owed.oldest_due_at is not None
    assert owed.business_time == at("1997-01-01")
    scoring.sweep_only_every(1)
    scoring.turn()
    paid = scoring.status()
    assert (paid.oldest_due_at, paid.business_time) == (None, at("1998-06-30"))


def test_a_digest_is_readable_for_people_however_wide_its_numbers(world: Build) -> None:
    log = Log()
    most = 2**63 - 1
    log.activity("ada", "completed", date(1997, 1, 1), at("1997-01-01"), count=-3)
    log.activity("ben", "no_show", date(1997, 1, 2), at("1997-01-02"), count=2)
    for kind in ("settled", "refunded"):
        for _ in range(3):
            sign = -1 if kind == "refunded" else 1
            log.activity("ben", kind, date(1997, 1, 2), at("1997-01-02"), amount_minor=sign * most)
    scoring = world(log, records=5000)
    scoring.read_all()
    rows = scoring.rows("SELECT * FROM client_day ORDER BY client_id")
    assert [tuple(row) for row in rows] == [
        ("harbour", "ada", date(1997, 1, 1), -3, 0, 0, 0),
        ("harbour", "ben", date(1997, 1, 2), 0, 2, 3 * most, -3 * most),
    ]


def test_what_is_passed_over_is_counted_once_it_is_committed(world: Build) -> None:
    labels = ("scoring-service", "client-activity.v1", "kind")
    log = Log()
    log.activity("ada", "danced", date(1997, 1, 1), at("1997-01-01"))
    log.activity("ada", "completed", date(1997, 1, 1), at("1997-01-01"))
    scoring = world(log, records=5000)
    before = PASSED_OVER.labels(*labels)._value.get()
    scoring.read_all()
    assert PASSED_OVER.labels(*labels)._value.get() == before + 1
    (row,) = scoring.rows("SELECT last_sequence, first_skipped_sequence FROM client")
    assert tuple(row) == (2, 1)
    assert scoring.rows("SELECT FROM dead_letter") == []
