"""The batch loop against each trap of ARCHITECTURE §3: what is assigned, claimed, rolled back."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime import assignment, loop, positions
from rapport_runtime.assignment import Assignment
from rapport_runtime.blame import describe
from rapport_runtime.bus.memory import MemoryBus, MemoryConsumer
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.positions import Move, Position
from tests.support.buses import eventually
from tests.support.ledger import (
    GROUP,
    MIDNIGHT,
    TOMBSTONE,
    TOPIC,
    Crash,
    Ledger,
    at,
    crash,
    loop_of,
    partition,
    words,
    worker_database,
)

pytestmark = pytest.mark.integration
GO = threading.Event()
P0, P1 = partition(0), partition(1)


def put(bus: MemoryBus, number: int, *said: str) -> None:
    for word in said:
        bus.append(TOPIC, number, b"k", word.encode())


def turns(subject: loop.BatchLoop, count: int = 3) -> None:
    for _ in range(count):
        subject.turn(GO)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "CONFIRM_FENCED_SECONDS", 0.0)


class TestThePlainWalk:
    """Records come in, effects and positions go into one transaction."""

    def test_every_record_has_its_effect_once_in_the_order_of_its_partition(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, *words("a", 5))
        put(bus, 1, *words("b", 3))
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        assert not subject.assigned
        assert subject.turn(GO) == 0  # joins and positions itself
        assert subject.assigned
        assert subject.turn(GO) == 8
        assert ledger.entries(0) == words("a", 5)
        assert ledger.entries(1) == words("b", 3)
        assert len(ledger.batches) == 1
        assert ledger.offsets() == {0: 5, 1: 3}

    def test_it_settles_after_each_commit_and_when_there_is_nothing(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        assert ledger.settled == 1
        put(bus, 0, "a", "mark:1", "b")
        subject.turn(GO)
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
        assert ledger.slices[0].position.next_offset == 4
        assert ledger.slices[0].position.processed_through == reached[P0]

    def test_a_slice_knows_what_was_swept_meanwhile(self, bus: MemoryBus, ledger: Ledger) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        ledger.run("UPDATE consumer_position SET swept_through = :at", at=MIDNIGHT)
        put(bus, 0, "a")
        subject.turn(GO)
        assert ledger.slices[0].position.swept_through == MIDNIGHT

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
        assert subject.turn(GO) == 1
        assert ledger.entries() == ["a", "mark:1", "b"]


class TestPositions:
    """Where a group starts, and what its offsets mean."""

    def test_a_first_position_is_stored_at_the_logs_start(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        put(bus, 0, *words("a", 5))
        bus.remove(P0, range(3))
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        assert ledger.offsets() == {0: 3, 1: 0}
        subject.turn(GO)
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
        subject.turn(GO)
        assert ledger.entries() == ["mark:1", "e", "g"]

    def test_positions_only_grow(self, ledger: Ledger) -> None:
        with ledger.database.transaction() as tx:
            positions.create(tx, GROUP, P0, topic_id="x", next_offset=7)
            positions.create(tx, GROUP, P0, topic_id="y", next_offset=0)
            moved = positions.claim(tx, GROUP, [Move(P0, 7, 3, MIDNIGHT)])
            assert moved == {P0: Position(7, "x", MIDNIGHT)}
            earlier = MIDNIGHT - timedelta(days=1)
            assert positions.reach(tx, GROUP, {P0: 7}, earlier) == moved

    def test_time_is_complete_only_when_every_expected_partition_has_one(
        self, ledger: Ledger
    ) -> None:
        with ledger.database.transaction() as tx:
            for tp in (P0, P1):
                positions.create(tx, GROUP, tp, topic_id="x", next_offset=0)
            positions.reach(tx, GROUP, {P0: 0}, MIDNIGHT)
            assert positions.complete_through(tx, GROUP, [P0]) == MIDNIGHT
            assert positions.complete_through(tx, GROUP, [P0, P1]) is None
            assert positions.complete_through(tx, GROUP, [P0, partition(9)]) is None
            positions.reach(tx, GROUP, {P1: 0}, MIDNIGHT + timedelta(days=1))
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
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(assignment, "CONFIRM_SECONDS", 0.0)
        put(bus, 0, "a")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        turns(subject)
        bus.create(TOPIC, 2)
        put(bus, 0, "other", "log")
        with pytest.raises(LoopHalted, match="anew"):
            subject.turn(GO)
        assert ledger.entries() == ["a"]

    def test_a_log_that_lost_what_was_not_read_halts_the_loop(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        put(bus, 0, *words("a", 5))
        bus.remove(P0, range(3))
        with pytest.raises(LoopHalted):
            subject.turn(GO)


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
        """RELIABILITY finding 1: while records are in flight a second member joins."""
        put(bus, 0, *words("a", 5))
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        if mutant:
            seek = MemoryConsumer.seek

            def no_seek(self: MemoryConsumer, tp: TopicPartition, offset: int) -> None:
                seek(self, tp, self._positions.get(tp, offset))

            monkeypatch.setattr(MemoryConsumer, "seek", no_seek)
        with at("polled", lambda: bus.join(GROUP, MemoryConsumer(bus, GROUP, [TOPIC]))):
            subject.turn(GO)
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
        subject.turn(GO)
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
        frozen.turn(GO)
        if mutant:
            blind = positions._CLAIM.text.replace("AND p.next_offset = wish.expected", "")
            assert blind.count("expected") == 2
            monkeypatch.setattr(positions, "_CLAIM", sa.text(blind))

        def go_on_without_it() -> None:
            bus.members[GROUP].remove(zombie)
            turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger), 2)

        with at("polled", go_on_without_it):  # it wakes up with its records in hand
            frozen.turn(GO)
        turns(frozen, 4)
        survives = sorted(ledger.entries()) == sorted(words("a", 5) + words("b", 5))
        assert survives is not mutant

    def test_it_stands_back_until_the_group_has_confirmed_it(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        zombie = bus.consumer(GROUP, [TOPIC])
        frozen = loop_of(zombie, ledger)
        frozen.turn(GO)
        put(bus, 0, "a", "b")
        ledger.run("UPDATE consumer_position SET next_offset = 1 WHERE partition = 0")
        bus.members[GROUP].remove(zombie)
        turns(frozen, 1)
        assert ledger.entries() == []
        zombie._refused = False
        put(bus, 1, "c")
        for _ in range(3):  # confirmations are refused: it does not read the new positions
            frozen.turn(GO)
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
        subject.turn(GO)
        put(bus, 0, "a")
        put(bus, 1, "b")
        ledger.run("UPDATE consumer_position SET next_offset = 1 WHERE partition = 0")
        assert subject.turn(GO) == 1
        assert ledger.entries() == ["b"]

    def test_the_claim_is_the_first_statement_of_the_transaction(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        put(bus, 0, "a")
        said: list[str] = []
        sa.event.listen(ledger.database.engine, "begin", lambda _c: said.append("BEGIN"))
        sa.event.listen(
            ledger.database.engine,
            "before_cursor_execute",
            lambda _c, _k, statement, *_: said.append(statement),
        )
        subject.turn(GO)
        begin = said.index("BEGIN")
        assert "UPDATE consumer_position" in said[begin + 1]
        assert "INSERT INTO entry" in said[-1]


class TestRollback:
    """What was not committed is read again; what was, is not."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_after_a_rollback_it_seeks_back(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        if mutant:
            monkeypatch.setattr(Assignment, "read_again", lambda *_: None)
        put(bus, 0, *words("a", 5))
        ledger.later = 2
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger), 5)
        survives = ledger.entries() == words("a", 5)
        assert survives is not mutant

    @pytest.mark.parametrize(
        "failpoint",
        [
            "polled",
            "rebalance_assigned",
            "before_kafka_commit",
            "in_tx",
            "before_db_commit",
            "after_db_commit",
        ],
    )
    def test_a_crash_anywhere_loses_and_repeats_nothing(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, failpoint: str
    ) -> None:
        monkeypatch.setattr(assignment, "CONFIRM_SECONDS", 0.0)
        assert _crash_and_restart(bus, ledger, failpoint) == words("a", 5)

    def test_the_mutant_that_moves_the_position_on_its_own_loses_records(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim = positions.claim

        def apart(
            _tx: sa.Connection, group: str, moves: list[Move]
        ) -> dict[TopicPartition, Position]:
            with ledger.database.transaction() as own:
                return claim(own, group, moves)

        monkeypatch.setattr(positions, "claim", apart)
        assert _crash_and_restart(bus, ledger, "before_db_commit") != words("a", 5)

    def test_the_pause_doubles_up_to_its_limit_and_ends_with_success(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(bus, 0, "a")
        subject = loop_of(
            bus.consumer(GROUP, [TOPIC]), ledger, retry_seconds=0.1, max_retry_seconds=0.35
        )
        subject.turn(GO)
        ledger.later = 4
        stop = threading.Event()
        waited: list[float] = []
        monkeypatch.setattr(stop, "wait", waited.append)
        for _ in range(5):
            subject.turn(stop)
        ledger.later = 1
        put(bus, 0, "b")
        subject.turn(stop)
        assert waited == pytest.approx([0.1, 0.2, 0.35, 0.35, 0.1])

    def test_a_commit_whose_answer_was_lost_is_not_applied_again(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        """R6: the database committed, the worker was told that the connection broke."""
        put(bus, 0, "a", "b")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)

        def lose() -> None:
            raise TryLater("the connection broke while committing")

        with at("after_db_commit", lose):
            subject.turn(GO)
        put(bus, 0, "c")
        turns(subject)
        assert ledger.entries() == ["a", "b", "c"]

    def test_a_broken_connection_is_nobodys_fault(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "a", "b")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)

        def cut() -> None:
            ledger.before = lambda: None
            ledger.run("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE usename = current_user AND datname = current_database()
                  AND pid <> pg_backend_pid() AND state = 'idle in transaction'
            """)

        ledger.before = cut
        turns(subject)
        assert ledger.entries() == ["a", "b"]
        assert ledger.rows("SELECT 1 FROM dead_letter") == []


def _crash_and_restart(bus: MemoryBus, ledger: Ledger, failpoint: str) -> list[str]:
    put(bus, 0, *words("a", 5))
    consumer = bus.consumer(GROUP, [TOPIC])
    with at(failpoint, crash), pytest.raises(Crash):
        turns(loop_of(consumer, ledger))
    bus.evict(GROUP, consumer)
    turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
    return ledger.entries()


class TestFrozenWorkers:
    """A worker that is frozen in a transaction holds its row locks."""

    def test_a_locked_partition_is_left_out_and_the_others_go_on(
        self, bus: MemoryBus, ledger: Ledger
    ) -> None:
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(GO)
        put(bus, 0, "a")
        put(bus, 1, "b")
        with ledger.database.transaction() as frozen:
            frozen.execute(
                sa.text("SELECT 1 FROM consumer_position WHERE partition = 0 FOR UPDATE")
            )
            turns(subject)
            assert ledger.entries() == ["b"]
        turns(subject)
        assert ledger.entries() == ["b", "a"]

    def test_the_locks_of_a_frozen_worker_fall_and_its_batch_is_rolled_back(
        self, bus: MemoryBus, ledger: Ledger, chassis_database: ServiceDatabase
    ) -> None:
        put(bus, 0, "a")
        door = worker_database(chassis_database, idle_in_transaction_ms=200)
        frozen_ledger = Ledger(door)
        consumer = bus.consumer(GROUP, [TOPIC])
        frozen = loop_of(consumer, frozen_ledger)
        frozen.turn(GO)

        def freeze() -> None:
            bus.evict(GROUP, consumer)
            successor = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
            assert eventually(lambda: successor.turn(GO) == 1, seconds=5)

        with at("before_db_commit", freeze):
            frozen.turn(GO)
        turns(frozen)
        door.close()
        assert ledger.entries() == ["a"]


class TestBlame:
    """Only the data's own faults may blame a record."""

    @pytest.mark.parametrize("poison", ["state:22003", "state:23505", "invalid", "reject", "bad"])
    @pytest.mark.parametrize("place", [0, 7, 14])
    def test_the_one_record_is_put_aside_and_all_others_have_their_effect(
        self, bus: MemoryBus, ledger: Ledger, poison: str, place: int
    ) -> None:
        said = words("a", 15)
        said[place] = poison
        put(bus, 0, *said[:8])
        put(bus, 1, *said[8:])
        turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger))
        assert ledger.entries(0) == [word for word in said[:8] if word != poison]
        assert ledger.entries(1) == [word for word in said[8:] if word != poison]
        assert ledger.offsets() == {0: 8, 1: 7}
        (letter,) = ledger.rows("SELECT * FROM dead_letter")
        assert bytes(letter.record_value).decode() == poison
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
        with pytest.raises(sa.exc.DBAPIError) as raised:
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
        assert (letter.record_key, bytes(letter.record_value)) == (None, b"bad\x00")
        assert letter.header_names == ["na\ufffdme", "b"]
        assert [bytes(value) for value in letter.header_values] == [b"\xff", b""]
        assert (letter.practice_id, letter.reason) == ("north", "unreadable")
        assert letter.field == "/a\ufffdb"
