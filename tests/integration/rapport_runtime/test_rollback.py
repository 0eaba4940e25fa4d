"""What was not committed is read again, what was committed is not: rollbacks, crashes, cuts."""

import threading

import pytest
import sqlalchemy as sa

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import TryLater
from rapport_runtime.stream import positions
from rapport_runtime.stream.assignment import Assignment, AssignmentOptions
from rapport_runtime.stream.positions import OffsetAdvance, Position
from tests.support.worlds.toy_ledger import (
    GROUP,
    NEVER,
    TOPIC,
    Crash,
    Ledger,
    at,
    crash,
    loop_of,
    partition,
    put,
    turns,
    words,
)

pytestmark = pytest.mark.integration
P0, P1 = partition(0), partition(1)


class TestRollback:
    """What was not committed is read again; what was, is not."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_after_a_rollback_it_seeks_back(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        if mutant:
            monkeypatch.setattr(Assignment, "rewind", lambda *_: None)
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
        self, bus: MemoryBus, ledger: Ledger, failpoint: str
    ) -> None:
        assert _crash_and_restart(bus, ledger, failpoint) == words("a", 5)

    def test_the_mutant_that_moves_the_position_on_its_own_loses_records(
        self, bus: MemoryBus, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim = positions.claim

        def apart(
            _tx: sa.Connection, group: str, moves: list[OffsetAdvance]
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
        subject.turn(NEVER)
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
        subject.turn(NEVER)

        def lose() -> None:
            raise TryLater("the connection broke while committing")

        with at("after_db_commit", lose):
            subject.turn(NEVER)
        put(bus, 0, "c")
        turns(subject)
        assert ledger.entries() == ["a", "b", "c"]

    def test_a_broken_connection_is_nobodys_fault(self, bus: MemoryBus, ledger: Ledger) -> None:
        put(bus, 0, "a", "b")
        subject = loop_of(bus.consumer(GROUP, [TOPIC]), ledger)
        subject.turn(NEVER)

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
    always = AssignmentOptions(commit_seconds=0.0, commit_fenced_seconds=0.0)
    with at(failpoint, crash), pytest.raises(Crash):
        turns(loop_of(consumer, ledger, assignment=always))
    bus.evict(GROUP, consumer)
    turns(loop_of(bus.consumer(GROUP, [TOPIC]), ledger, assignment=always))
    return ledger.entries()
