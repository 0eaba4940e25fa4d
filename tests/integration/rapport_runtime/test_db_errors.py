"""Frozen workers hold nobody up, and only the data's own faults put a record aside."""

import psycopg
import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import fetch
from rapport_runtime.db_errors import describe
from rapport_runtime.stream.dead_letters.sealed import opened
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.servers.buses import eventually
from tests.support.worlds.toy_ledger import (
    GROUP,
    NEVER,
    TOPIC,
    Ledger,
    at,
    loop_of,
    partition,
    put,
    turns,
    words,
    worker_database,
)

pytestmark = pytest.mark.integration
P0, P1 = partition(0), partition(1)


class TestFrozenWorkers:
    """A worker that is frozen in a transaction holds its row locks."""

    def test_a_locked_partition_is_left_out_and_the_others_go_on(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        put(bus, 0, "a")
        put(bus, 1, "b")
        with ledger.database.transaction() as frozen:
            fetch(frozen, "SELECT 1 FROM consumer_position WHERE partition = 0 FOR UPDATE")
            turns(subject)
            assert ledger.entries() == ["b"]
        turns(subject)
        assert ledger.entries() == ["b", "a"]

    def test_the_locks_of_a_frozen_worker_fall_and_its_batch_is_rolled_back(
        self, bus: MemoryBus, ledger: Ledger, runtime_database: ServiceDatabase
    ) -> None:
        put(bus, 0, "a")
        hurried = worker_database(runtime_database, idle_in_transaction_ms=200)
        frozen_ledger = Ledger(hurried)
        consumer = bus.consumer(GROUP, [TOPIC])
        frozen = loop_of(consumer, frozen_ledger)
        frozen.turn(NEVER)

        def freeze() -> None:
            bus.evict(GROUP, consumer)
            successor = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
            assert eventually(lambda: successor.turn(NEVER) == 1, seconds=5)

        with at("before_db_commit", freeze):
            frozen.turn(NEVER)
        turns(frozen)
        hurried.close()
        assert ledger.entries() == ["a"]


class TestBlame:
    """Only the data's own faults may blame a record."""

    @pytest.mark.parametrize("poison", ["state:22003", "state:23505", "invalid", "reject", "bad"])
    @pytest.mark.parametrize("place", [0, 7, 14])
    def test_the_one_record_is_put_aside_and_all_others_have_their_effect(
        self, bus: MemoryBus, ledger: Ledger, poison: str, place: int
    ) -> None:
        values = words("a", 15)
        values[place] = poison
        put(bus, 0, *values[:8])
        put(bus, 1, *values[8:])
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.entries(0) == [word for word in values[:8] if word != poison]
        assert ledger.entries(1) == [word for word in values[8:] if word != poison]
        assert ledger.offsets() == {0: 8, 1: 7}
        (letter,) = ledger.rows("SELECT * FROM dead_letter")
        assert opened(RECORD_KEYS, letter).value == poison.encode()
        assert (letter.partition, letter.record_offset) == (place // 8, place % 8)
        assert letter.state == "held"

    def test_several_poisons_in_one_batch(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "state:22012", "a", "bad", "b", "state:23502", "mark:1", "reject", "c")
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.entries() == ["a", "b", "mark:1", "c"]
        letters = ledger.rows("SELECT reason FROM dead_letter ORDER BY record_offset")
        assert [letter.reason for letter in letters] == [
            "database-refused",
            "unreadable",
            "database-refused",
            "impossible",
        ]

    @pytest.mark.parametrize(
        "state", ["08006", "40P01", "40001", "53300", "53100", "57P01", "57014", "55P03"]
    )
    def test_what_may_pass_blames_nothing(self, bus: MemoryBus, ledger: Ledger, state: str) -> None:
        put(bus, 0, "a", f"state:{state}", "b")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject, 4)
        assert ledger.entries() == []
        assert ledger.rows("SELECT 1 FROM dead_letter") == []
        assert ledger.offsets()[0] == 0
        ledger.heal.add(f"state:{state}")
        turns(subject)
        assert ledger.entries() == ["a", f"state:{state}", "b"]

    def test_a_fault_of_the_program_stops_it_and_commits_nothing(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a", "state:42703")
        with pytest.raises(psycopg.errors.UndefinedColumn) as raised:
            turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert describe(raised.value).startswith("SQLSTATE 42703")
        assert ledger.entries() == []

    def test_a_value_that_the_driver_refuses_to_send_is_the_datas_fault(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a", "nul\0", "b")
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.entries() == ["a", "b"]

    def test_a_letter_keeps_all_of_the_record(self, bus: MemoryBus, ledger: Ledger) -> None:
        headers = (("na\0me", b"\xff"), ("b", b""))
        bus.append(TOPIC, 0, None, b"bad\x00", headers)
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        (letter,) = ledger.rows("SELECT * FROM dead_letter")
        content = opened(RECORD_KEYS, letter)
        assert (content.key, content.value) == (None, b"bad\x00")
        assert content.headers == (("na\ufffdme", b"\xff"), ("b", b""))
        assert (letter.practice_id, letter.reason) == ("north", "unreadable")
        assert letter.field == "/a\ufffdb"
