"""A worker process: it turns one loop, and its row and its probe tell that it makes progress."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Literal

from sqlalchemy import Connection

from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.db_errors import DatabaseError, describe
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import FLOOD_OF_DEAD_LETTERS, HELD_DEAD_LETTERS, LAG, WORKER_READY
from rapport_runtime.ops.pauses import this_worker
from rapport_runtime.stream.loop import BatchLoop

log = get_logger(__name__)

Server = Literal["broker", "database"]
"""What a worker cannot do without, as `/readyz` and `/v1/status` name it."""

_BEAT = """
    INSERT INTO worker (worker_id, consumer_group, started_at, progressed_at, partitions, lag,
        last_error, last_error_at)
    VALUES (%(worker_id)s, %(group)s, now(), now(), %(partitions)s, %(lag)s, %(error)s,
        CASE WHEN %(error)s::text IS NULL THEN NULL ELSE now() END)
    ON CONFLICT (worker_id) DO UPDATE SET progressed_at = now(),
        partitions = excluded.partitions, lag = excluded.lag,
        last_error = coalesce(excluded.last_error, worker.last_error),
        last_error_at = coalesce(excluded.last_error_at, worker.last_error_at)
"""
# While the broker does not answer there is no beat, and the database can still say so.
_NOTE = """
    UPDATE worker SET last_error = %(error)s, last_error_at = now()
    WHERE worker_id = %(worker_id)s
"""
_LEFT = "DELETE FROM worker WHERE worker_id = %(worker_id)s"
_FORGET_DEAD = """
    DELETE FROM worker
    WHERE consumer_group = %(group)s AND progressed_at < now() - interval '1 hour'
"""
# Reason after reason by the index, each counted up to a limit: a flood of letters may be millions.
_HELD = """
    WITH RECURSIVE known AS (
        (SELECT reason FROM dead_letter WHERE state = 'held' AND consumer_group = %(group)s
        ORDER BY reason LIMIT 1)
        UNION ALL
        SELECT (SELECT reason FROM dead_letter WHERE state = 'held'
            AND consumer_group = %(group)s AND reason > known.reason ORDER BY reason LIMIT 1)
        FROM known WHERE known.reason IS NOT NULL
    )
    SELECT known.reason, counted.held, flood.letters
    FROM known, LATERAL (
        SELECT count(*)::int AS held FROM (
            SELECT FROM dead_letter WHERE state = 'held' AND consumer_group = %(group)s
              AND reason = known.reason LIMIT %(limit)s) AS held
    ) AS counted, LATERAL (
        SELECT coalesce(max(by_practice.letters), 0)::int AS letters FROM (
            SELECT count(*) AS letters FROM (
                SELECT named_practice FROM dead_letter
                WHERE state = 'held' AND consumer_group = %(group)s AND reason = known.reason
                  AND received_at > now() - interval '1 hour'
                ORDER BY received_at DESC LIMIT %(limit)s) AS latest
            GROUP BY named_practice) AS by_practice
    ) AS flood
    WHERE known.reason IS NOT NULL
