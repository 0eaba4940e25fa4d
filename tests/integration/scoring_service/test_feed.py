"""The feed shows every published change once, and no reader of it misses one (ADR 19)."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from rapport_contracts import codec
from rapport_runtime import failpoints, migrations
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import execute, fetch, fetch_value
from rapport_runtime.stream import outbox
from scoring_service.store import feed
from scoring_service.store.feed import FeedWriter
from tests.support.worlds.feed import (
    PARTITIONS,
    START,
    TOPIC,
    FeedWorld,
    change,
    event_id,
    events_of,
    in_order,
)
from tests.support.worlds.toy_ledger import Crash, at, crash

pytestmark = pytest.mark.integration


def same_partition() -> tuple[str, str]:
    """Two clients who share a partition."""
    first = change("client-0", 1)
    others = (f"client-{number}" for number in range(1, 100))
    return "client-0", next(c for c in others if change(c, 1).partition == first.partition)


class TestOnce:
    """Exactly once, whatever happens to the relay."""

    def test_it_holds_what_the_bus_holds_byte_by_byte(self, feed_world: FeedWorld) -> None:
        rows = [change(f"client-{n}", v) for v in (1, 2) for n in range(20)]
        feed_world.publish(*rows)
        events = events_of(feed_world.feed.read("harbour", START, 1000))
        assert sorted(events) == sorted(feed_world.on_the_bus())
        assert len(events) == 40

    def test_positions_are_gapless_in_each_partition_over_several_publications(
        self, feed_world: FeedWorld
    ) -> None:
        for version in (1, 2, 3):
            feed_world.publish(*[change(f"client-{n}", version) for n in range(12)])
        feed_world.publish(change("else", 1, practice="lakeside"))
        rows = feed_world.rows(
            "SELECT bucket, position FROM feed WHERE practice_id = 'harbour' ORDER BY 1, 2"
        )
        for bucket in range(PARTITIONS):
            found = [row.position for row in rows if row.bucket == bucket]
            assert found == list(range(1, len(found) + 1))
        ids, _ = feed_world.follow()
        assert len(ids) == 36
        assert all(in_order(ids))

    def test_a_crash_after_the_acknowledgement_repeats_on_the_bus_but_not_here(
        self, feed_world: FeedWorld
    ) -> None:
        feed_world.write(change("ada", 1), change("ada", 2))
        with at("acked_not_marked", crash), pytest.raises(Crash):
            feed_world.relay().drain()
        assert feed_world.follow() == ([], START)
        feed_world.relay().drain()
        assert len(feed_world.on_the_bus()) == 4
        ids, reached = feed_world.follow()
        assert ids == ["harbour.ada.rfm.1", "harbour.ada.rfm.2"]
        assert feed_world.follow(reached) == ([], reached)

    def test_a_crash_after_the_numbering_takes_the_numbers_back(
        self, feed_world: FeedWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        append = FeedWriter.append

        def then_die(self: FeedWriter, *arguments: Any) -> None:
            append(self, *arguments)
            raise Crash

        feed_world.write(change("ada", 1))
        monkeypatch.setattr(FeedWriter, "append", then_die)
        with pytest.raises(Crash):
            feed_world.relay().drain()
        assert feed_world.follow() == ([], START)
        monkeypatch.undo()
        feed_world.relay().drain()
        assert feed_world.follow()[0] == ["harbour.ada.rfm.1"]

    def test_what_the_bus_did_not_acknowledge_is_not_shown(self, feed_world: FeedWorld) -> None:
        feed_world.write(change("ada", 1))
        with at("outbox_claimed", crash), pytest.raises(Crash):
            feed_world.relay().drain()
        assert feed_world.follow() == ([], START)

    def test_records_of_other_topics_are_left_alone(self, feed_world: FeedWorld) -> None:
        other = Outgoing("other.v1", 0, b"k", b'{"id": "of no practice"}')
        feed_world.publish(other, change("ada", 1))
        assert feed_world.follow()[0] == ["harbour.ada.rfm.1"]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE feed SET position = 2",
            "UPDATE feed SET event = 'else'",
            "UPDATE feed SET event = NULL, position = 2",
            "UPDATE feed SET event = NULL, practice_id = 'lakeside'",
            "DELETE FROM feed",
            "TRUNCATE feed",
        ],
    )
    def test_a_change_keeps_its_place_and_its_event(
        self, feed_world: FeedWorld, statement: str
    ) -> None:
        feed_world.publish(change("ada", 1))
        urls = feed_world.urls
        url = urls.owner_url if statement.startswith("TRUNCATE") else urls.worker_url
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute(statement)
        assert feed_world.follow()[0] == ["harbour.ada.rfm.1"]

    def test_an_erased_change_never_comes_back(self, feed_world: FeedWorld) -> None:
        feed_world.publish(change("ada", 1))
        feed_world.erase("harbour", change("ada", 1).partition, 1)
        url = feed_world.urls.worker_url
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("UPDATE feed SET event = 'else'")
        assert feed_world.follow()[0] == []

    @pytest.mark.parametrize("mutant", [False, True])
    def test_a_partitions_last_place_is_looked_up_once_for_all_changes_that_follow(
        self, feed_world: FeedWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        """Each look steps over what the statement has added so far. Mutant: one for each change,
        as Postgres plans it unless it is told to keep the answers."""
        if mutant:
            monkeypatch.setattr(feed, "_APPEND", feed._APPEND.replace("AS MATERIALIZED (", "AS ("))
        feed_world.write(*[change("ada", version) for version in range(1, 51)])
        with feed_world.worker.transaction() as tx:
            FeedWriter(TOPIC, codec.practice_of).append(tx, fetch(tx, OUTBOX))
            looks = fetch_value(tx, LOOKS)
        assert (looks == 1) is not mutant


OUTBOX = "SELECT id, topic, partition, key, value FROM outbox ORDER BY id"
LOOKS = "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'feed'"
NUMBERED_AT_WRITING = """
    INSERT INTO feed (practice_id, bucket, position, event)
    SELECT published.practice_id, partition, id, value
    FROM unnest(%(ids)b::bigint[], %(practice_ids)b::text[]) AS published(id, practice_id)
    JOIN outbox USING (id)
