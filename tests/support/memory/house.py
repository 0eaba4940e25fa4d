"""The three services on stores in memory, with the bus between them as a list of records."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ingestion_service import translate as ingestion
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, register_practice
from outreach_service.consumers import OutreachConsumer
from outreach_service.documents.playbooks import read_known_playbook
from rapport_contracts.catalogue import SOURCE
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import BatchHandler
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from scoring_service import translate as scoring
from scoring_service.consumers import ScoringConsumer
from tests.support.generators.outreach_values import a_play_document
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.ingestion import MemoryStores as IngestionStores
from tests.support.memory.outreach import MemoryStores as OutreachStores
from tests.support.memory.scoring import MemoryStores as ScoringStores


class MemoryHouse:
    """What one practice's sources send goes through ingestion, scoring and outreach."""

    def __init__(self, practice: Practice, now: datetime) -> None:
        self.now = now
        self.ingestion = IngestionStores()
        self.ingestion.real_time = now
        self.scoring = ScoringStores(RULEBOOK, scoring.tier_changed(RULEBOOK))
        self.outreach = OutreachStores()
        self.passed_over: Counter[tuple[str, str]] = Counter()
        self.letters: list[InvalidRecord] = []
        with self.ingestion.transaction() as tables:
            register_practice(practice, self.ingestion.within(tables))
        self._practice = ingestion.record_of_practice(practice, now)

    def accept(self, documents: Iterable[Mapping[str, Any]]) -> list[IntakeResult]:
        """What intake says to source events, in their order."""
        facts = []
        for document in documents:
            topic = next(name for name, types in SOURCE.items() if document["type"] in types)
            key = document["subject"].encode()
            facts.append(ingestion.decode(topic, key, json.dumps(document).encode()))
        with self.ingestion.transaction() as tables:
            return accept(facts, self.ingestion.within(tables))

    def activities(self) -> list[Outgoing]:
        """The records of everything that ingestion has published of clients."""
        return [ingestion.record_of_activity(each) for each in self.ingestion.tables.published]

    def read(self, activities: Iterable[Outgoing]) -> None:
        """Scoring reads these records, and outreach them and the tier changes that follow."""
        records = [self._practice, *activities]
        consumer = ScoringConsumer(self.scoring, RULEBOOK, lambda: None)
        with self.scoring.open() as store:
            for part in {record.partition for record in records}:
                store.await_first_assessment(part, self.now)
        self._handle(consumer, self.scoring, records)
        document = {"key": "test", "plays": [a_play_document()]}
        listener = OutreachConsumer(
            self.outreach, read_known_playbook, document, lambda: None, lambda: None
        )
        self._handle(listener, self.outreach, [*records, *self.scoring.rows.outbox])

    def _handle(self, handler: BatchHandler, stores: Any, records: Iterable[Outgoing]) -> None:
        """Handle records one by one, each on the day of the house's time."""
        bus = MemoryBus()
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            if place not in bus.logs:
                bus.create(record.topic, CLIENT_ACTIVITY.partitions)
            position = Position(len(bus.logs[place]), "", self.now)
            bus.append(record.topic, record.partition, record.key, record.value)
            part = decoded(handler, place, position, bus.logs[place][position.next_offset :])
            batch = batch_of([part])
            with stores.open():
                handler.handle(None, batch)  # type: ignore[arg-type]  # the stores in memory have no transaction
            self.letters += [letter.error for letter in batch.letters]
            self.passed_over += batch.passed_over
