"""A worker process: one loop, its signals, its probes, and what it says of itself."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import sqlalchemy as sa

from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError, describe
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import HELD_DEAD_LETTERS, LAG, WORKER_READY
from rapport_runtime.ops.pauses import this_worker
from rapport_runtime.stream.loop import BatchLoop

log = get_logger(__name__)

BEAT_SECONDS = 1.0
COUNT_SECONDS = 10.0
STALE_SECONDS = 10.0
"""Readiness falls when nothing proved that broker and database answer for so long (finding 3)."""

_BEAT = sa.text("""
    INSERT INTO worker (worker_id, consumer_group, started_at, progressed_at, partitions, lag,
        last_error, last_error_at)
    VALUES (:worker_id, :group, now(), now(), :partitions, :lag, :error,
        CASE WHEN :error ::text IS NULL THEN NULL ELSE now() END)
    ON CONFLICT (worker_id) DO UPDATE SET progressed_at = now(),
        partitions = excluded.partitions, lag = excluded.lag,
        last_error = coalesce(excluded.last_error, worker.last_error),
        last_error_at = coalesce(excluded.last_error_at, worker.last_error_at)
""")
_GONE = sa.text("DELETE FROM worker WHERE worker_id = :worker_id")
_FORGET_DEAD = sa.text("""
    DELETE FROM worker WHERE consumer_group = :group AND progressed_at < now() - interval '1 hour'
""")
_HELD = sa.text("""
    SELECT reason, count(*)::int AS held FROM dead_letter
    WHERE state = 'held' AND consumer_group = :group GROUP BY reason
""")


@dataclass
class Heartbeat:
    """Proof of life: broker and database both answered `seconds_since` ago."""

    beat_at: float = field(default_factory=time.monotonic)

    def ready(self) -> str | None:
        """A readiness check: None, or why not."""
        silent = time.monotonic() - self.beat_at
        return None if silent < STALE_SECONDS else f"no progress for {silent:.0f} s"


class Worker:
    """Turns the loop until it is told to stop; then finishes what it holds and leaves the group."""

    def __init__(
        self,
        *,
        group: str,
        consumer: Consumer,
        database: Database,
        loop: BatchLoop,
        between_polls: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.heartbeat = Heartbeat()
        WORKER_READY.labels(group).set_function(lambda: float(self.heartbeat.ready() is None))
        self._group = group
        self._consumer = consumer
        self._database = database
        self._loop = loop
        self._each_turn = between_polls
        self._id = this_worker()
        self._beat_due = 0.0
        self._count_due = 0.0
        self._reasons: set[str] = set()
        self._told: set[TopicPartition] = set()
        self._error: str | None = None

    def run(self, stop: threading.Event) -> int:
        """Run until `stop`; the process's exit code: 0, or 3 when the loop halted itself."""
        try:
            while not stop.is_set():
                self._loop.turn(stop)
                self._between_turns(stop)
        except LoopHalted as halt:
            log.critical("loop_halted", error=str(halt))
            self._error = str(halt)
            self._say_last_word(_BEAT)
            return 3
        finally:
            self._consumer.close()
        self._say_last_word(_GONE)
        return 0

    def _between_turns(self, stop: threading.Event) -> None:
        try:
            for step in self._each_turn:
                step()
            if time.monotonic() >= self._beat_due:
                self._beat()
                self._beat_due = time.monotonic() + BEAT_SECONDS
        except TryLater as error:
            self._note(f"TryLater: {error}"[:500], stop)
        except DatabaseError as error:
            self._note(describe(error), stop)

    def _note(self, error: str, stop: threading.Event) -> None:
        self._error = error
        log.warning("worker_error", error=self._error)
        stop.wait(0.2)

    def _beat(self) -> None:
        """Ask the broker for the ends and write the row: proof that both answer."""
        held = self._loop.positions
        ends = self._consumer.end_offsets(held) if held else {}
        for tp in self._told - held.keys():  # its new holder tells its lag now
            LAG.remove(self._group, tp.topic, tp.partition)
        self._told = set(held)
        lag = 0
        for tp, position in held.items():
            behind = max(0, ends[tp] - position.next_offset)
            lag += behind
            LAG.labels(self._group, tp.topic, tp.partition).set(behind)
        with self._database.transaction() as tx:
            tx.execute(_BEAT, self._row(lag))
            tx.execute(_FORGET_DEAD, {"group": self._group})
            self._count_letters(tx)
        self.heartbeat.beat_at = time.monotonic()
        self._error = None

    def _count_letters(self, tx: sa.Connection) -> None:
        """Here and not in the API, whose role sees the letters of one practice at a time."""
        if time.monotonic() < self._count_due:
            return
        self._count_due = time.monotonic() + COUNT_SECONDS
        counts = {row.reason: row.held for row in tx.execute(_HELD, {"group": self._group})}
        self._reasons |= counts.keys()
        for reason in self._reasons:
            HELD_DEAD_LETTERS.labels(self._group, reason).set(counts.get(reason, 0))

    def _row(self, lag: int | None) -> dict[str, object]:
        return {
            "worker_id": self._id,
            "group": self._group,
            "partitions": sorted(f"{tp.topic}/{tp.partition}" for tp in self._loop.positions),
            "lag": lag,
            "error": self._error,
        }

    def _say_last_word(self, statement: sa.TextClause) -> None:
        try:
            with self._database.transaction() as tx:
                tx.execute(statement, self._row(None))
        except DatabaseError:
            log.warning("last_word_lost", exc_info=True)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set: take no more, finish what is held (under 10 s)."""
    stop = threading.Event()

    def told(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    return stop
