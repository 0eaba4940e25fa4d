"""What scoring does with a batch: activities are folded, practices stored, and time passes.

A batch is read in this order: `decode` each record, `batch_end` where time must pass first,
`handle` what is in it (`fold_facts`), `after_commit` let time pass (`sweep`) and publish.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from rapport_contracts import topics
from rapport_contracts.canonical import (
    ActivityRecorded,
    GenerationOpened,
    HoldChanged,
    KeyChanged,
    PracticeRegistered,
    UnknownEvent,
)
from rapport_runtime import failpoints
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.logs import get_logger
from rapport_runtime.ops.shared_keys import key_columns
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch, Sender, Watermark
from rapport_runtime.stream.positions import Position
from scoring_service import translate
from scoring_service.domain.facts import ClientRecord, TimePassed
from scoring_service.domain.periods import is_zone, local_day
from scoring_service.domain.rulebook import Rulebook
from scoring_service.handlers import Folded, PartitionFacts, fold_facts, held_in, sweep
from scoring_service.ports import ClientKey, PracticePlace, Store, Stores

_ACTIVITY = topics.CLIENT_ACTIVITY.name
TOPICS = (topics.PRACTICES.name, topics.KEYS.name, _ACTIVITY)
STEPS_IN_A_TURN = 5
"""Transactions of a sweep in one turn of the loop, of `SWEEP_ROWS` clients each: some seconds."""
log = get_logger(__name__)


class ScoringConsumer(BatchHandler):
    """Folds activities and lets time pass; `publish` is called after each commit."""

    def __init__(self, stores: Stores, rulebook: Rulebook, publish: Callable[[], object]) -> None:
        self._stores = stores
        self._rulebook = rulebook
        self._publish = publish
        self._zones: dict[int, _Zones] = {}
        # How far this worker has swept. The positions that the loop knows are those of the last
        # batch, so they do not show the sweep after it: without this every turn would ask again.
        self._swept: dict[int, datetime] = {}
        self._sweeps_on = False

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """See `BatchHandler.decode`."""
        return translate.decode(topic, key, value)

    def sender_of(self, value: bytes | None) -> Sender:
        """See `BatchHandler.sender_of`."""
        return translate.sender(value)

    def batch_end(self, part: PartitionBatch) -> int:
        """A watermark that begins a local day in any zone of the partition ends the batch: all
        facts of a batch are folded on one day, the day of the business time before it (ADR 3). So
        do holds that stand together, since after them time is another for their practices, and a
        record before which the sender was restored (ADR 35).

        The zones are those of the partition's clients. An activity of a new zone ends the batch
        before it, if a day has begun in that zone since the business time before the batch.
        """
        if part.partition.topic != _ACTIVITY:
            return len(part.records)
        zones = self._zones_of(part)
        count = _batch_end(part, zones.names)
        is_whole = count == len(part.records)
        zones.offset = part.next_offset if is_whole else part.records[count].offset
        return count

    def handle(self, tx: Any, batch: Batch) -> None:
        """Fold the batch's activities, those of each partition on the local day that the partition
        had before the batch; store its practices. What is not known is passed over."""
        store = self._stores.within(tx)
        sources: _Sources = {}
        read = [(part, _records_of(store, batch, part, sources)) for part in batch.partitions]
        store.holds.end_others(_incarnations(batch))
        folded = fold_facts(store.clients, self._rulebook, _partition_facts(store, read))
        _set_aside(batch, sources, folded)
        _change_holds(store, batch)
        _await_first_assessments(store, batch)

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Let time pass in the partitions held, then publish what came of it and of the batch.

        A long sweep goes on in the next turns: in between this worker tells the broker that it
        lives, publishes, and handles what has come.
        """
        unswept = {
            part.partition
            for part, position in held.items()
            if part.topic == _ACTIVITY and self._may_be_unswept(part.partition, position)
        }
        self._sweeps_on = bool(unswept) and not any(
            self._sweep_step(unswept) for _ in range(STEPS_IN_A_TURN)
        )
        self._publish()

    def may_wait(self) -> bool:
        """See `BatchHandler.may_wait`: not while a sweep goes on."""
        return not self._sweeps_on

    def _may_be_unswept(self, partition: int, position: Position) -> bool:
        """Whether the watermark may be ahead of the sweep; `lock_unswept` reads the exact state."""
        watermark = position.processed_through
        return watermark not in {None, position.swept_through, self._swept.get(partition)}

    def _sweep_step(self, partitions: Collection[int]) -> bool:
        """Run one transaction of the sweep, of limited size; True when no further one is needed."""
        with self._stores.open() as store:
            step = sweep(store, self._rulebook, partitions)
            if step.until:
                failpoints.hit("sweeping")
        if step.is_done:
            self._swept.update(step.until)
        return step.is_done

    def _zones_of(self, part: PartitionBatch) -> "_Zones":
        """The zones of a partition. They are read again unless this worker handled the records
        just before: another worker may have stored clients of other zones in between."""
        number = part.partition.partition
        zones = self._zones.get(number)
        if zones is None or zones.offset != part.position.next_offset:
            with self._stores.open() as store:
                zones = self._zones[number] = _Zones(set(filter(is_zone, store.zones_of(number))))
        return zones


