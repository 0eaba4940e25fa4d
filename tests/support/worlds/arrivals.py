"""Source events through ingestion and scoring on stores in memory, by a simulated clock."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ingestion_service import translate as ingestion
from ingestion_service.domain.activities import Activity
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import (
    accept,
    advance_clock,
    open_generation,
    register_practice,
)
from ingestion_service.ports import ClientKey as Whose
from ingestion_service.ports import Opening
from rapport_contracts.topics import CLIENT_ACTIVITY, SOURCE_BOOKINGS, SOURCE_PAYMENTS
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.partition_batches import batch_of, decoded, split
from rapport_runtime.stream.positions import Position
from scoring_service import translate as scoring
from scoring_service.consumers import ScoringConsumer
from scoring_service.handlers import TierAssessor
from scoring_service.ports import ChangeRow, ClientKey, ClientTier
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.ingestion import MemoryStores as IngestionStores
from tests.support.memory.scoring import MemoryStores as ScoringStores
from tests.support.memory.scoring import MemoryTiers

CHANGE = tuple[int, str | None, str, str, str, datetime, int | None]
"""Version, tiers, reason, origin, instant of effect and score."""


class ArrivingEvents:
    """One practice: what its sources send, step by step, and what scoring makes of it."""

    def __init__(self, practice: Practice) -> None:
        self.practice = practice
        self.ingestion = IngestionStores(is_simulated=True)
        self.scoring = ScoringStores(RULEBOOK, scoring.tier_changed(RULEBOOK))
        self.bus = MemoryBus()
        self.bus.create(CLIENT_ACTIVITY.name, CLIENT_ACTIVITY.partitions)
        self.loses: Callable[[Activity], bool] = lambda _activity: False
        """Which activities never reach the bus; those that are said anew do."""
        self._written = 0
        with self.ingestion.open_for_operator() as store:
            register_practice(practice, store)

    def step(
        self, now: datetime, documents: Sequence[Mapping[str, Any]], *, intake: int = 1_000
    ) -> list[IntakeResult]:
        """Set the clock, then take these events in, so many at a time; each partition's log gets
        the watermark first."""
        with self.ingestion.open_for_operator() as store:
            advance_clock(now, store)
        for partition in range(CLIENT_ACTIVITY.partitions):
            self._append(ingestion.record_of_watermark(partition, now))
        facts = [self._fact(document) for document in documents]
        results: list[IntakeResult] = []
        for first in range(0, len(facts), intake):
            with self.ingestion.transaction() as tables:
                results += accept(facts[first : first + intake], self.ingestion.within(tables))
        self._publish()
        return results

    def rebuild(self) -> dict[int, int]:
        """Say the facts of all clients anew; where each partition's log ended before that."""
        ends = {place.partition: len(log) for place, log in self.bus.logs.items()}
        for key in sorted(self.ingestion.tables.clients):
            with self.ingestion.transaction() as tables:
                open_generation(Whose(*key), self.ingestion.within(tables), "rebuild")
        self._publish()
        return ends

    def _publish(self) -> None:
        """Write what the outbox has; behind an opening stand the facts that it announces."""
        said, anew = self.ingestion.tables.said, 0
        for record in said[self._written :]:
            if isinstance(record, Opening):
                anew = record.facts
                self._append(next(ingestion.records_of_generation(record, [])))
            elif anew or not self.loses(record):
                self._append(ingestion.record_of_activity(record, is_anew=anew > 0))
                anew = max(0, anew - 1)
        self._written = len(said)

    def read(
        self,
        sizes: Sequence[int] = (1_000,),
        sweeps: Sequence[bool] = (True,),
        begins: Mapping[int, int] | None = None,
    ) -> None:
        """Let scoring read the log, where clients are, in batches of these sizes: from its
        beginning, or where `begins` says."""
        for activity in self.ingestion.tables.published:
            partition = ingestion.record_of_activity(activity).partition
            if partition not in self.scoring.rows.processed:
                place = TopicPartition(CLIENT_ACTIVITY.name, partition)
                begin = begins[partition] if begins else 0
                read_in_batches(self.bus, place, self.scoring, sizes, sweeps, begin)

    def history(self, external_id: str) -> list[CHANGE]:
        """The changes of a client by the source's id."""
        lines = self.scoring.rows.history.get(self._key(external_id), [])
        return [_told(line) for line in lines]

    def answer(self, external_id: str) -> ClientTier:
        """What scoring answers of a client; ValueError for one whom it does not know."""
        key = self._key(external_id)
        (stored,) = MemoryTiers(self.scoring).of_clients(key.practice_id, [key.client_id])
        return TierAssessor(lambda: [RULEBOOK]).tier(stored)

    def _key(self, external_id: str) -> ClientKey:
        identities = self.ingestion.tables.identities.items()
        (client_id,) = {of for key, of in identities if key.external_id == external_id}
        return ClientKey(self.practice.practice_id, client_id)

    def _append(self, record: Any) -> None:
        self.bus.append(record.topic, record.partition, record.key, record.value)

    def _fact(self, document: Mapping[str, Any]) -> Any:
        topic = SOURCE_BOOKINGS if ".booking." in document["type"] else SOURCE_PAYMENTS
        key = document["subject"].encode()
        return ingestion.decode(topic.name, key, json.dumps(document).encode())


def read_in_batches(
    bus: MemoryBus,
    place: TopicPartition,
    stores: ScoringStores,
    sizes: Sequence[int],
    sweeps: Sequence[bool],
    begin: int = 0,
) -> None:
    """Let scoring read a partition in batches of `sizes` in turn, each by a new worker; time passes
    after those batches where `sweeps` says so, and after the last."""
    log, position, number = bus.logs[place], Position(begin, ""), 0
    while position.next_offset < len(log):
        consumer = ScoringConsumer(stores, RULEBOOK, lambda: None)
        records = log[position.next_offset :][: sizes[number % len(sizes)]]
        part = decoded(consumer, place, position, records)
        part, _ = split(part, consumer.batch_end(part))
        with stores.open():
            consumer.handle(None, batch_of([part]))  # type: ignore[arg-type]  # no transaction here
            reached = max(filter(None, (part.watermark, position.processed_through)), default=None)
            if reached is not None:
                stores.rows.processed[place.partition] = reached
        position, number = Position(part.next_offset, "", reached), number + 1
        if sweeps[number % len(sweeps)] or position.next_offset == len(log):
            consumer.after_commit({place: position})


def _told(line: ChangeRow) -> CHANGE:
    told = (line.reason, line.origin, line.effective_at, line.score)
    return (line.version, line.from_tier, line.to_tier, *told)
