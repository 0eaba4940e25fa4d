"""Letters come back on demand and have their effect once; too many of them halt the loop."""

import itertools

import pytest

from rapport_runtime.bus.memory import MemoryBus, MemoryRecord
from rapport_runtime.errors import InvalidRecord, LoopHalted
from rapport_runtime.stream import positions
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.dead_letters.sealed import opened
from rapport_runtime.stream.dead_letters.store import Actor, DeadLetterStore
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.positions import BeginAnew
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.worlds.toy_ledger import (
    GROUP,
    NEVER,
    TOPIC,
    Ledger,
    bad_words,
    eager_loop_of,
    loop_of,
    partition,
    put,
    turns,
)

pytestmark = pytest.mark.integration


def queue(ledger: Ledger, offset: int | None = None) -> None:
    """As an operator does: also those that were replayed."""
    store = DeadLetterStore(ledger.database)
    for row in ledger.rows("SELECT id, record_offset FROM every_letter ORDER BY id"):
        if offset in (None, row.record_offset):
            assert store.queue(Actor(name="ann", all_practices=True), row.id)


def states(ledger: Ledger) -> list[str]:
    return [row.state for row in ledger.rows("SELECT state FROM every_letter ORDER BY id")]


def test_a_topic_made_anew_gives_an_offset_out_again_and_both_letters_are_kept(
    bus: MemoryBus, ledger: Ledger
) -> None:
    """The bad record of the new topic must not vanish behind the letter of the old one."""
    put(bus, 0, "bad one")
    member = bus.consumer(GROUP, [TOPIC])
    turns(loop_of(member, ledger))
    member.close()
    bus.create(TOPIC, 2)
    put(bus, 0, "bad two")
    begin_anew(bus, ledger)
    subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
    turns(subject)
    kept = ledger.rows("SELECT * FROM dead_letter ORDER BY id")
    assert [opened(RECORD_KEYS, row).value for row in kept] == [b"bad one", b"bad two"]
    ledger.heal.add("bad two")
    queue(ledger)
    turns(subject, 1)
    assert states(ledger) == ["held", "replayed"]
    assert ledger.entries() == ["bad two"]


def begin_anew(bus: MemoryBus, ledger: Ledger) -> None:
    """What an operator's `restored --confirm` does with the positions."""
    with ledger.database.transaction() as tx:
        stored = positions.load(tx, GROUP, [partition(0), partition(1)])
        moves = [BeginAnew(each, at, 0, bus.topic_id(TOPIC)) for each, at in stored.items()]
        assert positions.begin_anew(tx, GROUP, moves) == len(moves)


class TestReplay:
    """R12: replayed twice, in any order, the state is as if nothing had been wrong."""

    def test_a_healed_letter_has_its_effect(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "a", "bad", "b")
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        ledger.heal.add("bad")
        queue(ledger)
        turns(subject, 1)
        assert ledger.entries() == ["a", "b", "bad"]
        assert states(ledger) == ["replayed"]
        assert ledger.offsets()[0] == 3

    def test_it_is_replayed_under_load_too(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "bad")
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        ledger.heal.add("bad")
        queue(ledger)
        put(bus, 0, "a")
        assert subject.turn(NEVER) == 1
        assert ledger.entries() == ["a", "bad"]

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_twice_and_in_any_order_has_effect_once(
        self, bus: MemoryBus, ledger: Ledger, order: tuple[int, ...]
    ) -> None:
        put(bus, 0, *(f"once:{n}" for n in range(3)))
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        records = [
            MemoryRecord(number, None, f"once:{number}".encode(), (), 0) for number in range(6)
        ]
        letters = [DeadLetter(partition(0), record, InvalidRecord("x", "")) for record in records]
        with ledger.database.transaction() as tx:
            DeadLetterTable(GROUP, RECORD_KEYS).save(tx, letters)
        for number in (*order, *order, 4, 5, 4):
            queue(ledger, number)
            turns(subject, 1)
        assert sorted(ledger.entries()) == sorted(f"once:{n}" for n in (0, 1, 2, 4, 5))

    def test_one_that_is_still_bad_is_held_again_with_its_new_reason(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "bad", "state:22012", "reject")
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        ledger.run("UPDATE dead_letter SET reason = 'old', state = 'queued'")
        turns(subject)
        rows = ledger.rows("SELECT * FROM dead_letter ORDER BY record_offset")
        assert [row.reason for row in rows] == ["unreadable", "database-refused", "impossible"]
        assert {row.state for row in rows} == {"held"}
        assert ledger.rows("SELECT * FROM decided_letter") == []

    def test_a_poison_among_the_replayed_does_not_hold_up_the_others(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        values = ["bad1", "state:22003", "bad2", "invalid", "bad3"]
        put(bus, 0, *values)
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        ledger.heal |= {"bad1", "bad2", "bad3"}
        queue(ledger)
        turns(subject, 1)
        assert ledger.entries() == ["bad1", "bad2", "bad3"]
        rows = ledger.rows("SELECT state FROM every_letter ORDER BY record_offset")
        assert [row.state for row in rows] == ["replayed", "held", "replayed", "held", "replayed"]

    def test_what_may_pass_leaves_it_queued(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "bad")
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        ledger.heal.add("bad")
        queue(ledger)
        ledger.later = 1
        turns(subject, 1)
        assert states(ledger) == ["queued"]
        turns(subject, 1)
        assert states(ledger) == ["replayed"]

    def test_only_the_partitions_owner_replays(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "bad0")
        put(bus, 1, "bad1")
        first, second = (eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger) for _ in range(2))
        turns(first)
        turns(second)
        ledger.heal |= {"bad0", "bad1"}
        queue(ledger)
        turns(first, 1)
        assert ledger.entries() == ["bad0"]
        turns(second, 1)
        assert ledger.entries() == ["bad0", "bad1"]

    def test_one_whose_partition_is_locked_waits(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "bad")
        subject = eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        ledger.heal.add("bad")
        queue(ledger)
        with ledger.database.transaction() as frozen:
            frozen.exec_driver_sql("SELECT 1 FROM consumer_position FOR UPDATE")
            turns(subject, 1)
            assert ledger.entries() == []
        turns(subject, 1)
        assert ledger.entries() == ["bad"]


