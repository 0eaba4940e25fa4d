"""The ledger, identities and sequences on Postgres: once each, in any order, by two workers too."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from ingestion_service.domain.errors import Conflict, Unknown
from ingestion_service.domain.facts import IdentityKey, SourceFact, SourceKind
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.practices import practice
from ingestion_service.handlers import (
    accept,
    advance_clock,
    register_client,
    register_practice,
)
from ingestion_service.store.clock import PostgresClock
from ingestion_service.store.intake import PostgresIntake
from ingestion_service.store.reads import PostgresReads
from ingestion_service.store.tables import metadata
from ingestion_service.translate import record_of_activity
from rapport_contracts.canonical import ActivityRecorded
from rapport_contracts.codec import decode
from rapport_contracts.topics import CLIENT_ACTIVITY, partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime import migrations
from rapport_runtime.database import Database
from rapport_runtime.errors import TryLater

pytestmark = pytest.mark.integration
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


def fact(kind: SourceKind, event_id: str, **changes: Any) -> SourceFact:
    """A fact of Wang Fang at Lakeside, a day before now unless `changes` say otherwise."""
    is_payment = kind in {"settled", "refunded", "failed", "charged_back"}
    known = SourceFact(
        "lakeside",
        "desk",
        event_id,
        "wang-fang",
        "payment" if is_payment else "booking",
        "s1",
        kind,
        NOW - timedelta(days=1),
        NOW + timedelta(days=2) if kind == "created" else None,
        5000 if is_payment and kind != "failed" else None,
        "CNY" if is_payment and kind != "failed" else None,
    )
    return known._replace(**changes)


def take(database: Database, *facts: SourceFact, now: datetime = NOW) -> list[IntakeResult]:
    with database.transaction() as tx:
        return accept(facts, PostgresIntake(tx), now)


def said(outcomes: Sequence[IntakeResult]) -> list[str]:
    return [outcome.reason or outcome.status for outcome in outcomes]


def published(database: Database) -> list[ActivityRecorded]:
    """What the outbox holds for client-activity.v1, oldest first."""
    with database.transaction() as tx:
        rows = tx.execute(
            sa.text("SELECT partition, key, value FROM outbox WHERE topic = :topic ORDER BY id"),
            {"topic": CLIENT_ACTIVITY.name},
        ).all()
    events = []
    for row in rows:
        assert row.partition == partition_of(row.key.decode(), CLIENT_ACTIVITY.partitions)
        event = decode(CLIENT_ACTIVITY.name, row.key, row.value)
        assert isinstance(event, ActivityRecorded)
        events.append(event)
    return events


def told(database: Database) -> list[tuple[str, int, int]]:
    return [(e.data.kind, e.data.count, e.data.amount_minor) for e in published(database)]


def count(database: Database, table: str) -> int:
    with database.transaction() as tx:
        return count_in(tx, table)


def count_in(tx: sa.Connection, table: str) -> int:
    counted: int = tx.execute(
        sa.select(sa.func.count()).select_from(metadata.tables[table])
    ).scalar_one()
    return counted


def test_migrations_make_the_tables_of_the_code_and_can_be_undone(urls: ServiceDatabase) -> None:
    assert migrations.differences(urls.owner_url, metadata) == []
    migrations.downgrade(urls.owner_url, "ingestion_service")
    assert migrations.differences(urls.owner_url, metadata) != []
    migrations.upgrade(urls.owner_url, "ingestion_service")
    assert migrations.differences(urls.owner_url, metadata) == []


def test_one_event_counts_once_however_often_it_comes(database: Database) -> None:
    once = fact("completed", "e1")
    assert said(take(database, once, once)) == ["accepted", "duplicate"]
    assert said(take(database, once, fact("settled", "e2"))) == ["duplicate", "accepted"]
    assert count(database, "ledger") == 2
    assert told(database) == [("completed", 1, 0), ("settled", 1, 5000)]
    assert [event.data.sequence for event in published(database)] == [1, 2]


def test_the_same_id_with_other_content_is_a_conflict(database: Database) -> None:
    settled = fact("settled", "e1")
    other = fact("settled", "e1", amount_minor=5001)
    assert said(take(database, settled, other)) == ["accepted", "conflicting-duplicate"]
    assert said(take(database, other, settled)) == ["conflicting-duplicate", "duplicate"]
    assert told(database) == [("settled", 1, 5000)]


def test_an_id_belongs_to_its_source_and_practice(database: Database) -> None:
    facts = [
        fact("completed", "e1"),
        fact("completed", "e1", source="till"),
        fact("completed", "e1", practice_id="harbour"),
    ]
    assert said(take(database, *facts)) == ["accepted"] * 3
    assert count(database, "client") == 3


@pytest.mark.parametrize(
    ("wrong", "reason", "field"),
    [
        pytest.param({"practice_id": "nowhere"}, "unknown-practice", "/practiceid"),
        pytest.param({"currency": "EUR"}, "currency-mismatch", "/data/currency"),
        pytest.param(
            {"occurred_at": NOW + timedelta(hours=48, microseconds=1)},
            "occurred-in-the-future",
            "/time",
        ),
    ],
)
def test_what_can_never_be_accepted_is_refused_alone(
    database: Database, wrong: dict[str, Any], reason: str, field: str
) -> None:
    outcomes = take(database, fact("settled", "e1", **wrong), fact("settled", "e2"))
    assert (outcomes[0].reason, outcomes[0].field) == (reason, field)
    assert outcomes[1].status == "accepted"
    assert count(database, "ledger") == 1


def test_two_days_ahead_is_still_accepted(database: Database) -> None:
    assert said(take(database, fact("settled", "e1", occurred_at=NOW + timedelta(hours=48)))) == [
        "accepted"
    ]


def test_halves_in_different_batches_find_each_other(database: Database) -> None:
    take(database, fact("refunded", "e2", amount_minor=2000))
    assert told(database) == []
    take(database, fact("settled", "e1", occurred_at=NOW - timedelta(days=9)))
    settled, refunded = published(database)
    assert (settled.data.count, refunded.data.amount_minor) == (1, 2000)
    assert refunded.data.on == settled.data.on
    assert refunded.data.refers_to == settled.id
    take(database, fact("failed", "e3"))
    assert [event.data.refers_to for event in published(database)[2:]] == [settled.id, refunded.id]
    assert [event.data.sequence for event in published(database)] == [1, 2, 3, 4]


def test_a_booking_and_a_payment_of_one_id_are_two_things(database: Database) -> None:
    take(database, fact("created", "e1"), fact("settled", "e2"))
    take(database, fact("cancelled", "e3"))
    assert told(database) == [("booked", 1, 0), ("settled", 1, 5000), ("booked", -1, 0)]


def in_another_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - handed to the test
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def wait_for_lock(database: Database) -> None:
    """Until some transaction waits for another one's lock."""
    pause = threading.Event()
    for _ in range(500):
        with database.transaction() as tx:
            if tx.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
                return
        pause.wait(0.01)
    raise AssertionError("nobody waits for a lock")


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param([fact("completed", "e0", object_id="s0")], id="a known client"),
        pytest.param([], id="a client new to both"),
    ],
)
def test_a_booking_and_its_cancellation_in_two_workers_do_not_miss_each_other(
    database: Database, earlier: list[SourceFact]
) -> None:
    take(database, *earlier)
    with database.transaction() as tx:
        accept([fact("created", "e1")], PostgresIntake(tx), NOW)
        cancelled = fact("cancelled", "e2", occurred_at=NOW)
        thread, results = in_another_thread(lambda: said(take(database, cancelled)))
        wait_for_lock(database)
    thread.join()
    assert results == [["accepted"]]
    assert told(database)[-2:] == [("booked", 1, 0), ("booked", -1, 0)]
    sequences = [event.data.sequence for event in published(database)]
    assert sequences == list(range(1, len(sequences) + 1))
    assert count(database, "client") == 1


