"""The batch loop: poll, claim, handle, commit; never loses a record and never applies one twice.

The traps that it avoids are the bullets of ARCHITECTURE §3 and findings 1–4 of RELIABILITY §0;
tests/integration/rapport_runtime/test_loop.py has one test for each.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rapport_runtime import dead_letters, failpoints, positions
from rapport_runtime.batch import Batch, BatchHandler, Letter, Slice
from rapport_runtime.blame import DatabaseError, is_blamed_on_data, is_for_later
from rapport_runtime.bus.port import Consumer, Record, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.errors import InvalidRecord, LoopHalted, TryLater
from rapport_runtime.limits import DeadLetterLimit
from rapport_runtime.metrics import (
    BATCH_SECONDS,
    BATCHES,
    DEAD_LETTERS,
    FENCED,
    RECORDS,
    ROLLED_BACK,
)
from rapport_runtime.positions import Move, Position

log = logging.getLogger(__name__)

CONFIRM_EVERY_SECONDS = 5.0
REPLAY_EVERY_SECONDS = 1.0
REPLAY_ROWS = 200
JOIN_POLL_SECONDS = 1.0
"""Many short polls can keep a consumer from ever joining (ARCHITECTURE §3, assignment)."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How much to take at once and how long to wait for it."""

    group: str
    max_records: int = 5000
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
        self._positions: dict[TopicPartition, Position] = {}
        self._fenced: set[TopicPartition] = set()
        self._confirmed_at = time.monotonic()
        self._replayed_at = self._confirmed_at
        self._failures = 0

    @property
    def positions(self) -> Mapping[TopicPartition, Position]:
        """Where this worker stands in the partitions that it holds."""
        return self._positions

    @property
    def assigned(self) -> bool:
        """Whether any partition is held and positioned."""
        return bool(self._positions)

    def turn(self, stop: threading.Event) -> int:
        """One turn: poll, handle what came, settle. Returns the number of records handled.

        Raises `LoopHalted` when a person has to look. After `TryLater` everything that this turn
        had not committed is read again, following a pause that doubles with each failure in a row.
        """
        try:
            handled = self._turn(stop)
        except TryLater as error:
            self._read_again(str(error))
        except DatabaseError as error:
            if not is_for_later(error):
                raise
            self._read_again(type(error).__name__)
        else:
            self._failures = 0
            return handled
        stop.wait(self._pause_seconds())
        return 0

    def _turn(self, stop: threading.Event) -> int:
        wait = self._options.poll_seconds if self.assigned else JOIN_POLL_SECONDS
        polled = self._consumer.poll(wait, self._options.max_records)
        failpoints.hit("polled")
        self._position_new()
        self._confirm()
        waiting = self._decode(polled)
        handled = 0
        while waiting and not stop.is_set():
            handled += self._process(self._next_batch(waiting))
            waiting = {tp: part for tp, part in waiting.items() if part.next_offset > self._at(tp)}
            self._handler.settle()
        if waiting:  # stopped half-way: the rest is read again by whoever comes next
            self._forget(waiting)
        if not handled:
            self._replay()
            self._handler.settle()
        return handled

    # -- assignment and positions ---------------------------------------------------------------

    def _position_new(self) -> None:
        """Seek every newly assigned partition to its stored position, kept ones too (finding 1)."""
        noted = self._consumer.newly_assigned()
        held = self._consumer.assignment()
        self._positions = {tp: at for tp, at in self._positions.items() if tp in held - noted}
        self._fenced &= held
        if not noted:
            return
        failpoints.hit("rebalance_assigned")
        with self._database.transaction() as tx:
            stored = positions.load(tx, self._options.group, noted)
            for tp in noted - stored.keys():
                positions.create(
                    tx,
                    self._options.group,
                    tp,
                    topic_id=self._consumer.topic_id(tp.topic),
                    next_offset=self._consumer.first_offset(tp),
                )
            stored = positions.load(tx, self._options.group, noted)
        self._check_topics(stored)
        for tp, position in stored.items():
            self._consumer.seek(tp, position.next_offset)
            self._positions[tp] = position
            self._fenced.discard(tp)

    def _check_topics(self, stored: Mapping[TopicPartition, Position]) -> None:
        ids = {topic: self._consumer.topic_id(topic) for topic in {tp.topic for tp in stored}}
        for tp, position in stored.items():
            if position.topic_id != ids[tp.topic]:
                msg = (
                    f"{tp.topic} was created anew (id {ids[tp.topic]}, known {position.topic_id}): "
                    "its offsets mean something else now"
                )
                raise LoopHalted(msg)

    def _confirm(self) -> None:
        """Commit to Kafka now and then (for lag tools), and at once when a swap was lost.

        Only a member can commit; a zombie learns here that the group went on without it, before
        it reads the new positions and competes (R3).
        """
        now = time.monotonic()
        if not self._fenced and now - self._confirmed_at < CONFIRM_EVERY_SECONDS:
            return
        self._confirmed_at = now
        failpoints.hit("before_kafka_commit")
        offsets = {tp: position.next_offset for tp, position in self._positions.items()}
        if self._consumer.confirm(offsets) and self._fenced:
            self._restore(self._fenced & self._consumer.assignment())
            self._fenced = set()

    def _restore(self, partitions: set[TopicPartition]) -> None:
        """Read the stored positions again and go on from there."""
        with self._database.transaction() as tx:
            stored = positions.load(tx, self._options.group, partitions)
        for tp, position in stored.items():
            self._positions[tp] = position
            self._consumer.seek(tp, position.next_offset)

    def _fence(self, partitions: set[TopicPartition]) -> None:
        """Another worker has moved these, or holds their rows: stand back until confirmed."""
        for tp in partitions:
            self._consumer.pause(tp)
        self._fenced |= partitions
        FENCED.labels(self._options.group).inc(len(partitions))
        log.warning("batch fenced", extra={"partitions": sorted(map(str, partitions))})

    def _read_again(self, why: str) -> None:
        """After a rollback the client's memory is ahead of the table: seek back to the table."""
        self._failures += 1
        ROLLED_BACK.labels(self._options.group, "try-later").inc()
        log.warning("batch rolled back, trying later", extra={"error": why})
        self._forget(self._positions)

    def _forget(self, partitions: Mapping[TopicPartition, object]) -> None:
        for tp in set(partitions) & self._consumer.assignment() - self._fenced:
            self._consumer.seek(tp, self._positions[tp].next_offset)

    def _pause_seconds(self) -> float:
        doubled = self._options.retry_seconds * 2.0 ** min(self._failures - 1, 20)
        return min(doubled, self._options.max_retry_seconds)

    def _at(self, partition: TopicPartition) -> int:
        """The next offset to handle; infinitely far where nothing may be handled."""
        position = self._positions.get(partition)
        if position is None or partition in self._fenced:
            return 2**63 - 1
        return position.next_offset

    # -- batches --------------------------------------------------------------------------------

    def _decode(
        self, polled: Mapping[TopicPartition, Sequence[Record]]
    ) -> dict[TopicPartition, Slice]:
        """Decode each record once; what cannot be decoded stands as its own error."""
        waiting = {}
        decode = self._handler.decode
        for tp, records in polled.items():
            at = self._at(tp)
            if at == 2**63 - 1 or not records or records[-1].offset < at:
                continue
            if records[0].offset < at:
                records = [record for record in records if record.offset >= at]
            events: list[object] = []
            for record in records:
                try:
                    events.append(decode(tp.topic, record.key, record.value))
                except InvalidRecord as error:
                    events.append(error)
            waiting[tp] = Slice(tp, self._positions[tp], records, events, records[-1].offset + 1)
        return waiting

    def _next_batch(self, waiting: dict[TopicPartition, Slice]) -> list[Slice]:
        """Cut the next batch off what waits; what remains of a slice stays in `waiting`."""
        batch = []
        for tp, part in waiting.items():
            part.position = self._positions[tp]
            count = self._handler.cut(part)
            head, tail = _split(part, count)
            batch.append(head)
            if tail is not None:
                waiting[tp] = tail
        return batch

    def _process(self, parts: list[Slice]) -> int:
        """Handle one batch in one transaction; on a data error halve it until the record stands
        alone (ARCHITECTURE §3, blame)."""
        started = time.monotonic()
        try:
            handled = self._commit(parts)
        except DatabaseError as error:
            if not is_blamed_on_data(error):
                raise
            ROLLED_BACK.labels(self._options.group, "data").inc()
            first, second = _halve(parts)
            if not second:
                blamed = InvalidRecord("database-refused", type(error).__name__)
                handled = self._commit([replace(first[0], events=[blamed])])
            else:
                return self._process(first) + self._process(self._still_ours(second))
        BATCHES.labels(self._options.group).inc()
        BATCH_SECONDS.labels(self._options.group).observe(time.monotonic() - started)
        return handled

    def _still_ours(self, parts: list[Slice]) -> list[Slice]:
        """The same slices at today's positions, without those that were fenced meanwhile."""
        ours = [part for part in parts if part.partition not in self._fenced]
        return [replace(part, position=self._positions[part.partition]) for part in ours]

    def _commit(self, parts: list[Slice]) -> int:
        if not parts:
            return 0
        group = self._options.group
        with self._database.transaction() as tx:
            claimed = positions.claim(tx, group, [self._move(part) for part in parts])
            failpoints.hit("in_tx")
            batch = _batch([part for part in parts if part.partition in claimed])
            self._handler.handle(tx, batch)
            dead_letters.save(tx, group, batch.letters)
            records = sum(len(part.records) for part in parts if part.partition in claimed)
            self._limit.check(records=records, invalid=len(batch.letters))
            failpoints.hit("before_db_commit")
        failpoints.hit("after_db_commit")
        self._positions.update(claimed)
        self._limit.count(records=records, invalid=len(batch.letters))
        lost = {part.partition for part in parts} - claimed.keys()
        if lost:
            self._fence(lost)
        self._count(batch, [part for part in parts if part.partition in claimed])
        return records

    def _count(self, batch: Batch, parts: list[Slice]) -> None:
        for part in parts:
            RECORDS.labels(self._options.group, part.partition.topic).inc(len(part.records))
        for letter in batch.letters:
            labels = (self._options.group, letter.partition.topic, letter.error.reason)
            DEAD_LETTERS.labels(*labels).inc()

    def _move(self, part: Slice) -> Move:
        reached = self._handler.reached(part)
        return Move(part.partition, part.position.next_offset, part.next_offset, reached)

    # -- dead letters that come back ------------------------------------------------------------

    def _replay(self) -> None:
        """Handle queued dead letters of the partitions held, under the partition's position row."""
        now = time.monotonic()
        if now - self._replayed_at < REPLAY_EVERY_SECONDS:
            return
        self._replayed_at = now
        with self._database.transaction() as tx:
            queued = dead_letters.queued_partitions(tx, self._options.group)
        for tp in queued & self._positions.keys() - self._fenced:
            self._replay_partition(tp, self._positions[tp])

    def _replay_partition(self, tp: TopicPartition, position: Position) -> None:
        group = self._options.group
        with self._database.transaction() as tx:
            records = dead_letters.take_queued(tx, group, tp, REPLAY_ROWS)
            still = Move(tp, position.next_offset, position.next_offset, None)
            if not records or not positions.claim(tx, group, [still]):
                return
            part = self._decode_stored(tp, position, records)
            batch = _batch([part])
            self._handler.handle(tx, batch)
            dead_letters.mark_replayed(tx, records)
            dead_letters.save(tx, group, batch.letters)

    def _decode_stored(
        self, tp: TopicPartition, position: Position, records: Sequence[Record]
    ) -> Slice:
        events: list[object] = []
        for record in records:
            try:
                events.append(self._handler.decode(tp.topic, record.key, record.value))
            except InvalidRecord as error:
                events.append(error)
        return Slice(tp, position, records, events, position.next_offset)


