"""The batch loop: poll, claim, handle, commit. It loses no record and applies none twice (R3, R6).

`turn` polls records, decodes them and asks the handler where the batch ends. `processor.py` handles
the batch in one transaction; then the handler's `after_commit` runs. `replay.py` handles dead
letters again. tests/integration/rapport_runtime/test_loop.py tests each fault that they withstand.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rapport_runtime import failpoints
from rapport_runtime.bus.port import Consumer, Record, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError, describe, is_transient
from rapport_runtime.errors import TryLater
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import ROLLED_BACK
from rapport_runtime.ops import pauses
from rapport_runtime.sealing import Keyring
from rapport_runtime.stream.assignment import NOWHERE, Assignment, AssignmentOptions
from rapport_runtime.stream.batch import BatchHandler, PartitionBatch
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.partition_batches import decoded, split
from rapport_runtime.stream.positions import Position
from rapport_runtime.stream.processor import BatchProcessor
from rapport_runtime.stream.replay import Replay

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How much the loop takes at once (records) and how long it waits (seconds).

    `poll_seconds` is how long a poll waits for records, `join_poll_seconds` how long it waits
    while nothing is assigned: many short polls can keep a consumer from ever joining its group.
    After a rollback the loop waits `retry_seconds`, twice as long after each further one in a row,
    `max_retry_seconds` at most. Pauses and queued dead letters are looked up every
    `pauses_seconds` and `replay_seconds`; a replay takes up to `replay_records` of a partition.
    `keyring` seals what the group sets aside.
    """

    group: str
    keyring: Keyring
    max_records: int = 10_000
    poll_seconds: float = 0.05
    join_poll_seconds: float = 1.0
    retry_seconds: float = 0.2
    max_retry_seconds: float = 10.0
    pauses_seconds: float = 1.0
    replay_seconds: float = 1.0
    replay_records: int = 200
    assignment: AssignmentOptions = field(default_factory=AssignmentOptions)

    def retry_pause(self, failures: int) -> float:
        """The pause in seconds after so many rollbacks in a row, at least one."""
        doubled = self.retry_seconds * 2.0 ** min(failures - 1, 20)
        return min(doubled, self.max_retry_seconds)


