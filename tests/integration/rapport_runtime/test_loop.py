"""The batch loop against each of its traps: what is assigned, claimed, rolled back."""

import threading
from datetime import timedelta
from typing import Any, Self
from unittest import mock

import psycopg
import pytest
import sqlalchemy as sa

from rapport_runtime.bus.memory import MemoryBus, MemoryConsumer
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import LoopHalted
from rapport_runtime.stream import positions
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.loop import LoopOptions
from rapport_runtime.stream.positions import OffsetAdvance, Position
from tests.support.worlds.toy_ledger import (
    GROUP,
    MIDNIGHT,
    NEVER,
    TOMBSTONE,
    TOPIC,
    Ledger,
    at,
    loop_of,
    partition,
    put,
    turns,
    words,
)

pytestmark = pytest.mark.integration
P0, P1 = partition(0), partition(1)


class TestThePlainPath:
    """Records come in, effects and positions go into one transaction."""

    def test_every_record_has_its_effect_once_in_the_order_of_its_partition(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, *words("a", 5))
        put(bus, 1, *words("b", 3))
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        assert not subject.assigned
        assert subject.turn(NEVER) == 0  # joins and positions itself
        assert subject.assigned
        assert subject.turn(NEVER) == 8
        assert ledger.entries(0) == words("a", 5)
        assert ledger.entries(1) == words("b", 3)
        assert len(ledger.batches) == 1
        assert ledger.offsets() == {0: 5, 1: 3}

    def test_it_waits_long_for_a_place_in_the_group_and_for_nothing_else(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        members = [bus.consumer(GROUP, [TOPIC]) for _ in range(3)]  # of two partitions
        waits: dict[MemoryConsumer, list[float]] = {}
        for member in members:
            with mock.patch.object(member, "poll", wraps=member.poll) as poll:
                turns(loop_of(member, ledger, poll_seconds=0.02), 2)
            waits[member] = [call.args[0] for call in poll.call_args_list]
        left_over = [member for member in members if not member.assignment()]
        assert len(left_over) == 1
        for member, waited in waits.items():
            patient = LoopOptions.join_poll_seconds if member in left_over else 0.02
            assert waited == [patient, patient]

    def test_it_settles_after_each_commit_and_when_there_is_nothing(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        assert ledger.settled == 1
        put(bus, 0, "a", "mark:1", "b")
        subject.turn(NEVER)
        assert ledger.settled == 3

    def test_a_cut_ends_its_batch_and_moves_business_time(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a", "mark:1", "b", "mark:2", "c")
        put(bus, 1, "d", "mark:1", "e")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject, 2)
        assert ledger.batches == [["a", "mark:1", "d", "mark:1"], ["b", "mark:2", "e"], ["c"]]
        reached = {tp: held.processed_through for tp, held in subject.positions.items()}
        assert reached == {P0: MIDNIGHT + timedelta(days=2), P1: MIDNIGHT + timedelta(days=1)}
        assert ledger.partitions[0].position.next_offset == 4
        assert ledger.partitions[0].position.processed_through == reached[P0]

    def test_a_slice_knows_what_was_swept_meanwhile(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        ledger.run("UPDATE consumer_position SET swept_through = %(at)s", at=MIDNIGHT)
        put(bus, 0, "a")
        subject.turn(NEVER)
        assert ledger.partitions[0].position.swept_through == MIDNIGHT

    def test_a_tombstone_is_a_record_like_any_other(self, bus: MemoryBus, ledger: Ledger) -> None:
        bus.append(TOPIC, 0, b"k", None)
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.entries() == [TOMBSTONE]

    def test_told_to_stop_half_way_it_leaves_the_rest_to_be_read_again(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a", "mark:1", "b")
        stop = threading.Event()
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(stop)
        ledger.before = stop.set
        assert subject.turn(stop) == 2
        assert ledger.offsets()[0] == 2
        assert subject.turn(NEVER) == 1
        assert ledger.entries() == ["a", "mark:1", "b"]


class TestPositions:
    """Where a group starts, and what its offsets mean."""

    def test_a_first_position_is_stored_at_the_logs_start(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, *words("a", 5))
        bus.remove(P0, range(3))
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        assert ledger.offsets() == {0: 3, 1: 0}
        subject.turn(NEVER)
        assert ledger.entries() == ["a3", "a4"]

    def test_holes_of_compaction_are_stepped_over(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "a", "b", "mark:1", "c", "d", "e")
        bus.remove(P0, [0, 1, 3, 4])
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject, 2)
        assert ledger.entries() == ["mark:1", "e"]
        assert ledger.offsets()[0] == 6
        put(bus, 0, "f", "g")
        bus.remove(P0, [6])
        subject.turn(NEVER)
        assert ledger.entries() == ["mark:1", "e", "g"]

    def test_positions_only_grow(self, ledger: Ledger) -> None:
        with ledger.database.transaction() as tx:
            positions.create(tx, GROUP, P0, topic_id="x", next_offset=7)
            positions.create(tx, GROUP, P0, topic_id="y", next_offset=0)
            moved = positions.claim(tx, GROUP, [OffsetAdvance(P0, 7, 3, MIDNIGHT)])
            assert moved == {P0: Position(7, "x", MIDNIGHT)}
            earlier = MIDNIGHT - timedelta(days=1)
            assert positions.claim(tx, GROUP, [OffsetAdvance(P0, 7, 7, earlier)]) == moved

    def test_time_is_complete_only_when_every_expected_partition_has_one(
        self, ledger: Ledger
    ) -> None:
        with ledger.database.transaction() as tx:
            for tp in (P0, P1):
                positions.create(tx, GROUP, tp, topic_id="x", next_offset=0)
            positions.claim(tx, GROUP, [OffsetAdvance(P0, 0, 0, MIDNIGHT)])
            assert positions.complete_through(tx, GROUP, [P0]) == MIDNIGHT
            assert positions.complete_through(tx, GROUP, [P0, P1]) is None
            assert positions.complete_through(tx, GROUP, [P0, partition(9)]) is None
            positions.claim(tx, GROUP, [OffsetAdvance(P1, 0, 0, MIDNIGHT + timedelta(days=1))])
            assert positions.complete_through(tx, GROUP, [P0, P1]) == MIDNIGHT

    def test_a_topic_made_anew_halts_the_loop_at_the_next_assignment(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a")
        consumer = bus.consumer(GROUP, [TOPIC])
        turns(loop_of(consumer, ledger))
        consumer.close()
        bus.create(TOPIC, 2)
        put(bus, 0, "other", "log")
        with pytest.raises(LoopHalted, match="anew"):
            turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.entries() == ["a"]

    def test_a_topic_made_anew_under_a_running_loop_is_noticed(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a")
        always = AssignmentOptions(commit_seconds=0.0)
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger, assignment=always)
        turns(subject)
        bus.create(TOPIC, 2)
        put(bus, 0, "other", "log")
        with pytest.raises(LoopHalted, match="anew"):
            subject.turn(NEVER)
        assert ledger.entries() == ["a"]

    def test_a_log_that_lost_what_was_not_read_halts_the_loop(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        put(bus, 0, *words("a", 5))
        bus.remove(P0, range(3))
        with pytest.raises(LoopHalted):
            subject.turn(NEVER)


class TestAssignment:
    """Rebalances: what is kept in a client's memory must not count."""

    def test_a_partition_is_forgotten_only_after_a_seek_that_succeeded(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, "a")
        consumer = bus.consumer(GROUP, [TOPIC])
        subject = loop_of(consumer, ledger)
        bus.down = True
        turns(subject)
        assert consumer.newly_assigned() == {P0, P1}
        bus.down = False
        turns(subject)
        assert ledger.entries() == ["a"]

    @pytest.mark.parametrize("mutant", [False, True])
    def test_kept_partitions_are_sought_again(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        """R15: while records are in flight a second member joins."""
        put(bus, 0, *words("a", 5))
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        if mutant:
            seek = MemoryConsumer.seek

            def no_seek(self: MemoryConsumer, tp: TopicPartition, offset: int) -> None:
                seek(self, tp, self._positions.get(tp, offset))

            monkeypatch.setattr(MemoryConsumer, "seek", no_seek)
        with at("polled", lambda: bus.join(GROUP, MemoryConsumer(bus, GROUP, [TOPIC]))):
            subject.turn(NEVER)
        turns(subject)
        survives = ledger.entries(0) == words("a", 5)
        assert survives is not mutant

    def test_a_partition_that_came_back_is_read_from_where_the_other_left_it(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 1, *words("a", 3))
        first = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(first)
        other = bus.consumer(GROUP, [TOPIC])
        second = loop_of(other, ledger)
        turns(first)
        put(bus, 1, *words("b", 3))
        turns(second)
        other.close()
        put(bus, 1, *words("c", 3))
        turns(first)
        assert ledger.entries(1) == words("a", 3) + words("b", 3) + words("c", 3)

    def test_an_unknown_position_row_is_made_anew_rather_than_waited_for(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        ledger.run("DELETE FROM consumer_position")
        put(bus, 0, "a")
        turns(subject, 4)
        assert ledger.entries() == ["a"]


class TestZombies:
    """R3: a worker that the group went on without."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_a_zombies_batch_changes_nothing(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        put(bus, 0, *words("a", 5))
        put(bus, 1, *words("b", 5))
        zombie = bus.consumer(GROUP, [TOPIC])
        frozen = loop_of(zombie, ledger)
        frozen.turn(NEVER)
        if mutant:
            blind = positions._CLAIM.replace("AND p.next_offset = move.expected", "")
            assert blind.count("expected") == 2
            monkeypatch.setattr(positions, "_CLAIM", blind)

        def go_on_without_it() -> None:
            bus.members[GROUP].remove(zombie)
            turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger), 2)

        with at("polled", go_on_without_it):  # it wakes up with its records in hand
            frozen.turn(NEVER)
        turns(frozen, 4)
        survives = sorted(ledger.entries()) == sorted(words("a", 5) + words("b", 5))
        assert survives is not mutant

    def test_it_stands_back_until_the_group_has_confirmed_it(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        zombie = bus.consumer(GROUP, [TOPIC])
        frozen = loop_of(zombie, ledger)
        frozen.turn(NEVER)
        put(bus, 0, "a", "b")
        ledger.run("UPDATE consumer_position SET next_offset = 1 WHERE partition = 0")
        bus.members[GROUP].remove(zombie)
        turns(frozen, 1)
        assert ledger.entries() == []
        zombie._refused = False
        put(bus, 1, "c")
        for _ in range(3):  # confirmations are refused: it does not read the new positions
            frozen.turn(NEVER)
            zombie._refused = False
        assert ledger.entries() == ["c"]  # of the partition that nobody moved: the swap decides
        assert ledger.offsets()[0] == 1
        bus.members[GROUP].append(zombie)
        turns(frozen, 2)
        assert ledger.entries() == ["c", "b"]

    def test_a_swap_that_was_lost_on_one_partition_leaves_the_others(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        put(bus, 0, "a")
        put(bus, 1, "b")
        ledger.run("UPDATE consumer_position SET next_offset = 1 WHERE partition = 0")
        assert subject.turn(NEVER) == 1
        assert ledger.entries() == ["b"]

    def test_the_claim_is_the_first_statement_of_the_transaction(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)
        put(bus, 0, "a")
        statements: list[str] = []

        class Recording(psycopg.Cursor[Any]):
            """Every statement, through SQLAlchemy or not, goes through the driver's cursor."""

            def execute(self, query: Any, *rest: Any, **more: Any) -> Self:
                statements.append(query if isinstance(query, str) else query.decode())
                return super().execute(query, *rest, **more)

        engine = ledger.database.engine
        sa.event.listen(engine, "begin", lambda _c: statements.append("BEGIN"))
        sa.event.listen(engine, "checkout", lambda c, *_: setattr(c, "cursor_factory", Recording))
        subject.turn(NEVER)
        begin = statements.index("BEGIN")
        assert "UPDATE consumer_position" in statements[begin + 1]
        assert "INSERT INTO entry" in statements[-1]