"""
_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """In seconds: how often the worker writes its row and asks for its lag (`beat_seconds`), how
    often it counts dead letters, after how long without a beat it is not ready any more (R4)."""

    beat_seconds: float = 1.0
    count_seconds: float = 10.0
    stale_seconds: float = 10.0


@dataclass
class Heartbeat:
    """When broker and database last both answered, on the monotonic clock, and which of them an
    answer is waited for from; None while a turn of the loop is under way."""

    stale_seconds: float = WorkerOptions.stale_seconds
    beat_at: float = field(default_factory=time.monotonic)
    waits_for: Server | None = None

    def ready(self) -> str | None:
        """A readiness check: None, or the reason why not."""
        silent = time.monotonic() - self.beat_at
        if silent < self.stale_seconds:
            return None
        why = f"waits for the {self.waits_for}" if self.waits_for else "a turn takes so long"
        return f"no progress for {silent:.0f} s: {why}"


class Worker:
    """Turns the loop until it is stopped; then finishes what it holds and leaves the group."""

    def __init__(
        self,
        *,
        group: str,
        consumer: Consumer,
        database: Database,
        loop: BatchLoop,
        between_polls: Sequence[Callable[[], None]] = (),
        options: WorkerOptions | None = None,
    ) -> None:
        self._options = options or WorkerOptions()
        self.heartbeat = Heartbeat(self._options.stale_seconds)
        WORKER_READY.labels(group).set_function(lambda: float(self.heartbeat.ready() is None))
        self._group = group
        self._consumer = consumer
        self._database = database
        self._loop = loop
        self._between_polls = between_polls
        self._beat_due = 0.0
        self._count_due = 0.0
        self._reasons: set[str] = set()
        self._lag_shown: set[TopicPartition] = set()
        self._error: str | None = None

    def run(self, stop: threading.Event, before_reading: Callable[[], None] = lambda: None) -> int:
        """Run until `stop`; return the process's exit code: 0, or 3 when the loop halted.

        `before_reading` is called until it raises no `TryLater`. Before that nothing is read, and
        no beat makes the worker ready.
        """
        try:
            self._await_success(before_reading, stop)
            while not stop.is_set():
                self._loop.turn(stop)
                self._between_turns(stop)
        except LoopHalted as halt:
            note_halt(self._database, self._group, halt, self._loop.positions)
            return 3
        finally:
            self._consumer.close()
        _write_last(self._database, _LEFT, {"worker_id": this_worker()})
        return 0

    def _await_success(self, step: Callable[[], None], stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                step()
            except TryLater as error:
                self._remember("broker", f"TryLater: {error}", stop)
            else:
                return

    def _between_turns(self, stop: threading.Event) -> None:
        try:
            for step in self._between_polls:
                step()
            if time.monotonic() >= self._beat_due:
                self._beat()
                self._beat_due = time.monotonic() + self._options.beat_seconds
        except TryLater as error:
            self._remember("broker", f"TryLater: {error}", stop)
        except DatabaseError as error:
            self._remember("database", describe(error), stop)

    def _beat(self) -> None:
        """Ask the broker for the log ends and write the row: both have answered."""
        self.heartbeat.waits_for = "broker"
        lag = self._measure_lag()
        self.heartbeat.waits_for = "database"
        with self._database.transaction() as tx:
            execute(tx, _BEAT, _row(self._group, self._loop.positions, lag, self._error))
            execute(tx, _FORGET_DEAD, {"group": self._group})
            self._count_letters(tx)
        self.heartbeat.beat_at = time.monotonic()
        self.heartbeat.waits_for = None
        self._error = None

    def _measure_lag(self) -> int:
        """The sum over the partitions held, in records; also sets each partition's gauge."""
        held = self._loop.positions
        ends = self._consumer.end_offsets(held) if held else {}
        for tp in self._lag_shown - held.keys():  # its new holder shows its lag now
            LAG.remove(self._group, tp.topic, tp.partition)
        self._lag_shown = set(held)
        total = 0
        for tp, position in held.items():
            lag = max(0, ends[tp] - position.next_offset)
            total += lag
            LAG.labels(self._group, tp.topic, tp.partition).set(lag)
        return total

    def _count_letters(self, tx: Connection) -> None:
        """Count held dead letters: the API cannot, its role sees one practice at a time."""
        if time.monotonic() < self._count_due:
            return
        self._count_due = time.monotonic() + self._options.count_seconds
        rows = fetch(tx, _HELD, {"group": self._group, "limit": _COUNTED})
        counts = {row.reason: (row.held, row.letters) for row in rows}
        self._reasons |= counts.keys()
        for reason in self._reasons:
            held, flood = counts.get(reason, (0, 0))
            HELD_DEAD_LETTERS.labels(self._group, reason).set(held)
            FLOOD_OF_DEAD_LETTERS.labels(self._group, reason).set(flood)

    def _remember(self, server: Server, error: str, stop: threading.Event) -> None:
        """Keep the error for the next beat, or for the status now, and wait a moment."""
        self.heartbeat.waits_for = server
        told_before, self._error = self._error, f"{server}: {error}"[:500]
        log.warning("worker_error", error=self._error)
        if server == "broker" and self._error != told_before:
            note = {"worker_id": this_worker(), "error": self._error}
            _write_last(self._database, _NOTE, note)
        stop.wait(0.2)


def note_halt(
    database: Database, group: str, halt: LoopHalted, held: Iterable[TopicPartition] = ()
) -> None:
    """Log why a worker that holds these partitions ends, and write it into its row."""
    log.critical("loop_halted", error=str(halt))
    _write_last(database, _BEAT, _row(group, held, None, str(halt)))


def _row(
    group: str, held: Iterable[TopicPartition], lag: int | None, error: str | None
) -> dict[str, object]:
    return {
        "worker_id": this_worker(),
        "group": group,
        "partitions": sorted(f"{tp.topic}/{tp.partition}" for tp in held),
        "lag": lag,
        "error": error,
    }


def _write_last(database: Database, statement: str, parameters: Mapping[str, object]) -> None:
    try:
        with database.transaction(vetted=False) as tx:
            execute(tx, statement, parameters)
    except DatabaseError:
        log.warning("last_word_lost", exc_info=True)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set: take no more, finish what is held (under 10 s, R2)."""
    stop = threading.Event()

    def set_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, set_stop)
    signal.signal(signal.SIGINT, set_stop)
    return stop