class BatchLoop:
    """Feeds one handler from one consumer into one database."""

    def __init__(
        self,
        consumer: Consumer,
        database: Database,
        handler: BatchHandler,
        options: LoopOptions,
        limit: DeadLetterLimit,
    ) -> None:
        group = options.group
        self._consumer = consumer
        self._database = database
        self._handler = handler
        self._options = options
        self._assignment = Assignment(consumer, database, group, options.assignment)
        letters = DeadLetterTable(group, options.keyring)
        self._processor = BatchProcessor(database, handler, self._assignment, letters, limit)
        self._replay = Replay(
            database,
            handler,
            self._assignment,
            letters,
            every_seconds=options.replay_seconds,
            max_records=options.replay_records,
        )
        self._pauses_due = 0.0
        self._failures = 0
        self._may_wait = True

    @property
    def positions(self) -> Mapping[TopicPartition, Position]:
        """Where this worker stands in the partitions that it holds."""
        return self._assignment.positions

    @property
    def assigned(self) -> bool:
        """Whether any partition is held and positioned."""
        return bool(self._assignment.positions)

    @property
    def stopped(self) -> pauses.Stopped:
        """What operators have stopped, as of the last look."""
        return self._assignment.stopped

    @property
    def summary(self) -> str:
        """`ready`, or what operators have stopped; and where the client cannot read on."""
        said = [self._assignment.stopped.summary()]
        said += [
            f"{tp.topic}/{tp.partition} cannot be read at {found.where()}"
            for tp, found in sorted(self._assignment.unreadable.items())
        ]
        return "; ".join(said)

    def advance(self, claimed: Mapping[TopicPartition, Position]) -> None:
        """Remember positions that a step between two turns has moved and committed. The next turn
        does not wait for records, so that `after_commit` follows at once."""
        self._assignment.advance(claimed)
        self._may_wait = not claimed

    def turn(self, stop: threading.Event) -> int:
        """Poll once and handle what came; return the number of records handled.

        Raises `LoopHalted` when a person has to look. When the database or the bus cannot answer
        now, what this turn had not committed is read again by the next, after a pause.
        """
        try:
            handled = self._turn(stop)
        except TryLater as error:
            self._roll_back(str(error))
        except DatabaseError as error:
            if not is_transient(error):
                raise
            self._roll_back(describe(error))
        else:
            self._failures = 0
            return handled
        stop.wait(self._options.retry_pause(self._failures))
        return 0

    def _turn(self, stop: threading.Event) -> int:
        self._look_for_pauses()
        polled = self._poll()
        new = self._assignment.restore_new()
        self._assignment.commit_to_group()
        # What was polled before the seek of this turn may lie beyond the stored position: to
        # handle it would leave a silent gap.
        waiting = self._decode({tp: records for tp, records in polled.items() if tp not in new})
        handled = self._handle_all(waiting, stop)
        self._assignment.look_for_unreadable()
        self._replay.run(stop)
        if not handled:
            self._handler.after_commit(self.positions)
        return handled

    def _look_for_pauses(self) -> None:
        now = time.monotonic()
        if now < self._pauses_due:
            return
        with self._database.transaction() as tx:
            stopped = pauses.stopped(tx)
        self._pauses_due = now + self._options.pauses_seconds
        self._assignment.apply_pauses(stopped)

    def _poll(self) -> Mapping[TopicPartition, Sequence[Record]]:
        joined = self.assigned or self._consumer.newly_assigned()
        wait = self._options.poll_seconds if joined else self._options.join_poll_seconds
        may_wait = self._may_wait and (not joined or self._handler.may_wait())
        polled = self._consumer.poll(wait if may_wait else 0.0, self._options.max_records)
        self._may_wait = True
        failpoints.hit("polled")
        return polled

    def _decode(
        self, polled: Mapping[TopicPartition, Sequence[Record]]
    ) -> dict[TopicPartition, PartitionBatch]:
        """Each partition's records from its position on, decoded once."""
        waiting = {}
        for tp, records in polled.items():
            position = self._assignment.next_offset(tp)
            if position == NOWHERE or not records or records[-1].offset < position:
                continue
            if records[0].offset < position:
                records = [record for record in records if record.offset >= position]
            waiting[tp] = decoded(self._handler, tp, self.positions[tp], records)
        return waiting

    def _handle_all(
        self, waiting: dict[TopicPartition, PartitionBatch], stop: threading.Event
    ) -> int:
        """Handle batch after batch until nothing waits; return the number of records."""
        handled = 0
        while waiting and not stop.is_set():
            handled += self._processor.process(self._cut_batch(waiting))
            waiting = {
                tp: part
                for tp, part in waiting.items()
                if part.next_offset > self._assignment.next_offset(tp)
            }
            self._handler.after_commit(self.positions)
        self._assignment.rewind(waiting)  # stopped half-way: the next worker reads the rest
        return handled

    def _cut_batch(self, waiting: dict[TopicPartition, PartitionBatch]) -> list[PartitionBatch]:
        """Cut the next batch off what waits; the rest of each partition stays in `waiting`."""
        batch = []
        for tp, part in waiting.items():
            part.position = self.positions[tp]
            head, tail = split(part, self._handler.batch_end(part))
            batch.append(head)
            if tail is not None:
                waiting[tp] = tail
        return batch

    def _roll_back(self, reason: str) -> None:
        self._failures += 1
        ROLLED_BACK.labels(self._options.group, "try-later").inc()
        log.warning("batch_rolled_back", error=reason)
        self._assignment.rewind(self.positions)