class TestLimit:
    """R10: a bad deploy stops the loop instead of putting everything aside."""

    def limited(self, bus: MemoryBus, ledger: Ledger, **limits: float) -> BatchLoop:
        limit = DeadLetterLimit(**limits)  # type: ignore[arg-type]  # counts are whole
        return eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger, limit)

    def test_too_many_in_a_row_halt_it_without_a_commit(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, *bad_words(50))
        with pytest.raises(LoopHalted, match="50 invalid"):
            turns(self.limited(bus, ledger))
        assert ledger.offsets()[0] == 0
        assert states(ledger) == []

    def test_the_row_goes_on_over_batches(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = self.limited(bus, ledger, max_consecutive=5)
        subject.turn(NEVER)
        for _ in range(2):
            put(bus, 0, *bad_words(2))
            subject.turn(NEVER)
        put(bus, 0, "bad@west")
        with pytest.raises(LoopHalted):
            subject.turn(NEVER)
        assert ledger.offsets()[0] == 4

    def test_a_good_one_ends_the_row(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = self.limited(bus, ledger, max_consecutive=5)
        subject.turn(NEVER)
        for values in (bad_words(4), ["good"], bad_words(4)):
            put(bus, 0, *values)
            subject.turn(NEVER)
        assert ledger.offsets()[0] == 9

    def test_too_large_a_part_halts_it_over_a_minimum_sample(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = self.limited(bus, ledger, max_ratio=0.2, min_sample=10)
        subject.turn(NEVER)
        put(bus, 0, "bad@east", "bad@south", "a", "b", "c")  # 40 %, but of five only
        subject.turn(NEVER)
        assert ledger.offsets()[0] == 5
        put(bus, 0, "d", "e", "f", "g", "h")  # 2 of 10
        subject.turn(NEVER)
        put(bus, 0, "bad@west", "i")
        with pytest.raises(LoopHalted, match="3 of the last 12"):
            subject.turn(NEVER)
        assert ledger.offsets()[0] == 10

    @pytest.mark.parametrize("values", [bad_words(200, "east"), ["state:22012@east"] * 60])
    def test_one_practice_alone_halts_nothing(
        self, bus: MemoryBus, ledger: Ledger, values: list[str]
    ) -> None:
        """Also where a few of another practice are among them."""
        put(bus, 0, *values, "bad@south", "good")
        turns(self.limited(bus, ledger))
        assert ledger.entries() == ["good"]
        (row,) = ledger.rows("SELECT count(*) AS letters FROM dead_letter WHERE state = 'held'")
        assert row.letters == len(values) + 1

    def test_what_names_nobody_halts_nothing(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, *["state:22012"] * 60, "good")
        turns(self.limited(bus, ledger))
        assert ledger.entries() == ["good"]

    def test_a_batch_with_nothing_bad_in_it_is_committed_whatever_came_before(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        """The first nine are too few for the ratio; with the next three there are enough."""
        subject = self.limited(bus, ledger, max_ratio=0.2, min_sample=10, max_consecutive=100)
        subject.turn(NEVER)
        for values in ([*bad_words(8), "a"], ["b", "c", "d"]):
            put(bus, 0, *values)
            subject.turn(NEVER)
        assert ledger.entries() == ["a", "b", "c", "d"]

    def test_records_found_bad_by_halving_count_as_well(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, *["state:22012@east", "state:22012@south"] * 4)
        with pytest.raises(LoopHalted):
            turns(self.limited(bus, ledger, max_consecutive=4))
        assert len(states(ledger)) == 3

    def test_no_position_moves_past_what_was_not_put_aside(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a", "bad", "state:22012")
        turns(eager_loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.offsets()[partition(0).partition] == 3
        assert states(ledger) == ["held", "held"]