class _Zones:
    """The names of a partition's zones that this version knows, complete for the records before
    `offset`."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.offset = -1


_Sources = dict[int, tuple[PartitionBatch, int]]
"""Where each fact stands in its batch; by identity, for two records may hold one fact."""


class _ClientRecords:
    """What a partition's records say of their clients, in their order.

    Watermarks stand among them too, one at most between two records of a client: a source event
    that is open there, maybe since an earlier batch, ends with it.
    """

    def __init__(self, business_time: datetime | None) -> None:
        self.by_client: dict[ClientKey, list[ClientRecord]] = {}
        self.reached = business_time
        self._watermarks = 0
        self._watermarks_of: dict[ClientKey, int] = {}

    def add(self, key: ClientKey, record: ClientRecord) -> None:
        of_client = self.by_client.get(key)
        if of_client is None:
            of_client = self.by_client[key] = []
            self._watermarks_of[key] = 0
        if self._watermarks_of[key] != self._watermarks:
            self._pass_time_for(key)
        of_client.append(record)

    def pass_time(self, up_to: datetime) -> None:
        """A watermark that is not later than the last one says nothing; before the first one no
        source event waits."""
        if self.reached is not None and up_to > self.reached:
            self.reached = up_to
            self._watermarks += 1

    def end(self) -> None:
        """No record follows: whoever has none since the last watermark gets that one."""
        for key, watermarks in self._watermarks_of.items():
            if watermarks != self._watermarks:
                self._pass_time_for(key)

    def _pass_time_for(self, key: ClientKey) -> None:
        self.by_client[key].append(TimePassed())
        self._watermarks_of[key] = self._watermarks


def _records_of(
    store: Store, batch: Batch, part: PartitionBatch, sources: _Sources
) -> _ClientRecords:
    """What a partition's records say of their clients; handles the other records."""
    records = _ClientRecords(part.position.processed_through)
    for index, event in enumerate(part.events):
        if isinstance(event, ActivityRecorded):
            key = ClientKey(event.practiceid, event.data.client_id)
            fact: ClientRecord = translate.numbered(event)
        elif isinstance(event, Watermark):
            records.pass_time(event.up_to)
            continue
        elif found := _handle_other(store, batch, part, index):
            key, fact = found
        else:
            continue
        records.add(key, fact)
        sources[id(fact)] = (part, index)
    records.end()
    return records


def _handle_other(
    store: Store, batch: Batch, part: PartitionBatch, index: int
) -> tuple[ClientKey, ClientRecord] | None:
    """Handle a record that is no activity; what it says of a client, if anything."""
    event = part.events[index]
    if isinstance(event, UnknownEvent):
        found = translate.skipped(event)
        if found and part.partition.topic == _ACTIVITY:
            return found
        batch.pass_over(part, "type")
    elif isinstance(event, PracticeRegistered):
        store.save_practice(translate.practice(event))
    elif isinstance(event, KeyChanged):
        store.save_key(key_columns(event.data))
    elif isinstance(event, GenerationOpened):
        return translate.opening(event)
    return None


