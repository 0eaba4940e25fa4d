"""The batch loop: poll, claim, handle, commit; never loses a record and never applies one twice.

The traps that it avoids are the bullets of ARCHITECTURE §3 and findings 1–4 of RELIABILITY §0;
tests/integration/rapport_runtime/test_loop.py has one test for each.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rapport_runtime import failpoints
from rapport_runtime.bus.port import Consumer, Record, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError, describe, is_data_error, is_transient
from rapport_runtime.errors import InvalidRecord, TryLater
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import BATCH_SECONDS, BATCHES, DEAD_LETTERS, RECORDS, ROLLED_BACK
from rapport_runtime.ops import pauses
from rapport_runtime.stream import positions
from rapport_runtime.stream.assignment import NOWHERE, Assignment
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch
from rapport_runtime.stream.dead_letters import table as dead_letters
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.partition_batches import batch_of, decoded, halve, split
from rapport_runtime.stream.positions import OffsetAdvance, Position

log = get_logger(__name__)

PAUSES_EVERY_SECONDS = 1.0
REPLAY_EVERY_SECONDS = 1.0
REPLAY_ROWS = 200
JOIN_POLL_SECONDS = 1.0
"""Many short polls can keep a consumer from ever joining (ARCHITECTURE §3, assignment)."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How much to take at once and how long to wait for it."""

    group: str
    max_records: int = 10_000
    poll_seconds: float = 0.05
    retry_seconds: float = 0.2
    max_retry_seconds: float = 10.0


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
        self._consumer = consumer
        self._database = database
        self._handler = handler
        self._options = options
        self._limit = limit
        self._held = Assignment(consumer, database, options.group)
        self._replayed_at = time.monotonic()
        self._looked_at = -PAUSES_EVERY_SECONDS
        self._failures = 0
        self._waits = True

    @property
    def positions(self) -> Mapping[TopicPartition, Position]:
        """Where this worker stands in the partitions that it holds."""
        return self._held.positions

    @property
    def assigned(self) -> bool:
        """Whether any partition is held and positioned."""
        return bool(self._held.positions)

    @property
    def stopped(self) -> pauses.Stopped:
        """What operators have stopped, as last looked at."""
        return self._held.stopped

    def advance(self, claimed: Mapping[TopicPartition, Position]) -> None:
        """Remember positions that a step between the turns has moved and committed. What that
        completes is settled at once: the next turn does not wait for records."""
        self._held.advance(claimed)
        self._waits = not claimed

    def turn(self, stop: threading.Event) -> int:
        """One turn: poll, handle what came, settle. Returns the number of records handled.

        Raises `LoopHalted` when a person has to look. After `TryLater` everything that this turn
        had not committed is read again, following a pause that doubles with each failure in a row.
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
        stop.wait(self._pause_seconds())
        return 0

    def _turn(self, stop: threading.Event) -> int:
        self._look_for_pauses()
        joined = self.assigned or self._consumer.newly_assigned()
        wait = self._options.poll_seconds if joined else JOIN_POLL_SECONDS
        polled = self._consumer.poll(wait if self._waits else 0.0, self._options.max_records)
        self._waits = True
        failpoints.hit("polled")
        new = self._held.restore_new()
        self._held.commit_to_group()
        # What came before the seek of this turn may lie beyond the stored position: a silent gap.
        waiting = self._decode({tp: records for tp, records in polled.items() if tp not in new})
        handled = 0
        while waiting and not stop.is_set():
            handled += self._process(self._next_batch(waiting))
            waiting = {tp: p for tp, p in waiting.items() if p.next_offset > self._held.at(tp)}
            self._handler.after_commit(self.positions)
        self._held.rewind(waiting)  # stopped half-way: whoever comes next reads the rest
        self._replay(stop)
        if not handled:
            self._handler.after_commit(self.positions)
        return handled

    def _look_for_pauses(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < PAUSES_EVERY_SECONDS:
            return
        with self._database.transaction() as tx:
            stopped = pauses.stopped(tx)
        self._looked_at = now
        self._held.apply_pauses(stopped)

    def _roll_back(self, why: str) -> None:
        self._failures += 1
        ROLLED_BACK.labels(self._options.group, "try-later").inc()
        log.warning("batch_rolled_back", error=why)
        self._held.rewind(self.positions)

    def _pause_seconds(self) -> float:
        doubled = self._options.retry_seconds * 2.0 ** min(self._failures - 1, 20)
        return min(doubled, self._options.max_retry_seconds)

    # -- batches --------------------------------------------------------------------------------

    def _decode(
        self, polled: Mapping[TopicPartition, Sequence[Record]]
    ) -> dict[TopicPartition, PartitionBatch]:
        """Each partition's records that are still to be handled, decoded once."""
        waiting = {}
        for tp, records in polled.items():
            at = self._held.at(tp)
            if at == NOWHERE or not records or records[-1].offset < at:
                continue
            if records[0].offset < at:
                records = [record for record in records if record.offset >= at]
            waiting[tp] = decoded(self._handler, tp, self.positions[tp], records)
        return waiting

    def _next_batch(self, waiting: dict[TopicPartition, PartitionBatch]) -> list[PartitionBatch]:
        """Cut the next batch off what waits; what remains of a slice stays in `waiting`."""
        batch = []
        for tp, part in waiting.items():
            part.position = self.positions[tp]
            head, tail = split(part, self._handler.batch_end(part))
            batch.append(head)
            if tail is not None:
                waiting[tp] = tail
        return batch

    def _process(self, parts: list[PartitionBatch]) -> int:
        """Handle one batch in one transaction; on a data error halve it until the record stands
        alone (ARCHITECTURE §3, blame)."""
        try:
            return self._commit(parts)
        except (InvalidRecord, *DatabaseError) as error:
            blamed = _blame(error)
            if blamed is None:
                raise
        ROLLED_BACK.labels(self._options.group, "data").inc()
        first, second = halve(parts)
        if second:
            return self._process(first) + self._process(self._still_ours(second))
        return self._commit([replace(first[0], events=[blamed])])

    def _still_ours(self, parts: list[PartitionBatch]) -> list[PartitionBatch]:
        """The same slices at today's positions, without those that were fenced meanwhile."""
        ours = self._held.ours()
        return [
            replace(part, position=self.positions[part.partition])
            for part in parts
            if part.partition in ours
        ]

    def _commit(self, parts: list[PartitionBatch]) -> int:
        if not parts:
            return 0
        started = time.monotonic()
        group = self._options.group
        with self._database.transaction() as tx:
            claimed = positions.claim(tx, group, [_advance(part) for part in parts])
            failpoints.hit("in_tx")
            won = [_under_claim(part, claimed) for part in parts if part.partition in claimed]
            batch = batch_of(won)
            if batch.partitions:
                self._handler.handle(tx, batch)
            dead_letters.save(tx, group, batch.letters)
            records = sum(len(part.records) for part in won)
            self._limit.check(records=records, invalid=len(batch.letters))
            failpoints.hit("before_db_commit")
        failpoints.hit("after_db_commit")
        self._held.advance(claimed)
        self._limit.count(records=records, invalid=len(batch.letters))
        lost = {part.partition for part in parts} - claimed.keys()
        if lost:
            self._held.fence(lost)
        BATCHES.labels(group).inc()
        BATCH_SECONDS.labels(group).observe(time.monotonic() - started)
        self._count(batch, won)
        return records

    def _count(self, batch: Batch, parts: list[PartitionBatch]) -> None:
        for part in parts:
            RECORDS.labels(self._options.group, part.partition.topic).inc(len(part.records))
        for letter in batch.letters:
            labels = (self._options.group, letter.partition.topic, letter.error.reason)
            DEAD_LETTERS.labels(*labels).inc()

    # -- dead letters that come back ------------------------------------------------------------

    def _replay(self, stop: threading.Event) -> None:
        """Handle queued dead letters of the partitions held, under the partition's position row."""
        now = time.monotonic()
        if stop.is_set() or now - self._replayed_at < REPLAY_EVERY_SECONDS:
            return
        self._replayed_at = now
        with self._database.transaction() as tx:
            queued = dead_letters.queued_partitions(tx, self._options.group)
        for tp in queued & self._held.ours():
            self._replay_partition(tp)

    def _replay_partition(self, tp: TopicPartition) -> None:
        """As many as there are at once; one by one, as soon as one of them is to blame."""
        try:
            self._replay_some(tp, REPLAY_ROWS, None)
        except (InvalidRecord, *DatabaseError) as error:
            if _blame(error) is None:
                raise
        else:
            return
        for _ in range(REPLAY_ROWS):
            try:
                done = self._replay_some(tp, 1, None)
            except (InvalidRecord, *DatabaseError) as error:
                blamed = _blame(error)
                if blamed is None:
                    raise
                done = self._replay_some(tp, 1, blamed)
            if not done:
                return

    def _replay_some(self, tp: TopicPartition, rows: int, blamed: InvalidRecord | None) -> int:
        """Replay up to `rows` letters, or hold the first again because of `blamed`."""
        group, position = self._options.group, self.positions[tp]
        still = OffsetAdvance(tp, position.next_offset, position.next_offset, None)
        with self._database.transaction() as tx:
            claimed = positions.claim(tx, group, [still])
            records = dead_letters.take_queued(tx, group, tp, rows) if claimed else []
            if not records:
                return 0
            part = decoded(self._handler, tp, claimed[tp], records)
            part.next_offset = position.next_offset
            if blamed is not None:
                part.events = [blamed]
            batch = batch_of([part])
            if batch.partitions:
                self._handler.handle(tx, batch)
            dead_letters.mark_replayed(tx, records)
            dead_letters.save(tx, group, batch.letters)
            if batch.letters:
                dead_letters.stop_failing(tx, records)
        return len(records)


def _blame(error: Exception) -> InvalidRecord | None:
    """Why a record that stands alone is refused; None when no record may be blamed for this."""
    if isinstance(error, InvalidRecord):
        return error
    if is_data_error(error):
        return InvalidRecord("database-refused", describe(error))
    return None


def _advance(part: PartitionBatch) -> OffsetAdvance:
    return OffsetAdvance(
        part.partition, part.position.next_offset, part.next_offset, part.watermark
    )


def _under_claim(
    part: PartitionBatch, claimed: Mapping[TopicPartition, Position]
) -> PartitionBatch:
    """The slice with what a sweep may have moved since its position was read."""
    swept = claimed[part.partition].swept_through
    return replace(part, position=replace(part.position, swept_through=swept))