def test_one_event_id_of_two_clients_at_one_moment_is_accepted_once(database: Database) -> None:
    with database.transaction() as tx:
        accept([fact("completed", "e1")], PostgresIntake(tx), NOW)
        other = fact("completed", "e1", external_id="li-na")
        thread, results = in_another_thread(lambda: take(database, other))
        wait_for_lock(database)
    thread.join()
    assert isinstance(results[0], TryLater)
    assert said(take(database, other)) == ["conflicting-duplicate"]
    assert count(database, "ledger") == 1


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger SET amount_minor = 0", "DELETE FROM ledger", "TRUNCATE ledger"],
)
def test_the_ledger_only_grows(urls: ServiceDatabase, database: Database, statement: str) -> None:
    take(database, fact("settled", "e1"))
    url = urls.owner_url if statement.startswith("TRUNCATE") else urls.worker_url
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(statement)
    assert count(database, "ledger") == 1


def test_the_api_sees_and_writes_its_own_practice_only(
    database: Database, api_database: Database
) -> None:
    take(database, fact("completed", "e1"), fact("completed", "e2", practice_id="harbour"))
    with api_database.transaction("lakeside") as tx:
        outcomes = accept([fact("settled", "e3")], PostgresIntake(tx), NOW)
        assert said(outcomes) == ["accepted"]
        for table, seen in (("practice", 1), ("client", 1), ("identity", 1), ("ledger", 2)):
            assert count_in(tx, table) == seen
        foreign = accept([fact("settled", "e4", practice_id="harbour")], PostgresIntake(tx), NOW)
        assert said(foreign) == ["unknown-practice"]
    with api_database.transaction() as tx:
        assert count_in(tx, "ledger") == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege), api_database.transaction("x") as tx:
        PostgresIntake(tx).save_practice(practice("y", "y", "Asia/Tokyo", "JPY"))