def _partition_facts(
    store: Store, read: Sequence[tuple[PartitionBatch, _ClientRecords]]
) -> list[PartitionFacts]:
    """The facts of each partition that has any, with the practices among theirs that are held."""
    concerned = {
        PracticePlace(part.partition.partition, key.practice_id)
        for part, records in read
        for key in records.by_client
    }
    held = store.holds.find(concerned)
    return [
        PartitionFacts(
            part.partition.partition,
            part.position.processed_through,
            records.by_client,
            records.reached,
            held_in(part.partition.partition, held),
        )
        for part, records in read
        if records.by_client
    ]


def _change_holds(store: Store, batch: Batch) -> None:
    """Begin, move and end holds. They end their batch, so its facts were folded before them."""
    for part in batch.partitions:
        reached = max(filter(None, (part.position.processed_through, part.watermark)), default=None)
        for event in part.events:
            if isinstance(event, HoldChanged):
                change = store.holds.save if event.data.held else store.holds.end
                change(translate.hold(event, part.partition.partition, reached))


def _incarnations(batch: Batch) -> dict[int, str]:
    """The incarnation of ingestion's database in each partition whose records say it; a batch has
    one (`batch_end`)."""
    parts = (part for part in batch.partitions if part.partition.topic == _ACTIVITY)
    found = ((part.partition.partition, _first_incarnation(part.events)) for part in parts)
    return {partition: digits for partition, digits in found if digits is not None}


def _first_incarnation(events: Sequence[Any]) -> str | None:
    """The first incarnation that an event names; an undecoded one names none."""
    named = (getattr(event, "incarnation", None) for event in events)
    return next(filter(None, named), None)


def _set_aside(batch: Batch, sources: _Sources, folded: Folded) -> None:
    """Make dead letters of refused facts; count what was passed over."""
    for key, fact, error in folded.refused:
        part, index = sources[id(fact)]
        batch.reject(part, index, translate.refusal(key.practice_id, error))
    for fact in folded.skipped:
        part, index = sources[id(fact)]
        is_activity = isinstance(part.events[index], ActivityRecorded)
        batch.pass_over(part, "kind" if is_activity else "type")
    for record in folded.superseded:
        part, _ = sources[id(record)]
        batch.pass_over(part, "superseded")
    for key, fact in folded.repeated:
        part, _ = sources[id(fact)]
        batch.pass_over(part, "repeated")
        log.warning(
            "sequence_repeated",
            client_id=key.client_id,
            sequence=fact.sequence,
            incarnation=fact.incarnation,
        )


def _await_first_assessments(store: Store, batch: Batch) -> None:
    """When a partition gets its first watermark, make all its existing clients due for review."""
    for part in batch.partitions:
        if part.partition.topic != _ACTIVITY:
            continue
        if part.position.processed_through is None and part.watermark is not None:
            store.await_first_assessment(part.partition.partition, part.watermark)


def _batch_end(part: PartitionBatch, zones: set[str]) -> int:
    """How many records belong into the batch; adds their zones to `zones`."""
    before = latest = part.position.processed_through
    end = _end_of_one_time(part.events)
    for index, event in enumerate(part.events[:end]):
        if isinstance(event, ActivityRecorded):
            zone = event.data.zone
            if zone not in zones and is_zone(zone):
                if _begins_a_day(before, latest, {zone}):
                    return index
                zones.add(zone)
        elif isinstance(event, Watermark):
            latest = event.up_to
            if _begins_a_day(before, latest, zones):
                return index + 1
    return end


def _end_of_one_time(events: Sequence[Any]) -> int:
    """How many records there are up to the first holds, with them, and before the first record of
    another incarnation: for all of these practices stand where they stood before the batch."""
    incarnation = _first_incarnation(events)
    for index, event in enumerate(events):
        if getattr(event, "incarnation", None) not in {None, incarnation}:
            return index
        if _is_hold(event):
            after = (at for at in range(index, len(events)) if not _is_hold(events[at]))
            return next(after, len(events))
    return len(events)


def _is_hold(event: Any) -> bool:
    return isinstance(event, HoldChanged)


def _begins_a_day(before: datetime | None, up_to: datetime | None, zones: set[str]) -> bool:
    """Whether a local day of any zone begins between the two instants; a first watermark counts
    as one that does."""
    if before is None or up_to is None:
        return before is not up_to
    return any(local_day(before, zone) != local_day(up_to, zone) for zone in zones)
