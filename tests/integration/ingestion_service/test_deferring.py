"""Fairness on the bus: in which order practices are served, and nothing is lost or doubled."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from ingestion_service.domain import turns
from ingestion_service.draining import Drain, Drained
from ingestion_service.ports import Hold
from ingestion_service.store import queues
from ingestion_service.store.postgres_store import PostgresStore
from rapport_contracts import topics
from rapport_contracts.canonical import HoldChanged
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.metrics import DEFERRED
from rapport_runtime.sealing import Keyring
from tests.integration.ingestion_service.flooding import (
    CLIENTS,
    FLOOD,
    QUIET,
    FloodedIntake,
    Sent,
    flooded_intake,
)
from tests.support.worlds.toy_ledger import Crash, at, crash

pytestmark = pytest.mark.integration
SERVED_ONCE = dict.fromkeys(QUIET, 1)


@pytest.fixture
def intake(service_database: Callable[[str], ServiceDatabase]) -> Iterator[FloodedIntake]:
    with flooded_intake(service_database("ingestion")) as made:
        yield made


@pytest.fixture
def small_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of twenty records, so that a hundred are a flood."""
    monkeypatch.setattr(turns, "CAPACITY", 20)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [False, True])
def test_ten_thousand_records_of_one_practice_are_in_nobodys_way(
    intake: FloodedIntake, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """R28, by the order of service. The mutant: first in, first out."""
    if mutant:
        monkeypatch.setattr(turns, "share", lambda records, _practices: records)
    intake.flood(10_000)
    committed: list[dict[str, int]] = []
    with at("after_db_commit", lambda: committed.append(intake.by_practice())):
        intake.turn()
    first = dict(committed[0])
    flooded = first.pop(FLOOD)
    assert first == SERVED_ONCE
    share = 10_005 // 6
    others_waited_for_less = flooded <= share
    served = [intake.by_practice()[FLOOD]]
    while len(served) < 6 and served[-1] < 10_000:
        intake.quietly()
        before = intake.by_practice()
        intake.turn()
        now = intake.by_practice()
        assert all(now[each] == before[each] + 1 for each in QUIET)
        served.append(now[FLOOD])
    gained = [after - before for before, after in pairwise(served)]
    takes_turns = bool(gained) and all(0 < each <= share for each in gained)
    intake.until_drained()
    assert intake.by_practice()[FLOOD] == 10_000
    survives = others_waited_for_less and takes_turns
    assert survives is not mutant


@pytest.mark.usefixtures("small_turns")
def test_the_order_within_a_practice_stays_that_of_each_partition(intake: FloodedIntake) -> None:
    intake.flood(200)
    intake.turn()
    intake.flood(30)
    intake.until_drained()
    order = {event_id: place for place, event_id in enumerate(intake.accepted(FLOOD))}
    for number in range(CLIENTS):
        own = [each.event_id for each in intake.sent if each[:2] == (FLOOD, f"c{number}")]
        places = [order[event_id] for event_id in own]
        assert places == sorted(places)


@pytest.mark.usefixtures("small_turns")
@pytest.mark.parametrize("place", ["deferring", "draining", "releasing"])
def test_nothing_is_lost_or_doubled_where_a_worker_is_killed(
    intake: FloodedIntake, place: str
) -> None:
    intake.flood(200)
    with at(place, crash) as hits, suppress(Crash):
        intake.until_drained()
    assert hits.count(place) == 1
    intake.restart()
    intake.until_drained()
    sent = sorted(each.event_id for each in intake.sent)
    assert sorted(intake.accepted()) == sent
    assert sorted(each.data.cause_id or "" for each in intake.activities()) == sent
    assert intake.rows("SELECT FROM deferred") == []


@pytest.mark.usefixtures("small_turns")
@pytest.mark.parametrize("mutant", [False, True])
def test_what_is_drained_and_what_comes_of_it_are_one_transaction(
    intake: FloodedIntake, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """The mutant commits the removal of the records first."""
    intake.flood(200)
    if mutant:

        def take_first(self: PostgresStore, practice_id: str, limit: int) -> object:
            found = queues.first(self._tx, practice_id, limit, self._sealer)
            gone = [each.deferred_id for each in found[: limit - 1]]
            intake.run("DELETE FROM deferred WHERE deferred_id = ANY(%(ids)s)", ids=gone)
            return found

        monkeypatch.setattr(PostgresStore, "deferred", take_first)
    with at("draining", crash), suppress(Crash):
        intake.until_drained()
    intake.restart()
    intake.until_drained()
    survives = sorted(intake.accepted()) == sorted(each.event_id for each in intake.sent)
    assert survives is not mutant


@pytest.mark.usefixtures("small_turns")
@pytest.mark.parametrize("mutant", [False, True])
def test_what_is_deferred_and_the_position_are_one_transaction(
    intake: FloodedIntake, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """The mutant keeps what it defers in memory until the commit."""
    intake.flood(200)
    if mutant:
        monkeypatch.setattr(PostgresStore, "defer", lambda _self, _records, _now: None)
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    intake.restart()
    for _ in range(20):
        intake.turn()
    survives = sorted(intake.accepted()) == sorted(each.event_id for each in intake.sent)
    assert survives is not mutant


@pytest.mark.usefixtures("small_turns")
@pytest.mark.parametrize("mutant", [False, True])
def test_the_last_turn_and_the_end_of_the_hold_are_one_transaction(
    intake: FloodedIntake, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """The mutant announces the end after the commit."""
    intake.flood(200)
    announce = PostgresStore.announce_holds

    def only_begins(self: PostgresStore, holds: list[Hold]) -> None:
        announce(self, [hold for hold in holds if hold.is_held])

    if mutant:
        monkeypatch.setattr(PostgresStore, "announce_holds", only_begins)
    run = Drain.run

    def drain_and_die(self: Drain, *told: Any) -> Drained:
        drained = run(self, *told)
        if not intake.rows("SELECT FROM practice_queue"):
            raise Crash
        return drained

    with monkeypatch.context() as patched, suppress(Crash):
        patched.setattr(Drain, "run", drain_and_die)
        intake.until_drained()
    intake.restart()
    intake.turn()
    ends = [each for each in intake.published(0) if each.practiceid == FLOOD][-1]
    survives = isinstance(ends, HoldChanged) and not ends.data.held
    assert survives is not mutant


@pytest.mark.usefixtures("small_turns")
def test_every_partition_says_that_the_hold_begins_before_all_and_ends_after_all(
    intake: FloodedIntake,
) -> None:
    counted = DEFERRED.labels(topics.SOURCE_PAYMENTS.name)
    before = counted._value.get()
    intake.flood(200)
    intake.until_drained()
    (last,) = intake.rows("SELECT pg_sequence_last_value('deferred_deferred_id_seq') AS number")
    assert counted._value.get() - before == last.number > 100
    ids = set()
    for number in range(CLIENT_ACTIVITY.partitions):
        own = [each for each in intake.published(number) if each.practiceid == FLOOD]
        begin, *between, end = own
        assert isinstance(begin, HoldChanged)
        assert isinstance(end, HoldChanged)
        assert (begin.data.reason, begin.data.held, end.data.held) == ("deferred", True, False)
        assert begin.data.hold_id == end.data.hold_id
        assert not any(isinstance(each, HoldChanged) for each in between)
        ids |= {begin.id, end.id}
    assert len(ids) == 2 * CLIENT_ACTIVITY.partitions
    held = [e for n in range(CLIENT_ACTIVITY.partitions) for e in intake.published(n)]
    assert {e.practiceid for e in held if isinstance(e, HoldChanged)} == {FLOOD}


@pytest.mark.usefixtures("small_turns")
def test_the_sums_are_those_without_a_queue(
    intake: FloodedIntake,
    service_database: Callable[[str], ServiceDatabase],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intake.flood(200)
    intake.send([each for each in intake.sent if each.practice_id == FLOOD][:50])  # sent twice
    intake.until_drained()
    monkeypatch.setattr(turns, "CAPACITY", 10_000)
    with flooded_intake(service_database("ingestion")) as smooth:
        smooth.send(intake.sent)
        smooth.until_drained()
        assert smooth.rows("SELECT pg_sequence_last_value('deferred_deferred_id_seq') AS last") == [
            (None,)
        ]
        assert intake.sums() == smooth.sums() != {}


@pytest.mark.usefixtures("small_turns")
def test_what_waits_is_sealed(intake: FloodedIntake) -> None:
    secret = f"secret{secrets.token_hex(8)}"
    intake.send([Sent(FLOOD, secret, f"{secret}-{n}") for n in range(200)])
    intake.quietly()
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    rows = intake.rows("SELECT deferred::text AS said, sealed FROM deferred")
    assert len(rows) > 50
    assert not any(secret in row.said or secret.encode() in row.sealed for row in rows)
    intake.restart()
    intake.until_drained()
    assert sum(secret in event_id for event_id in intake.accepted()) == 200


@pytest.mark.usefixtures("small_turns")
def test_what_no_key_opens_waits_for_its_key_and_nobody_waits_with_it(
    intake: FloodedIntake,
) -> None:
    intake.flood(200)
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    other = Keyring({"other": b64encode(bytes(32)).decode()}, active="other")
    intake.restart(other)
    intake.quietly()
    intake.turn()
    assert all(intake.by_practice()[each] == 2 for each in QUIET)
    assert intake.by_practice()[FLOOD] < 200
    intake.restart()
    intake.until_drained()
    assert intake.by_practice()[FLOOD] == 200


@pytest.mark.usefixtures("small_turns")
def test_records_of_a_paused_topic_wait_in_the_queue_too(intake: FloodedIntake) -> None:
    intake.flood(200)
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    pause = "INSERT INTO pause (kind, subject, who, why) VALUES (%(k)s, %(s)s, 'ann', 'a test')"
    intake.run(pause, k="topic", s=topics.SOURCE_PAYMENTS.name)
    intake.restart()
    before = intake.by_practice()
    for _ in range(3):
        intake.turn()
    assert intake.by_practice() == before
    intake.run("DELETE FROM pause")
    intake.run(pause, k="worker", s="*")
    intake.turn()
    assert intake.by_practice() == before
    intake.run("DELETE FROM pause")
    intake.until_drained()
    assert intake.by_practice()[FLOOD] == 200


@pytest.mark.usefixtures("small_turns")
def test_what_the_database_refuses_stands_alone_at_last_and_is_a_dead_letter(
    intake: FloodedIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.flood(200)
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    waiting = intake.rows("SELECT topic, partition, record_offset FROM deferred")
    bad = next(each for each in reversed(intake.sent) if each.practice_id == FLOOD).event_id
    append = PostgresStore.append

    def refuse(self: PostgresStore, entries: list[object]) -> None:
        if any(entry.fact.event_id == bad for entry in entries):  # type: ignore[attr-defined]
            raise psycopg.DataError("asked to")
        append(self, entries)  # type: ignore[arg-type]

    monkeypatch.setattr(PostgresStore, "append", refuse)
    intake.restart()
    intake.until_drained()
    assert intake.by_practice()[FLOOD] == 199
    (letter,) = intake.rows(
        "SELECT topic, partition, record_offset, reason, named_practice FROM dead_letter"
    )
    assert tuple(letter)[3:] == ("database-refused", FLOOD)
    assert tuple(letter)[:3] in {tuple(row) for row in waiting}


@pytest.mark.usefixtures("small_turns")
def test_a_queue_that_another_worker_has_is_left_to_it(intake: FloodedIntake) -> None:
    intake.flood(200)
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    intake.restart(Keyring({"other": b64encode(bytes(32)).decode()}, active="other"))
    with intake.database.transaction() as first, intake.database.transaction() as second:
        held = intake.stores.within(first).lock_queues({FLOOD})
        assert held.keys() == {FLOOD}
        assert intake.stores.within(second).try_lock_queue(FLOOD) is None
    with intake.database.transaction() as tx:
        assert intake.stores.within(tx).try_lock_queue(FLOOD) == held[FLOOD]
