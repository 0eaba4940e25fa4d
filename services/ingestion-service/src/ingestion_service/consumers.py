"""Handles batches of source events: bookings, payments and signals together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ingestion_service import signed_records, translate
from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import PracticeId, SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.sources import SourceKey
from ingestion_service.door import accept_sent
from ingestion_service.draining import Drain
from ingestion_service.parked_facts import ParkedFacts
from ingestion_service.ports import Store, Stores
from ingestion_service.queues import held_time, take_turns
from ingestion_service.remarks import REMARKS, count_remark
from ingestion_service.source_records import SetAside
from ingestion_service.undeclared import UndeclaredRecords
from rapport_contracts import topics
from rapport_contracts.binary_mode import Headers
from rapport_runtime import failpoints
from rapport_runtime.bus.port import Record, TopicPartition
from rapport_runtime.errors import TryLater
from rapport_runtime.metrics import DEAD_LETTERS, DEFERRED
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch, Sender
from rapport_runtime.stream.positions import Position

GROUP = "ingestion-service"
GRADED_TOPICS = (topics.SOURCE_BOOKINGS, topics.SOURCE_PAYMENTS, topics.SOURCE_SIGNALS)
"""The topics by which clients are graded: their time is business time."""
TOPICS = (*GRADED_TOPICS, topics.SOURCE_CARE)


class _Located(NamedTuple):
    """A fact, and its place in the batch."""

    part: PartitionBatch
    place: int
    fact: SourceFact

    @property
    def offset(self) -> int:
        """The offset of its record."""
        return self.part.records[self.place].offset

    @property
    def source(self) -> SourceKey:
        """Who sent it."""
        return SourceKey(self.fact.practice_id, self.fact.source)

    def record(self) -> tuple[PracticeId, SourceRecord]:
        """Whose it is, and its record."""
        topic, partition = self.part.partition
        read = self.part.records[self.place]
        headers = tuple(read.headers)
        record = SourceRecord(
            topic, partition, read.offset, read.key, read.value, headers, read.timestamp
        )
        return self.fact.practice_id, record


class SourceConsumer(BatchHandler):
    """Accepts of each batch what is each practice's share and all that is of care, and defers the
    rest, in the loop's transaction (ADR 35, ADR 52). After the commit `publish` runs, and practices
    that wait have turns."""

    def __init__(self, stores: Stores, publish: Callable[[], object], set_aside: SetAside) -> None:
        """`set_aside` stores the dead letters of what has waited; the loop stores the others."""
        self._stores = stores
        self._publish = publish
        self._drain = Drain(stores, set_aside)
        self._parked = ParkedFacts(stores, set_aside)
        self._undeclared = UndeclaredRecords(stores)
        self._drains_on = False
        # Of the last batch: how many records it had, and of how many practices that do not wait.
        self._size = (0, 0)
        # By place, so that a batch that is rolled back and handled again counts once.
        self._remarks: dict[tuple[TopicPartition, int], tuple[IntakeResult, str]] = {}
        self._deferred: set[tuple[TopicPartition, int]] = set()

    def decode(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> SourceFact | None:
        """See `BatchHandler.decode`. None for a tombstone: what a source no longer says, it has
        said, and takes back by an event."""
        return None if value is None else translate.decode(topic, key, value, headers)

    def decode_record(self, topic: str, record: Record) -> SourceFact | None:
        """See `BatchHandler.decode_record`: in binary mode the headers are half of the event."""
        return self.decode(topic, record.key, record.value, record.headers)

    def sender_of_record(self, record: Record) -> Sender:
        """See `BatchHandler.sender_of_record`."""
        return translate.sender(record.value, record.headers)

    def handle(self, tx: Any, batch: Batch) -> None:
        """Accept facts of the batch, and defer the others; rejected ones become dead letters,
        tombstones are passed over."""
        store = self._stores.within(tx)
        located = _signed(batch, _located(batch), store)
        try:
            others = [each for each in located if not each.fact.is_care]
            turn = take_turns([each.fact for each in others], store)
            of_turn = {id(others[place]) for place in turn.accepted}
            accepted = [each for each in located if each.fact.is_care or id(each) in of_turn]
            results = accept_sent([each.fact for each in accepted], store, turn.times)
        except NotYet as error:
            raise TryLater(error.detail) from error
        failpoints.hit("accepted")
        self._look_at(batch, accepted, results)
        _await_declaration(accepted, results, store)
        served = {each.fact.practice_id for each in accepted} - turn.times.keys()
        self._size = (len(located), len(served))
        if turn.now is not None:
            deferred = [others[place] for place in turn.deferred]
            store.defer([each.record() for each in deferred], turn.now)
            self._deferred.update((each.part.partition, each.offset) for each in deferred)
            failpoints.hit("deferring")

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Publish the activities of the batch, and the watermarks that are due; then give practices
        that wait their turns, accept what was parked and is known now, or end its term, and move
        what waited for a source that is declared now. Count what the batch took back and deferred.
        """
        self._count(held)
        look = self._drain.look()
        self._publish()
        (records, practices), self._size = self._size, (0, 0)
        try:
            drained = self._drain.run(look, records, practices)
            cleared = self._parked.run()
            moved = self._undeclared.run()
        except NotYet as error:
            raise TryLater(error.detail) from error
        self._drains_on = drained.records > 0 or cleared.facts > 0 or moved > 0
        for letter in [*drained.letters, *cleared.letters]:
            DEAD_LETTERS.labels(GROUP, letter.partition.topic, letter.error.reason).inc()

    def may_wait(self) -> bool:
        """See `BatchHandler.may_wait`: not after a turn that is to be published, and followed."""
        return not self._drains_on

    def _look_at(
        self, batch: Batch, accepted: Sequence[_Located], results: Sequence[IntakeResult]
    ) -> None:
        for each, result in zip(accepted, results, strict=True):
            if result.reason == "unknown-source":
                continue
            if result.status == "rejected":
                batch.reject(each.part, each.place, translate.refusal(each.fact, result))
            elif result in REMARKS:
                self._remarks[each.part.partition, each.offset] = (result, each.fact.kind)

    def _count(self, held: Mapping[TopicPartition, Position]) -> None:
        def is_committed(partition: TopicPartition, offset: int) -> bool:
            return partition in held and offset < held[partition].next_offset

        for (partition, offset), (result, kind) in self._remarks.items():
            if is_committed(partition, offset):
                count_remark(kind, result)
        for partition, offset in self._deferred:
            if is_committed(partition, offset):
                DEFERRED.labels(partition.topic).inc()
        self._remarks.clear()
        self._deferred.clear()


def _await_declaration(
    accepted: Sequence[_Located], results: Sequence[IntakeResult], store: Store
) -> None:
    """Keep the records of sources that are not declared."""
    undeclared = [
        (each.source, each.record()[1])
        for each, result in zip(accepted, results, strict=True)
        if result.reason == "unknown-source"
    ]
    if undeclared:
        store.await_declaration(undeclared, held_time(store))


def _signed(batch: Batch, located: Sequence[_Located], store: Store) -> list[_Located]:
    """Those that need no signature or have theirs; the others become dead letters."""
    carriers = [translate.carrier_of(each.part.records[each.place]) for each in located]
    refused = signed_records.refusals([each.fact for each in located], carriers, store)
    for each, why in zip(located, refused, strict=True):
        if why is not None:
            batch.reject(each.part, each.place, translate.refusal(each.fact, why))
    return [each for each, why in zip(located, refused, strict=True) if why is None]


def _located(batch: Batch) -> list[_Located]:
    """The facts of the batch, in its order; tombstones are passed over."""
    located = []
    for part in batch.partitions:
        for place, fact in enumerate(part.events):
            if fact is None:
                batch.pass_over(part, "tombstone")
            else:
                located.append(_Located(part, place, fact))
    return located