def _batch(parts: list[Slice]) -> Batch:
    """The batch of these slices: what did not decode is a letter from the start."""
    batch = Batch([])
    for part in parts:
        bad = [i for i, event in enumerate(part.events) if isinstance(event, InvalidRecord)]
        if bad:
            batch.letters += [Letter(part.partition, part.records[i], part.events[i]) for i in bad]
            skip = set(bad)
            good = [i for i in range(len(part.events)) if i not in skip]
            part = replace(
                part,
                records=[part.records[i] for i in good],
                events=[part.events[i] for i in good],
            )
        batch.slices.append(part)
    return batch


def _split(part: Slice, count: int) -> tuple[Slice, Slice | None]:
    """The first `count` records of a slice, and the rest."""
    if count >= len(part.records):
        return part, None
    head = replace(
        part,
        records=part.records[:count],
        events=part.events[:count],
        next_offset=part.records[count].offset,
    )
    tail = replace(part, records=part.records[count:], events=part.events[count:])
    return head, tail


def _halve(parts: list[Slice]) -> tuple[list[Slice], list[Slice]]:
    """The first half of a batch's records and the second; the second is empty for a single one."""
    half = max(1, sum(len(part.records) for part in parts) // 2)
    first: list[Slice] = []
    second: list[Slice] = []
    for part in parts:
        room = half - sum(len(done.records) for done in first)
        if room <= 0:
            second.append(part)
            continue
        head, tail = _split(part, room)
        first.append(head)
        if tail is not None:
            second.append(tail)
    return first, second
