"""The relay's looks do not read what it removed, and miss nothing for it."""

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch, fetch_value
from rapport_runtime.stream import drained, outbox, relay
from tests.support.worlds.toy_ledger import words
from tests.support.worlds.toy_relay import OUT, append, plain, published, rows

pytestmark = pytest.mark.integration


@pytest.fixture
def bus(bus: MemoryBus) -> MemoryBus:
    bus.create(OUT, 2)
    return bus


class TestLateCommits:
    """R21, for the mark too."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_the_mark_of_what_is_drained_waits_for_who_may_still_add_before_it(
        self,
        bus: MemoryBus,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        *,
        mutant: bool,
    ) -> None:
        monkeypatch.setattr(drained, "EVERY_ROWS", 1)
        if mutant:  # the mark goes to what was removed last, whoever still writes
            monkeypatch.setattr(drained, "_WRITERS", drained._WRITERS + " AND false")
        subject = plain(database, bus)
        with database.engine.connect() as late:
            transaction = late.begin()
            outbox.append(late, rows(0, "late"))  # takes the smaller id
            for value in ("early", "earlier"):
                append(database, *rows(0, value))
                subject.drain()
            transaction.commit()
        subject.drain()
        assert published(bus) == ["early", "earlier", "late"][: 2 if mutant else 3]
        append(database, *rows(0, "next"))
        subject.drain()
        assert published(bus)[-1] == "next"


class TestRemovedRows:
    """Rows that were removed, and that nobody may clear away yet, cost no look anything."""

    def test_a_look_reads_no_more_while_a_long_transaction_keeps_what_was_drained(
        self, bus: MemoryBus, database: Database, runtime_database: ServiceDatabase
    ) -> None:
        subject = plain(database, bus)
        with psycopg.connect(runtime_database.owner_url) as report:
            report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            report.execute("SELECT count(*) FROM outbox")
            pages = [pages_of_looks(database)]
            for thousands in (2, 98):
                add_thousands(database, thousands)
                subject.drain()
                pages.append(pages_of_looks(database))
                assert dead_rows(runtime_database) >= thousands * 1_000
        before, few, many = pages
        assert many <= few + 20
        assert few <= before + 2 * relay.READ_ROWS // 10

    def test_the_mark_stops_before_what_another_relay_has_not_published_yet(
        self, bus: MemoryBus, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drained, "EVERY_ROWS", 1)
        append(database, *rows(0, "a"), *rows(1, "b"), *rows(0, "c"))
        with database.transaction() as other:
            fetch(other, "SELECT pg_advisory_xact_lock(%(c)s, 1)", {"c": relay.LOCK_CLASS})
            plain(database, bus).drain()
        with database.transaction() as tx:
            assert fetch_value(tx, "SELECT through FROM outbox_drained") == 1
        plain(database, bus).drain()
        assert published(bus, 1) == ["b"]

    def test_the_mark_never_goes_back(
        self, bus: MemoryBus, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drained, "EVERY_ROWS", 1)
        append(database, *rows(0, "a"))
        plain(database, bus).drain()
        older = drained.DrainedMark(database)
        older.removed(1, last_id=0)
        older.move()
        with database.transaction() as tx:
            assert fetch_value(tx, "SELECT through FROM outbox_drained") == 1


def add_thousands(database: Database, thousands: int) -> None:
    for _ in range(thousands):
        append(database, *rows(0, *words("w", 1_000)))


def pages_of_looks(database: Database) -> int:
    """The pages that the relay reads to find nothing: of both statements, as Postgres counts."""
    texts = {
        relay._LOCK: {
            "idle_timeout": "45000",
            "lock_class": relay.LOCK_CLASS,
            "partitions": [0, 1],
            "when_empty": False,
        },
        relay._READ: {"partitions": [0, 1], "limit": relay.READ_ROWS},
    }
    pages = 0
    for text, parameters in texts.items():
        with database.transaction() as tx:
            explained = fetch(tx, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {text}", parameters)
        plan = explained[0][0][0]["Plan"]
        assert "Seq Scan on outbox" not in str(plan)
        pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return pages


def dead_rows(made: ServiceDatabase) -> int:
    """The rows that VACUUM has to leave where they are."""
    with psycopg.connect(made.owner_url, autocommit=True) as owner:
        owner.execute("VACUUM outbox")
        owner.execute("ANALYZE outbox")
        ((dead,),) = owner.execute(
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'outbox'"
        ).fetchall()
    return int(dead)
