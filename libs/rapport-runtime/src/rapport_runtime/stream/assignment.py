"""Which partitions this worker holds, where it stands in each, and which it must not read."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rapport_runtime import failpoints
from rapport_runtime.bus.port import Consumer, TopicPartition, Unreadable
from rapport_runtime.database import Database
from rapport_runtime.errors import LoopHalted
from rapport_runtime.logs import get_logger
from rapport_runtime.metrics import FENCED
from rapport_runtime.ops.pauses import Stopped
from rapport_runtime.stream import positions
from rapport_runtime.stream.positions import Position

log = get_logger(__name__)

NOWHERE = 2**63 - 1
"""The next offset of a partition of which nothing may be handled."""


@dataclass(frozen=True, kw_only=True)
class AssignmentOptions:
    """The seconds between two commits of the positions to the group, and between two tries to read
    what could not be read.

    `commit_fenced_seconds` holds while a partition is fenced. It is short, so that the worker reads
    the partition soon after its predecessor, which may be frozen for seconds, releases the row.
    """

    commit_seconds: float = 5.0
    commit_fenced_seconds: float = 0.2
    reread_seconds: float = 5.0


class Assignment:
    """The stored positions of the partitions that the consumer holds, in step with its memory.

    Four rules. A partition delivers only after a seek to its stored position, after each
    rebalance also one that was kept (kafka-python keeps positions in memory; R15). After a lost
    claim a partition stays paused until the group has confirmed that this is a member (R3). A
    partition that operators have stopped is held, but nothing of it is read. One in which the
    client cannot read on stands where it is, with an alarm, until an operator has skipped the
    place; the others go on.
    """

    def __init__(
        self,
        consumer: Consumer,
        database: Database,
        group: str,
        options: AssignmentOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._database = database
        self._group = group
        self._options = options
        self._clock = clock
        self._committed_at = clock()
        self._fenced: set[TopicPartition] = set()
        self._reread_at = clock()
        self.stopped = Stopped()
        self.unreadable: Mapping[TopicPartition, Unreadable] = {}
        self.positions: dict[TopicPartition, Position] = {}

    # -- what the loop may do -------------------------------------------------------------------

    def next_offset(self, partition: TopicPartition) -> int:
        """The next offset to handle; `NOWHERE` where nothing may be handled."""
        position = self.positions.get(partition)
        return NOWHERE if position is None or partition in self._fenced else position.next_offset

    def workable(self) -> set[TopicPartition]:
        """The partitions of which records may be handled."""
        return {
            tp for tp in self.positions if tp not in self._fenced and not self.stopped.stops(tp)
        }

    # -- in the order of a turn -----------------------------------------------------------------

    def apply_pauses(self, stopped: Stopped) -> None:
        """Stop reading what operators have stopped, and read on what they have resumed."""
        before, self.stopped = self.stopped, stopped
        if stopped == before:
            return
        self.rewind(tp for tp in self.positions if before.stops(tp))
        for tp in self.positions:
            if stopped.stops(tp):
                self._consumer.pause(tp)
        log.warning("pauses_changed", state=stopped.summary())

    def restore_new(self) -> set[TopicPartition]:
        """Forget what was lost, seek what is newly assigned to its stored position; return the
        new ones.

        Raises `LoopHalted` for a topic that was created anew, `TryLater` when the bus or the
        database does not answer; what was not sought then is new again the next time.
        """
        new = self._consumer.newly_assigned()
        held = self._consumer.assignment()
        self.positions = {tp: at for tp, at in self.positions.items() if tp in held - new}
        self._fenced &= held
        if new:
            failpoints.hit("rebalance_assigned")
            self._restore(new)
        return new

    def look_for_unreadable(self) -> None:
        """Raise the alarm for partitions in which the client cannot read on, and let it try again
        every `reread_seconds`, from the stored position: an operator may have moved it."""
        now = self._clock()
        found = self._held(self._consumer.unreadable())
        known = self._held(self.unreadable)
        if not found and not known:
            self.unreadable, self._reread_at = {}, now
            return
        for tp in found:
            if known.get(tp) != found[tp]:
                self._alarm(tp, found[tp])
        self.unreadable = known | found
        if now - self._reread_at < self._options.reread_seconds:
            return
        self._reread_at = now
        tried = self.workable()
        for tp in (known.keys() - found.keys()) & tried:  # it did not fail again
            self._note(tp, None)
            del known[tp]
        self.unreadable = known | found
        again = found.keys() & tried
        if again:
            self._restore(again)

    def _held(self, found: Mapping[TopicPartition, Unreadable]) -> dict[TopicPartition, Unreadable]:
        """Those in the way of a position of this worker."""
        return {
            tp: what
            for tp, what in found.items()
            if tp in self.positions and self.positions[tp].next_offset < what.next_offset
        }

    def _alarm(self, tp: TopicPartition, found: Unreadable) -> None:
        self._note(tp, found)
        log.critical(
            "partition_unreadable",
            topic=tp.topic,
            partition=tp.partition,
            offset=found.offset,
            error=found.why,
        )

    def _note(self, tp: TopicPartition, found: Unreadable | None) -> None:
        with self._database.transaction() as tx:
            positions.note_unreadable(tx, self._group, tp, found)

    def commit_to_group(self) -> None:
        """Commit the positions to Kafka, for lag tools: every `commit_seconds`, and after a lost
        claim every `commit_fenced_seconds`.

        Only a member can commit. A worker that was removed from the group finds out here, before
        it reads the new positions.
        """
        now = self._clock()
        options = self._options
        pause = options.commit_fenced_seconds if self._fenced else options.commit_seconds
        if now - self._committed_at < pause:
            return
        self._committed_at = now
        failpoints.hit("before_kafka_commit")
        offsets = {tp: position.next_offset for tp, position in self.positions.items()}
        if not self._consumer.commit_to_group(offsets):
            return
        self._check_topics(self.positions)
        if self._fenced:
            self._restore(self._fenced & self._consumer.assignment())

    def advance(self, claimed: Mapping[TopicPartition, Position]) -> None:
        """Remember positions that were moved in a committed transaction."""
        self.positions.update(claimed)

    def fence(self, partitions: set[TopicPartition]) -> None:
        """Handle nothing of these until the group has confirmed this member: another worker has
        moved their positions, or holds their rows."""
        for tp in partitions:
            self._consumer.pause(tp)
        self._fenced |= partitions
        FENCED.labels(self._group).inc(len(partitions))
        names = sorted(f"{tp.topic}/{tp.partition}" for tp in partitions)
        log.warning("batch_fenced", partitions=names)

    def rewind(self, partitions: Iterable[TopicPartition]) -> None:
        """Seek back to the stored positions: after a rollback the consumer is ahead of them."""
        for tp in set(partitions) & self._consumer.assignment() & self.workable():
            self._consumer.seek(tp, self.positions[tp].next_offset)

    # -- stored positions -----------------------------------------------------------------------

    def _restore(self, partitions: set[TopicPartition]) -> None:
        """Load the stored positions, create the missing ones, and read on from there."""
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
        """Store positions at the log's start, so that no default of a client decides it."""
        ids = {topic: self._consumer.topic_id(topic) for topic in {tp.topic for tp in partitions}}
        starts = self._consumer.first_offsets(partitions)
        with self._database.transaction() as tx:
            for tp, offset in sorted(starts.items()):
                positions.create(tx, self._group, tp, topic_id=ids[tp.topic], next_offset=offset)
            return positions.load(tx, self._group, partitions)

    def _check_topics(self, stored: Mapping[TopicPartition, Position]) -> None:
        ids = {topic: self._consumer.topic_id(topic) for topic in {tp.topic for tp in stored}}
        for tp, position in stored.items():
            if position.topic_id != ids[tp.topic]:
                msg = (
                    f"{tp.topic} was created anew (id {ids[tp.topic]}, known {position.topic_id}): "
                    "its offsets mean something else now; see the command `restored`"
                )
                raise LoopHalted(msg)
