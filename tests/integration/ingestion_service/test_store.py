"""Use cases on Postgres: facts count once, in any order, and with two workers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.errors import Unknown
from ingestion_service.domain.facts import SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import (
    accept,
    advance_clock,
    register_client,
)
from ingestion_service.store.postgres_store import PostgresStore
from ingestion_service.store.reads import PostgresReads
from ingestion_service.store.tables import metadata
from ingestion_service.translate import record_of_activity
from rapport_contracts.canonical import ActivityRecorded
from rapport_contracts.codec import decode
from rapport_contracts.topics import CLIENT_ACTIVITY, partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime import migrations
from rapport_runtime.database import Database, fetch, fetch_value
from rapport_runtime.errors import TryLater
from rapport_runtime.ops import incarnation
from tests.integration.ingestion_service.waiting import in_another_thread, wait_for_lock
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import CODES, LI_NA, WANG_FANG, fact

pytestmark = pytest.mark.integration
OUTBOX = """
    SELECT partition, key, value FROM outbox WHERE topic = %(topic)s ORDER BY id
"""


@pytest.fixture
def database(database: Database, urls: ServiceDatabase) -> Database:
    """As a worker sees it; the simulated clock is at noon."""
    api = Database(urls.api_url, application_name="test-clock")
    with build_stores(api, RECORD_KEYS, is_simulated=True).open_for_operator() as store:
        advance_clock(NOON, store)
    api.close()
    return database


def store_in(database: Database, tx: Any) -> PostgresStore:
    return build_stores(database, RECORD_KEYS, is_simulated=True).within(tx)


def take(database: Database, *facts: SourceFact) -> list[IntakeResult]:
    with database.transaction() as tx:
        return accept(facts, store_in(database, tx))


def statuses(results: Sequence[IntakeResult]) -> list[str]:
    return [result.reason or result.status for result in results]


def published(database: Database) -> list[ActivityRecorded]:
    """What the outbox holds for client-activity.v1, oldest first."""
    with database.transaction() as tx:
        rows = fetch(tx, OUTBOX, {"topic": CLIENT_ACTIVITY.name})
    events = []
    for row in rows:
        assert row.partition == partition_of(row.key.decode(), CLIENT_ACTIVITY.partitions)
        event = decode(CLIENT_ACTIVITY.name, row.key, row.value)
        assert isinstance(event, ActivityRecorded)
        events.append(event)
    return events


def deltas(database: Database) -> list[tuple[str, int, int]]:
    return [(e.data.kind, e.data.count, e.data.amount_minor) for e in published(database)]


def count(database: Database, table: str) -> int:
    with database.transaction() as tx:
        return count_in(tx, table)


def count_in(tx: Any, table: str) -> int:
    assert table in metadata.tables
    counted: int = fetch_value(tx, f"SELECT count(*) FROM {table}")  # noqa: S608 - a table's name
    return counted


def test_migrations_make_the_tables_of_the_code_and_can_be_undone(urls: ServiceDatabase) -> None:
    assert migrations.differences(urls.owner_url, metadata) == []
    migrations.downgrade(urls.owner_url, "ingestion_service")
    assert migrations.differences(urls.owner_url, metadata) != []
    migrations.upgrade(urls.owner_url, "ingestion_service")
    assert migrations.differences(urls.owner_url, metadata) == []


def test_one_event_counts_once_however_often_it_comes(database: Database) -> None:
    once = fact("completed", "e1")
    assert statuses(take(database, once, once)) == ["accepted", "duplicate"]
    assert statuses(take(database, once, fact("settled", "e2"))) == ["duplicate", "accepted"]
    assert count(database, "ledger") == 2
    assert deltas(database) == [("completed", 1, 0), ("settled", 1, 5000)]
    assert [event.data.sequence for event in published(database)] == [1, 2]


def test_the_same_id_with_other_content_is_a_conflict(database: Database) -> None:
    settled = fact("settled", "e1")
    other = fact("settled", "e1", amount_minor=5001)
    assert statuses(take(database, settled, other)) == ["accepted", "conflicting-duplicate"]
    assert statuses(take(database, other, settled)) == ["conflicting-duplicate", "duplicate"]
    assert deltas(database) == [("settled", 1, 5000)]


def test_an_id_belongs_to_its_source_and_practice(database: Database) -> None:
    facts = [
        fact("completed", "e1"),
        fact("completed", "e1", source="till"),
        fact("completed", "e1", practice_id="harbour"),
    ]
    assert statuses(take(database, *facts)) == ["accepted"] * 3
    assert count(database, "client") == 3


@pytest.mark.parametrize(
    ("wrong", "reason", "field"),
    [
        pytest.param({"practice_id": "nowhere"}, "unknown-practice", "/practiceid"),
        pytest.param({"currency": "EUR"}, "currency-mismatch", "/data/currency"),
        pytest.param(
            {"occurred_at": NOON + timedelta(hours=48, microseconds=1)},
            "occurred-in-the-future",
            "/time",
        ),
    ],
)
def test_what_can_never_be_accepted_is_refused_alone(
    database: Database, wrong: dict[str, Any], reason: str, field: str
) -> None:
    results = take(database, fact("settled", "e1", **wrong), fact("settled", "e2"))
    assert (results[0].reason, results[0].field) == (reason, field)
    assert results[1].status == "accepted"
    assert count(database, "ledger") == 1


def test_two_days_ahead_is_still_accepted(database: Database) -> None:
    ahead = fact("settled", "e1", occurred_at=NOON + timedelta(hours=48))
    assert statuses(take(database, ahead)) == ["accepted"]


def test_halves_in_different_batches_find_each_other(database: Database) -> None:
    take(database, fact("refunded", "e2", amount_minor=2000))
    assert deltas(database) == [("registered", 1, 0)]
    take(database, fact("settled", "e1", occurred_at=NOON - timedelta(days=9)))
    _, settled, refunded = published(database)
    assert (settled.data.count, refunded.data.amount_minor) == (1, 2000)
    assert refunded.data.on == settled.data.on
    assert refunded.data.refers_to == settled.id
    take(database, fact("failed", "e3"))
    assert [event.data.refers_to for event in published(database)[3:]] == [settled.id, refunded.id]
    assert [event.data.sequence for event in published(database)] == [1, 2, 3, 4, 5]


def test_a_booking_and_a_payment_of_one_id_are_two_things(database: Database) -> None:
    take(database, fact("created", "e1"), fact("settled", "e2"))
    take(database, fact("cancelled", "e3"))
    assert deltas(database) == [("booked", 1, 0), ("settled", 1, 5000), ("booked", -1, 0)]


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param([fact("completed", "e0", external_object_id="s0")], id="a known client"),
        pytest.param([], id="a client new to both"),
    ],
)
def test_a_booking_and_its_cancellation_in_two_workers_do_not_miss_each_other(
    database: Database, earlier: list[SourceFact]
) -> None:
    take(database, *earlier)
    with database.transaction() as tx:
        accept([fact("created", "e1")], store_in(database, tx))
        cancelled = fact("cancelled", "e2", occurred_at=NOON)
        thread, results = in_another_thread(lambda: statuses(take(database, cancelled)))
        wait_for_lock(database)
    thread.join()
    assert results == [["accepted"]]
    assert deltas(database)[-2:] == [("booked", 1, 0), ("booked", -1, 0)]
    sequences = [event.data.sequence for event in published(database)]
    assert sequences == list(range(1, len(sequences) + 1))
    assert count(database, "client") == 1


def test_one_event_id_of_two_clients_at_one_moment_is_accepted_once(database: Database) -> None:
    with database.transaction() as tx:
        accept([fact("completed", "e1")], store_in(database, tx))
        other = fact("completed", "e1", external_id="li-na", external_object_id="s2")
        thread, results = in_another_thread(lambda: take(database, other))
        wait_for_lock(database)
    thread.join()
    assert isinstance(results[0], TryLater)
    assert statuses(take(database, other)) == ["conflicting-duplicate"]
    assert count(database, "ledger") == 1


def test_an_object_new_to_two_workers_at_one_moment_is_the_firsts(database: Database) -> None:
    with database.transaction() as tx:
        accept([fact("created", "e1")], store_in(database, tx))
        other = fact("completed", "e2", external_id="li-na")
        thread, results = in_another_thread(lambda: statuses(take(database, other)))
        wait_for_lock(database)
    thread.join()
    assert results == [["other-client"]]
    assert (count(database, "source_object"), count(database, "client")) == (1, 1)


def test_who_waits_for_another_workers_new_client_has_locked_none(database: Database) -> None:
    take(database, fact("completed", "e1", external_id="ada"))
    known, new = (fact("completed", "e2", external_id=name).identity for name in ("ada", "ben"))
    with database.transaction() as tx:
        first = store_in(database, tx)
        assert first.lock_clients({new}, NOON)[new].is_new

        def both() -> list[bool]:
            with database.transaction() as other_tx:
                clients = store_in(database, other_tx).lock_clients({known, new}, NOON)
                return [clients[key].is_new for key in (known, new)]

        thread, results = in_another_thread(both)
        wait_for_lock(database)
        assert not first.lock_clients({known}, NOON)[known].is_new
    thread.join()
    assert results == [[False, False]]


def test_two_workers_with_each_others_objects_do_not_deadlock(database: Database) -> None:
    facts = [
        fact("created", f"e{n}", external_object_id=f"s{n}", external_id=f"c{n % 3}")
        for n in range(40)
    ]
    later = [
        each._replace(event_id=f"{each.event_id}-{kind}", kind=kind, starts_at=None)
        for each in facts
        for kind in ("completed", "cancelled")
    ]
    rounds = [facts[::-1], later, facts, later[::-1], facts]
    threads = [
        in_another_thread(lambda batch=batch: statuses(take(database, *batch))) for batch in rounds
    ]
    for thread, _ in threads:
        thread.join()
    outcomes = [statuses for _, results in threads for statuses in results]
    assert [status for outcome in outcomes for status in outcome if status == "accepted"] == [
        "accepted"
    ] * (len(facts) + len(later))
    assert count(database, "ledger") == len(facts) + len(later)


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
    api_stores = build_stores(api_database, RECORD_KEYS, is_simulated=True)
    with api_database.transaction("lakeside") as tx:
        store = api_stores.within(tx)
        assert statuses(accept([fact("settled", "e3")], store)) == ["accepted"]
        for table, seen in (("practice", 1), ("client", 1), ("identity", 1)):
            assert count_in(tx, table) == seen
        for table, seen in (("source_object", 2), ("ledger", 2)):
            assert count_in(tx, table) == seen
        foreign = accept([fact("settled", "e4", practice_id="harbour")], store)
        assert statuses(foreign) == ["unknown-practice"]
    with api_database.transaction() as tx:
        assert count_in(tx, "ledger") == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege), api_stores.open("x") as store:
        store.save_practice(Practice("y", "y", "Asia/Tokyo", "JPY"))


def test_a_client_is_created_and_announced_once(database: Database) -> None:
    with database.transaction() as tx:
        first = register_client(WANG_FANG, store_in(database, tx))
    take(database, fact("completed", "e1"))
    with database.transaction() as tx:
        again = register_client(WANG_FANG, store_in(database, tx))
    assert (first.is_new, again.is_new) == (True, False)
    assert first.client_id == again.client_id
    assert deltas(database) == [("registered", 1, 0), ("completed", 1, 0)]
    assert [event.data.sequence for event in published(database)] == [1, 2]


def test_a_client_who_came_by_an_event_is_announced_when_registered(database: Database) -> None:
    take(database, fact("completed", "e1"))
    with database.transaction() as tx:
        registration = register_client(WANG_FANG, store_in(database, tx))
    assert not registration.is_new
    assert deltas(database) == [("completed", 1, 0), ("registered", 1, 0)]


def test_a_client_whose_first_event_counts_for_nothing_is_announced(database: Database) -> None:
    take(database, fact("cancelled", "e1"))
    assert deltas(database) == [("registered", 1, 0)]
    (event,) = published(database)
    assert (event.data.sequence, event.data.cause_id, event.data.last_of_cause) == (1, "e1", True)


def test_a_client_of_an_unknown_practice_is_refused(database: Database) -> None:
    with pytest.raises(Unknown), database.transaction() as tx:
        register_client(LI_NA._replace(practice_id="nowhere"), store_in(database, tx))


def test_the_ledger_alone_gives_every_published_activity_again(
    database: Database, api_database: Database
) -> None:
    with database.transaction() as tx:
        client_id = register_client(WANG_FANG, store_in(database, tx)).client_id
    take(database, fact("refunded", "e1"), fact("created", "e2", attributes=CODES))
    take(database, fact("settled", "e3", backfill=True), fact("cancelled", "e4", occurred_at=NOON))
    take(database, fact("settled", "e5", external_object_id="s2"))
    reads = PostgresReads(api_database)
    kept = reads.activities("lakeside", client_id, 0, 100)
    assert kept is not None
    with database.transaction() as tx:
        digits = incarnation.current(tx)
        values = [record_of_activity(activity, digits).value for activity in kept]
        rows = fetch(tx, OUTBOX, {"topic": CLIENT_ACTIVITY.name})
    assert values == [bytes(row.value) for row in rows]
    assert [activity.sequence for activity in kept] == [1, 2, 3, 4, 5, 6]
    assert reads.activities("lakeside", client_id, 2, 3) == kept[2:5]
    assert reads.activities("harbour", client_id, 0, 100) is None
