"""Which event goes where: activities are folded, watermarks let time pass, practices are kept."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, PracticeRegistered
from rapport_runtime import failpoints
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch, Watermark
from rapport_runtime.stream.positions import Position
from scoring_service import translate
from scoring_service.domain.facts import Fact
from scoring_service.domain.periods import local_day
from scoring_service.domain.rulebook import Rulebook
from scoring_service.handlers import PartitionFacts, fold_facts, sweep
from scoring_service.ports import ClientKey, Store, Stores

TOPICS = (topics.PRACTICES.name, topics.CLIENT_ACTIVITY.name)


class ScoringConsumer(BatchHandler):
    """What scoring does with a batch, and with the time that a batch brought."""

    def __init__(self, stores: Stores, rulebook: Rulebook, publish: Callable[[], object]) -> None:
        self._stores = stores
        self._rulebook = rulebook
        self._publish = publish
        self._zones: dict[int, _Zones] = {}
        self._swept: dict[int, datetime] = {}

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """See `BatchHandler.decode`."""
        return translate.decode(topic, key, value)

    def batch_end(self, part: PartitionBatch) -> int:
        """A watermark that crosses a midnight of any zone served is the last of its batch (§4).

        A zone is served from its first activity on; if a midnight of it lies between the batch's
        business time and that activity, the batch ends before the activity.
        """
        if part.partition.topic != topics.CLIENT_ACTIVITY.name:
            return len(part.records)
        known = self._zones_of(part)
        count = _batch_end(part, known.zones)
        known.at = part.next_offset if count == len(part.records) else part.records[count].offset
        return count

    def handle(self, tx: Any, batch: Batch) -> None:
        """Fold what a batch holds; each partition on the day that it had before the batch."""
        store = self._stores.within(tx)
        partition_facts, sources = [], {}
        for part in batch.partitions:
            facts: dict[ClientKey, list[Fact]] = {}
            for index, event in enumerate(part.events):
                if isinstance(event, ActivityRecorded):
                    fact = translate.fact(event)
                    key = ClientKey(event.practiceid, event.data.client_id)
                    facts.setdefault(key, []).append(fact)
                    sources[id(fact)] = (part, index)
                elif isinstance(event, PracticeRegistered):
                    store.save_practice(translate.practice(event))
            if facts:
                number = part.partition.partition
                partition_facts.append(
                    PartitionFacts(number, part.position.processed_through, facts)
                )
        for refused in fold_facts(store.clients, self._rulebook, partition_facts):
            part, index = sources[id(refused.fact)]
            batch.reject(part, index, translate.refusal(refused.key.practice_id, refused.error))
        self._note_first_watermarks(store, batch)

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Let time pass for whoever is due in the partitions held, then publish what came of it."""
        ours = {
            part.partition
            for part, at in held.items()
            if part.topic == topics.CLIENT_ACTIVITY.name and self._is_unswept(part.partition, at)
        }
        while ours and not self._sweep_some(ours):
            pass
        self._publish()

    def _is_unswept(self, partition: int, at: Position) -> bool:
        """Whether time may have come further than the sweep, by what this worker remembers: where
        it is wrong, it looks in vain."""
        return at.processed_through not in {None, at.swept_through, self._swept.get(partition)}

    def _sweep_some(self, partitions: Collection[int]) -> bool:
        """One bounded transaction of these partitions' sweep; True when there is no more to do.

        While it holds a position's row no batch of that partition can commit, so a worker that
        does not know yet that it lost the partition does no harm.
        """
        with self._stores.open() as store:
            due = store.lock_unswept(partitions)
            if not due:
                return True
            done = sweep(store.clients, self._rulebook, due)
            if done:
                store.mark_swept(due)
            failpoints.hit("sweeping")
        if done:
            self._swept.update(due)
        return done

    def _note_first_watermarks(self, store: Store, batch: Batch) -> None:
        for part in batch.partitions:
            if part.position.processed_through is not None:
                continue
            if part.watermark is not None:
                store.await_first_assessment(part.partition.partition, part.watermark)

    def _zones_of(self, part: PartitionBatch) -> "_Zones":
        """The zones served by a partition, read anew when it was elsewhere meanwhile."""
        number = part.partition.partition
        known = self._zones.get(number)
        if known is None or known.at != part.position.next_offset:
            with self._stores.open() as store:
                known = self._zones[number] = _Zones(store.zones_of(number))
        return known


class _Zones:
    """Zones seen on a partition, and the offset up to which that is all."""

    def __init__(self, zones: set[str]) -> None:
        self.zones = zones
        self.at = -1


def _batch_end(part: PartitionBatch, zones: set[str]) -> int:
    before = latest = part.position.processed_through
    for index, event in enumerate(part.events):
        if isinstance(event, ActivityRecorded):
            zone = event.data.zone
            if zone not in zones:
                if _crosses_midnight(before, latest, {zone}):
                    return index
                zones.add(zone)
        elif isinstance(event, Watermark):
            latest = event.up_to
            if _crosses_midnight(before, latest, zones):
                return index + 1
    return len(part.records)


def _crosses_midnight(before: datetime | None, up_to: datetime | None, zones: set[str]) -> bool:
    """Whether a local day begins between the two; a first watermark always crosses."""
    if before is None or up_to is None:
        return before is not up_to
    return any(local_day(before, zone) != local_day(up_to, zone) for zone in zones)
