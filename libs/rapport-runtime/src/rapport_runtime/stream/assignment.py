"""Which partitions this worker holds, where it stands in each, and which it must leave alone."""

import time
from collections.abc import Callable, Iterable, Mapping

from rapport_runtime import failpoints
from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.errors import LoopHalted
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import FENCED
from rapport_runtime.ops.pauses import Stopped
from rapport_runtime.stream import positions
from rapport_runtime.stream.positions import Position

log = get_logger(__name__)

CONFIRM_SECONDS = 5.0
CONFIRM_FENCED_SECONDS = 0.2
"""A frozen predecessor may hold a position's row for seconds: ask again, but do not spin."""

NOWHERE = 2**63 - 1
"""The next offset of a partition of which nothing may be handled."""


class Assignment:
    """The stored positions of what the consumer holds, kept in step with the consumer's memory.

    Three rules: a partition delivers only after a seek to its stored position, kept ones after each
    rebalance too (kafka-python keeps positions in memory, RELIABILITY finding 1); and after a lost
    swap a partition stays paused until the group has confirmed that we are a member (R3); and what
    operators have stopped is held, but nothing of it is read.
    """

    def __init__(
        self,
        consumer: Consumer,
        database: Database,
        group: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._database = database
        self._group = group
        self._clock = clock
        self._confirmed_at = clock()
        self._fenced: set[TopicPartition] = set()
        self.stopped = Stopped()
        self.positions: dict[TopicPartition, Position] = {}

    def restore_new(self) -> set[TopicPartition]:
        """Forget what was lost, seek what is new to its stored position; return what is new.

        Raises `LoopHalted` for a topic that was created anew, `TryLater` when nobody answers; what
        was not sought then stays noted for the next time.
        """
        noted = self._consumer.newly_assigned()
        held = self._consumer.assignment()
        self.positions = {tp: at for tp, at in self.positions.items() if tp in held - noted}
        self._fenced &= held
        if noted:
            failpoints.hit("rebalance_assigned")
            self._restore(noted)
        return noted

    def commit_to_group(self) -> None:
        """Commit to Kafka now and then (for lag tools), and soon after a swap was lost.

        Only a member can commit; a zombie learns here that the group went on without it, before
        it reads the new positions and competes.
        """
        now = self._clock()
        pause = CONFIRM_FENCED_SECONDS if self._fenced else CONFIRM_SECONDS
        if now - self._confirmed_at < pause:
            return
        self._confirmed_at = now
        failpoints.hit("before_kafka_commit")
        offsets = {tp: position.next_offset for tp, position in self.positions.items()}
        if not self._consumer.commit_to_group(offsets):
            return
        self._check_topics(self.positions)
        if self._fenced:
            self._restore(self._fenced & self._consumer.assignment())

    def fence(self, partitions: set[TopicPartition]) -> None:
        """Another worker has moved these, or holds their rows: stand back until confirmed."""
        for tp in partitions:
            self._consumer.pause(tp)
        self._fenced |= partitions
        FENCED.labels(self._group).inc(len(partitions))
        names = sorted(f"{tp.topic}/{tp.partition}" for tp in partitions)
        log.warning("batch_fenced", partitions=names)

    def apply_pauses(self, stopped: Stopped) -> None:
        """Read nothing of what operators have stopped, and go on with what they have not."""
        before, self.stopped = self.stopped, stopped
        if stopped == before:
            return
        self.rewind(tp for tp in self.positions if before.stops(tp))
        for tp in self.positions:
            if stopped.stops(tp):
                self._consumer.pause(tp)
        log.warning("pauses_changed", state=stopped.said())

    def rewind(self, partitions: Iterable[TopicPartition]) -> None:
        """After a rollback the client's memory is ahead of the table: seek back to the table."""
        for tp in set(partitions) & self._consumer.assignment() & self.ours():
            self._consumer.seek(tp, self.positions[tp].next_offset)

    def at(self, partition: TopicPartition) -> int:
        """The next offset to handle; `NOWHERE` where nothing may be handled."""
        position = self.positions.get(partition)
        return NOWHERE if position is None or partition in self._fenced else position.next_offset

    def ours(self) -> set[TopicPartition]:
        """The partitions that may be handled."""
        return {
            tp for tp in self.positions if tp not in self._fenced and not self.stopped.stops(tp)
        }

    def advance(self, claimed: Mapping[TopicPartition, Position]) -> None:
        """Remember positions that were moved in a committed transaction."""
        self.positions.update(claimed)

    def _restore(self, partitions: set[TopicPartition]) -> None:
        """Read the stored positions, create those that were never stored, and go on from there."""
        with self._database.transaction() as tx:
            stored = positions.load(tx, self._group, partitions)
        missing = partitions - stored.keys()
        if missing:
            stored |= self._create(missing)
        self._check_topics(stored)
        for tp, position in stored.items():
            self._consumer.seek(tp, position.next_offset)
            if self.stopped.stops(tp):
                self._consumer.pause(tp)
            self.positions[tp] = position
            self._fenced.discard(tp)

    def _create(self, partitions: set[TopicPartition]) -> dict[TopicPartition, Position]:
        """Store positions at the log's start, explicitly: no client's default decides it."""
        starts = {
            tp: (self._consumer.topic_id(tp.topic), self._consumer.first_offset(tp))
            for tp in sorted(partitions)
        }
        with self._database.transaction() as tx:
            for tp, (topic_id, offset) in starts.items():
                positions.create(tx, self._group, tp, topic_id=topic_id, next_offset=offset)
            return positions.load(tx, self._group, partitions)

    def _check_topics(self, stored: Mapping[TopicPartition, Position]) -> None:
        ids = {topic: self._consumer.topic_id(topic) for topic in {tp.topic for tp in stored}}
        for tp, position in stored.items():
            if position.topic_id != ids[tp.topic]:
                msg = (
                    f"{tp.topic} was created anew (id {ids[tp.topic]}, known {position.topic_id}): "
                    "its offsets mean something else now"
                )
                raise LoopHalted(msg)
