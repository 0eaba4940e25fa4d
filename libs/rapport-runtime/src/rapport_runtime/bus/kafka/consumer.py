"""A member of a consumer group on Apache Kafka."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import kafka
import kafka.errors
from kafka import IsolationLevel, OffsetSpec
from kafka.coordinator.assignors.range import RangePartitionAssignor

from rapport_runtime.bus.kafka.client import (
    ASK_TIMEOUT_MS,
    CLOSE_TIMEOUT_MS,
    CONFIRM_TIMEOUT_MS,
    CONNECT_TIMEOUT_MS,
    KafkaOptions,
    admin_client,
    close_quietly,
    connected,
    topic_id,
)
from rapport_runtime.bus.kafka.unreadable import UnreadableAt, name_the_unreadable
from rapport_runtime.bus.port import Record, TopicPartition, Unreadable
from rapport_runtime.errors import LoopHalted, TryLater
from rapport_runtime.logs import get_logger

log = get_logger(__name__)

JOIN_MS = 3000
"""How long a poll waits for a rebalance to end. kafka-python 3.0 throws away a join that completes
between two polls, and begins it again for all members: so a poll outlasts the join."""

FRESH_SECONDS, FEW_RECORDS, MORE_MS = 0.004, 500, 5
"""A poll that took longer than `FRESH_SECONDS` waited for its records, so they are fresh. One that
did not, with fewer than `FEW_RECORDS`, is followed by another, which waits `MORE_MS` at most."""

REBUILD_SECONDS = 30.0
"""A member without partitions for so long may be stuck in joining, so it is made anew."""

SEE = "see the command `restored`"
"""Where an operator finds how to go on after a log is not what was read."""


class KafkaConsumer:
    """One member of a group, range assignor: partition N of all its topics lands on one member."""

    def __init__(self, options: KafkaOptions, group: str, topics: Sequence[str]) -> None:
        """Connect; the first poll joins the group. Raises `TryLater`."""
        self._prefix = options.topic_prefix
        self._group = self._prefix + group
        self._noted: set[TopicPartition] = set()
        self._unreadable: dict[TopicPartition, Unreadable] = {}
        self._noting = threading.Lock()
        self._joining = True
        self._admin: Any = None
        self._ids: dict[str, Any] = {}
        self._options = options
        self._names = {self._prefix + topic: topic for topic in topics}
        self._consumer = self._join()
        self._idle_since = time.monotonic()

    def _join(self) -> Any:
        try:
            consumer = self._client()
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        name_the_unreadable(consumer)
        consumer.subscribe(topics=list(self._names), listener=_Listener(self))
        return consumer

    def _client(self) -> Any:
        options = self._options
        return connected(
            kafka.KafkaConsumer,
            **options.connection(),
            group_id=self._group,
            enable_auto_commit=False,
            # Positions live in Postgres; without a seek there must be no reading at all.
            auto_offset_reset="none",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=options.session_timeout_ms,
            heartbeat_interval_ms=options.heartbeat_interval_ms,
            max_poll_interval_ms=options.max_poll_interval_ms,
            fetch_max_wait_ms=options.fetch_max_wait_ms,
            fetch_max_bytes=16 * 1024 * 1024,
            metadata_max_age_ms=30_000,
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            metrics_enabled=False,
        )

    def poll(
        self, timeout_seconds: float, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """See `Consumer.poll`."""
        self._rejoin_if_stuck()
        begun = time.monotonic()
        try:
            polled = self._poll(int(timeout_seconds * 1000), max_records)
            if self._joining and not polled:
                polled = self._poll(JOIN_MS, max_records)
            if time.monotonic() - begun < FRESH_SECONDS:
                polled = self._with_what_came_since(polled, max_records)
        except (kafka.errors.OffsetOutOfRangeError, kafka.errors.LogTruncationError) as error:
            msg = "the log no longer holds what was not read yet, or was emptied"
            raise LoopHalted(f"{msg}; {SEE}: {error}") from error
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        self._check_topics({tp.topic for tp in polled})
        return {self._logical(tp): records for tp, records in polled.items()}

    def _poll(self, timeout_ms: int, max_records: int) -> dict[Any, list[Any]]:
        """The records of those partitions that can be read; the others are paused and noted."""
        while True:
            try:
                polled: dict[Any, list[Any]] = self._consumer.poll(
                    timeout_ms, max_records=max_records
                )
            except UnreadableAt as stop:
                self._consumer.pause(stop.partition)
                with self._noting:
                    self._unreadable[self._logical(stop.partition)] = stop.found
                timeout_ms = 0
            else:
                return polled

    def _with_what_came_since(
        self, polled: dict[Any, list[Any]], max_records: int
    ) -> dict[Any, list[Any]]:
        """Poll again after a few records that came at once.

        They are what the client fetched at the end of the last poll. What was written in the turn
        since would otherwise wait for another whole turn.
        """
        count = sum(map(len, polled.values()))
        if not 0 < count < min(FEW_RECORDS, max_records):
            return polled
        more = self._poll(MORE_MS, max_records - count)
        for physical, records in more.items():
            polled.setdefault(physical, []).extend(records)
        return polled

    def unreadable(self) -> Mapping[TopicPartition, Unreadable]:
        """See `Consumer.unreadable`."""
        with self._noting:
            return dict(self._unreadable)

    def newly_assigned(self) -> set[TopicPartition]:
        """See `Consumer.newly_assigned`."""
        with self._noting:
            return set(self._noted)

    def assignment(self) -> set[TopicPartition]:
        """See `Consumer.assignment`."""
        return {self._logical(tp) for tp in self._consumer.assignment()}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """See `Consumer.seek`. For a partition that was lost meanwhile it does nothing."""
        physical = self._physical(partition)
        with self._noting:
            self._noted.discard(partition)
            self._unreadable.pop(partition, None)
        if physical in self._consumer.assignment():
            self._consumer.seek(physical, offset)
            self._consumer.resume(physical)

    def pause(self, partition: TopicPartition) -> None:
        """See `Consumer.pause`."""
        physical = self._physical(partition)
        if physical in self._consumer.assignment():
            self._consumer.pause(physical)

    def commit_to_group(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """See `Consumer.commit_to_group`."""
        held = self.assignment()
        commit = {
            self._physical(tp): kafka.OffsetAndMetadata(offset, "", -1)
            for tp, offset in offsets.items()
            if tp in held
        }
        try:
            if commit:
                self._consumer.commit(commit, timeout_ms=CONFIRM_TIMEOUT_MS)
        except kafka.errors.KafkaError as error:
            log.warning("group_commit_refused", error=type(error).__name__)
            return False
        return bool(commit)

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer.end_offsets`.

        The admin client asks: on the consumer's connection the question would wait behind a fetch
        that waits for records.
        """
        return self._offsets(partitions, OffsetSpec.LATEST)

    def first_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer.first_offsets`."""
        return self._offsets(partitions, OffsetSpec.EARLIEST)

    def _offsets(
        self, partitions: Iterable[TopicPartition], place: OffsetSpec
    ) -> dict[TopicPartition, int]:
        wanted = {self._physical(tp): place for tp in partitions}
        try:
            found = self._admin_client().list_partition_offsets(
                wanted, IsolationLevel.READ_COMMITTED, timeout_ms=ASK_TIMEOUT_MS
            )
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        return {self._logical(tp): each.offset for tp, each in found.items()}

    def topic_id(self, topic: str) -> str:
        """See `Consumer.topic_id`."""
        try:
            return topic_id(self._admin_client(), self._options, topic)
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error

    def close(self) -> None:
        """See `Consumer.close`."""
        close_quietly(lambda: self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS))
        if self._admin is not None:
            close_quietly(self._admin.close)

    def on_assigned(self, assigned: Iterable[Any]) -> None:
        """Pause and note what was just assigned. It runs on the client's thread, so it does no I/O.

        The position 0 is a placeholder that is never read from; without it every poll would raise,
        for all partitions, until the last of them is sought.
        """
        for physical in assigned:
            self._consumer.pause(physical)
            self._consumer.seek(physical, 0)
        with self._noting:
            self._noted |= {self._logical(physical) for physical in assigned}
        self._joining = False

    def on_revoked(self, revoked: Iterable[Any]) -> None:
        """Drop the notes about what was just revoked. It runs on the client's thread.

        kafka-python 3.0.12 forgets a join under way that a change of metadata began (a topic just
        made): the group's leader then never takes up its assignment nor sends a heartbeat, unless
        this flag, too, requests the join; it stands until the join is complete.
        """
        self._consumer._coordinator.request_rejoin()
        gone = {self._logical(physical) for physical in revoked}
        with self._noting:
            self._noted -= gone
            for partition in gone:
                self._unreadable.pop(partition, None)
        self._joining = True

    def _check_topics(self, names: Iterable[str]) -> None:
        """Raise `LoopHalted` at records of another topic of the same name (R5).

        The metadata at hand suffices: the client fetches it again after each lost connection,
        before it fetches records.
        """
        for name in names:
            now = self._consumer._cluster.topic_id(name)
            if self._ids.setdefault(name, now) != now:
                msg = f"{self._names[name]} was created anew: its offsets mean something else now"
                raise LoopHalted(f"{msg}; {SEE}")

    def _admin_client(self) -> Any:
        if self._admin is None:
            self._admin = admin_client(self._options)
        return self._admin

    def _rejoin_if_stuck(self) -> None:
        """Make the client anew when it has been joining for long, or has no partition though some
        have no owner."""
        now = time.monotonic()
        if self._consumer.assignment() and not self._joining:
            self._idle_since = now
        if now - self._idle_since < REBUILD_SECONDS:
            return
        self._idle_since = now
        if not self._joining and self._everything_is_owned():
            return
        log.warning("stuck_consumer_rebuilt", group=self._group)
        renewed = self._join()  # first: while the brokers are away, the old one stays
        close_quietly(lambda: self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS))
        self._joining = True
        self._consumer = renewed

    def _everything_is_owned(self) -> bool:
        """Whether the members of the group hold all partitions of our topics between them."""
        try:
            topics = self._admin_client().describe_topics(list(self._names))
            group = self._admin_client().describe_groups([self._group])[self._group]
        except kafka.errors.KafkaError as error:
            raise TryLater(repr(error)) from error
        held = sum(
            len(part["partitions"])
            for member in group["members"]
            for part in (member["member_assignment"] or {}).get("assigned_partitions", ())
        )
        return bool(held >= sum(len(topic["partitions"]) for topic in topics))

    def _logical(self, physical: Any) -> TopicPartition:
        return TopicPartition(self._names[physical.topic], physical.partition)

    def _physical(self, partition: TopicPartition) -> Any:
        return kafka.TopicPartition(self._prefix + partition.topic, partition.partition)


class _Listener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # kafka has no types
    """Hands what came and went to its consumer; does no I/O, which would stop the heartbeats."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._owner = consumer

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Kept partitions are noted, too: kafka-python keeps their positions in memory."""
        self._owner.on_assigned(assigned)

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """What is revoked needs no seek any more."""
        self._owner.on_revoked(revoked)

    on_partitions_lost = on_partitions_revoked  # nothing is committed here, so it is the same