def test_a_client_is_made_and_announced_once(database: Database) -> None:
    key = IdentityKey("lakeside", "desk", "wang-fang")
    with database.transaction() as tx:
        first = register_client(key, PostgresIntake(tx), NOW)
    take(database, fact("completed", "e1"))
    with database.transaction() as tx:
        again = register_client(key, PostgresIntake(tx), NOW + timedelta(days=1))
    assert (first.is_new, again.is_new) == (True, False)
    assert first.client_id == again.client_id
    assert told(database) == [("registered", 1, 0), ("completed", 1, 0)]
    assert [event.data.sequence for event in published(database)] == [1, 2]


def test_a_client_who_came_by_an_event_is_announced_when_registered(database: Database) -> None:
    take(database, fact("cancelled", "e1"))
    with database.transaction() as tx:
        made = register_client(
            IdentityKey("lakeside", "desk", "wang-fang"), PostgresIntake(tx), NOW
        )
    assert not made.is_new
    assert told(database) == [("registered", 1, 0)]


def test_a_client_of_an_unknown_practice_is_refused(database: Database) -> None:
    with pytest.raises(Unknown), database.transaction() as tx:
        register_client(IdentityKey("nowhere", "desk", "x"), PostgresIntake(tx), NOW)


def test_the_ledger_alone_gives_every_published_activity_again(
    database: Database, api_database: Database
) -> None:
    with database.transaction() as tx:
        key = IdentityKey("lakeside", "desk", "wang-fang")
        client_id = register_client(key, PostgresIntake(tx), NOW).client_id
    take(database, fact("refunded", "e1"), fact("created", "e2"))
    take(database, fact("settled", "e3"), fact("cancelled", "e4", occurred_at=NOW))
    take(database, fact("settled", "e5", object_id="s2"))
    reads = PostgresReads(api_database)
    recomputed = reads.activities("lakeside", client_id, 0, 100)
    assert recomputed is not None
    values = [record_of_activity(activity).value for activity in recomputed]
    with database.transaction() as tx:
        sent = tx.execute(
            sa.text("SELECT value FROM outbox WHERE topic = :topic ORDER BY id"),
            {"topic": CLIENT_ACTIVITY.name},
        ).scalars()
        assert values == [bytes(value) for value in sent]
    assert [activity.sequence for activity in recomputed] == [1, 2, 3, 4, 5, 6]
    page = reads.activities("lakeside", client_id, 2, 3)
    assert page == recomputed[2:5]
    assert reads.activities("harbour", client_id, 0, 100) is None


def test_a_practice_may_be_renamed_but_keeps_its_zone_and_currency(database: Database) -> None:
    def save(name: str, zone: str, currency: str) -> bool:
        with database.transaction() as tx:
            wanted = practice("lakeside", name, zone, currency)
            return register_practice(wanted, PostgresIntake(tx), NOW).is_new

    assert save("Lakeside Clinic", "Asia/Shanghai", "CNY") is False
    with pytest.raises(Conflict):
        save("Lakeside", "Asia/Tokyo", "CNY")
    with pytest.raises(Conflict):
        save("Lakeside", "Asia/Shanghai", "JPY")
    announced = sa.text("SELECT count(*) FROM outbox WHERE topic = 'practices.v1'")
    with database.transaction() as tx:
        assert tx.execute(announced).scalar_one() == 3
    save("Lakeside Clinic", "Asia/Shanghai", "CNY")
    with database.transaction() as tx:
        assert tx.execute(announced).scalar_one() == 3


def test_the_simulated_clock_never_goes_back(api_database: Database) -> None:
    def advance(now: datetime) -> None:
        with api_database.transaction(operator=True) as tx:
            advance_clock(now, PostgresClock(tx))

    reads = PostgresReads(api_database)
    assert reads.clock().now is None
    advance(NOW)
    advance(NOW)
    advance(NOW + timedelta(days=1))
    with pytest.raises(Conflict):
        advance(NOW)
    assert reads.clock().now == NOW + timedelta(days=1)
    assert reads.clock().published_through is None