"""


def numbered_at_writing(
    self: FeedWriter, tx: sa.Connection, rows: Sequence[outbox.OutboxRow]
) -> None:
    """The naive design: a sequence's value, handed out before the commit, is the cursor."""
    ids = [row[0] for row in rows]
    practices = [self._practice_of(row[4]) for row in rows]
    execute(tx, NUMBERED_AT_WRITING, {"ids": ids, "practice_ids": practices})


class TestFollowing:
    """Nothing appears before what a reader has seen."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_a_change_that_was_committed_late_is_still_ahead(
        self, feed_world: FeedWorld, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        """Mutant: "id > last", with the id that the outbox gave before the commit."""
        if mutant:
            monkeypatch.setattr(FeedWriter, "append", numbered_at_writing)
        slow, quick = same_partition()
        with feed_world.worker.engine.connect() as late:
            transaction = late.begin()
            outbox.append(late, [change(slow, 1)])  # takes the smaller id
            feed_world.publish(change(quick, 1))
            first, reached = feed_world.follow(feed_world.feed.start("harbour"))
            transaction.commit()
        feed_world.relay().drain()
        then, _ = feed_world.follow(reached)
        assert first == [f"harbour.{quick}.rfm.1"]
        assert (then == [f"harbour.{slow}.rfm.1"]) is not mutant

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_writers_relays_and_crashes_at_once(self, feed_world: FeedWorld, seed: int) -> None:
        feed_world.read_rows = 7
        storm = Storm(feed_world, seed)
        read = storm.run()
        assert sorted(read) == sorted(storm.written)
        assert all(in_order(read))
        assert len(feed_world.on_the_bus()) > len(read), "no crash was hit: raise the odds"

    def test_a_busy_partition_does_not_keep_the_others_waiting(self, feed_world: FeedWorld) -> None:
        feed_world.publish(*[change("busy", version) for version in range(1, 200)])
        quiet = [f"client-{n}" for n in range(10 * PARTITIONS)]
        busy = change("busy", 1).partition
        feed_world.publish(*[change(c, 1) for c in quiet if change(c, 1).partition != busy])
        entries = feed_world.feed.read("harbour", START, 2 * PARTITIONS).entries
        assert {entry.partition for entry in entries} == set(range(PARTITIONS))

    @pytest.mark.parametrize("limit", [1, 7, 60, 150, 400])
    def test_a_page_is_full_while_any_partition_has_more(
        self, feed_world: FeedWorld, limit: int
    ) -> None:
        """The first of each partition, then the second of each: also when few have so many."""
        clients = [f"client-{n}" for n in range(3 * PARTITIONS)]
        rows = [change("busy", version) for version in range(1, 200)]
        rows += [change(client, 1) for client in clients]
        feed_world.publish(*rows)
        in_turn = sorted(
            (position, partition)
            for partition, count in Counter(row.partition for row in rows).items()
            for position in range(1, count + 1)
        )
        entries = feed_world.feed.read("harbour", START, limit).entries
        assert [(entry.position, entry.partition) for entry in entries] == in_turn[:limit]

    def test_as_of_is_told_at_the_end_alone(self, feed_world: FeedWorld) -> None:
        feed_world.publish(*[change(f"client-{n}", 1) for n in range(5)])
        assert feed_world.feed.read("harbour", START, 10).as_of is None
        for bucket in range(PARTITIONS):
            with feed_world.worker.transaction() as tx:
                tx.execute(
                    sa.text("INSERT INTO outbox_watermark VALUES (:bucket, :at)"),
                    {"bucket": bucket, "at": f"2026-03-{bucket + 1:02}T00:00:00Z"},
                )
        page = feed_world.feed.read("harbour", START, 10)
        assert page.as_of is not None
        assert page.as_of.isoformat() == "2026-03-01T00:00:00+00:00"
        assert feed_world.feed.read("harbour", START, 5).as_of is None


class Storm:
    """Writers that commit late, relays that crash, and one reader, all at once."""

    def __init__(self, world: FeedWorld, seed: int) -> None:
        self.world = world
        self.written: list[str] = []
        self._seed = seed
        self._crashes = random.Random(f"{seed}.crash")
        self._still_writing = threading.Event()
        self._still_publishing = threading.Event()
        self._failures: list[BaseException] = []

    def run(self) -> list[str]:
        """What the reader saw, in the order in which it did."""
        self._still_writing.set()
        self._still_publishing.set()
        writers = [threading.Thread(target=self._guarded, args=(self._write, n)) for n in range(4)]
        relays = [threading.Thread(target=self._guarded, args=(self._relay, n)) for n in range(2)]
        read: list[str] = []
        reader = threading.Thread(target=self._guarded, args=(self._read, read))
        failpoints.install(self._maybe_crash)
        try:
            for thread in (*writers, *relays, reader):
                thread.start()
            _join(writers)
            self._still_writing.clear()
            _join(relays)
            self._still_publishing.clear()
            _join([reader])
        finally:
            failpoints.install(lambda _name: None)
        assert self._failures == []
        return read

    def _guarded(self, body: object, argument: object) -> None:
        try:
            body(argument)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            self._failures.append(error)

    def _maybe_crash(self, name: str) -> None:
        if name == "acked_not_marked" and self._crashes.random() < 0.2:
            raise Crash

    def _write(self, number: int) -> None:
        """Each writer has its own clients, as a worker has their rows locked."""
        chance = random.Random(f"{self._seed}.{number}")
        versions = {f"client-{number}-{n}": 0 for n in range(6)}
        for _ in range(15):
            rows = []
            for client in chance.choices(list(versions), k=chance.randint(1, 8)):
                versions[client] += 1
                rows.append(change(client, versions[client]))
            with self.world.worker.transaction() as tx:
                outbox.append(tx, rows)
                threading.Event().wait(chance.uniform(0, 0.03))
            self.written += [event_id(row.value) for row in rows]

    def _relay(self, _number: int) -> None:
        subject = self.world.relay()
        while self._still_writing.is_set() or self.world.rows("SELECT 1 FROM outbox LIMIT 1"):
            try:
                subject.drain()
            except Crash:
                continue

    def _read(self, read: list[str]) -> None:
        chance, reached, more = random.Random(self._seed), START, True
        while more:
            more = self._still_publishing.is_set()
            found, reached = self.world.follow(reached, limit=chance.randint(1, 9))
            read += found


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()


class TestWhoSees:
    """A practice sees its own, beneath whatever the API asks."""

    def test_another_practice_sees_nothing(self, feed_world: FeedWorld) -> None:
        feed_world.publish(change("ada", 1), change("bea", 1, practice="lakeside"))
        assert feed_world.follow(practice="lakeside")[0] == ["lakeside.bea.rfm.1"]
        assert feed_world.follow(practice="nobody") == ([], START)

    @pytest.mark.parametrize("practice", ["lakeside", None])
    def test_row_level_security_lies_beneath(
        self, feed_world: FeedWorld, practice: str | None
    ) -> None:
        feed_world.publish(change("ada", 1))
        count = sa.text("SELECT count(*) FROM feed WHERE practice_id = 'harbour'")
        with feed_world.api.transaction(practice) as tx:
            assert tx.execute(count).scalar_one() == 0
        with feed_world.api.transaction("harbour") as tx:
            assert tx.execute(count).scalar_one() == 1

    def test_the_api_may_read_and_no_more(self, feed_world: FeedWorld) -> None:
        with pytest.raises(sa.exc.ProgrammingError), feed_world.api.transaction("harbour") as tx:
            tx.execute(sa.text("INSERT INTO feed VALUES ('harbour', 0, 1, '')"))
        (row,) = feed_world.rows(
            "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'feed'::regclass"
        )
        assert row.relforcerowsecurity


def test_the_migration_can_be_undone_and_done_again(feed_world: FeedWorld) -> None:
    feed_world.publish(change("ada", 1))
    migrations.downgrade(feed_world.urls.owner_url, "scoring_service")
    migrations.upgrade(feed_world.urls.owner_url, "scoring_service")
    feed_world.publish(change("ada", 2))
    assert feed_world.follow()[0] == ["harbour.ada.rfm.2"]
