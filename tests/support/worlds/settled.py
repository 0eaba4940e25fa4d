"""Source events through all three services on stores in memory: what outreach makes of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ingestion_service import translate as ingestion
from ingestion_service.domain.practices import Practice
from outreach_service.consumers import OutreachConsumer
from outreach_service.documents.playbooks import read_known_playbook
from rapport_contracts.topics import CLIENT_ACTIVITY, TIER_CHANGES
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import Batch, PartitionBatch, Watermark
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import Position
from scoring_service import translate as scoring
from scoring_service.consumers import ScoringConsumer
from scoring_service.domain.rulebook import Rulebook
from tests.support.memory.outreach import MemoryStores as OutreachStores
from tests.support.memory.scoring import MemoryStores as ScoringStores
from tests.support.worlds.arrivals import ArrivingEvents


class Said(NamedTuple):
    """A message that is planned: by which play and step, with which text."""

    play: str
    step: int
    text: str


class SettledEvents(ArrivingEvents):
    """One practice and one client: what its sources send, step by step, and what is planned."""

    def __init__(self, practice: Practice, rulebook: Rulebook, playbook: Mapping[str, Any]) -> None:
        super().__init__(practice)
        self.scoring = ScoringStores(rulebook, scoring.tier_changed(rulebook))
        self.outreach = OutreachStores()
        self._assessor = ScoringConsumer(self.scoring, rulebook, lambda: None)
        self._planner = OutreachConsumer(
            self.outreach, read_known_playbook, playbook, lambda: None, lambda: None
        )
        self._positions: dict[TopicPartition, Position] = {}
        self._told = 0

    def step(self, now: datetime, documents: Sequence[Mapping[str, Any]], **options: Any) -> Any:
        """See `ArrivingEvents.step`; what comes of it is read at once."""
        results = super().step(now, documents, **options)
        places = {
            ingestion.record_of_activity(each).partition for each in self.ingestion.tables.published
        }
        for partition in sorted(places):
            self._read(TopicPartition(CLIENT_ACTIVITY.name, partition))
        return results

    def said(self, since: datetime | None = None) -> list[Said]:
        """What is planned, in the order of its due times, from an instant on."""
        rows = sorted(
            self.outreach.rows.messages.values(),
            key=lambda row: (row.planned.due_at, row.planned.play.key, row.planned.step),
        )
        return [
            Said(row.planned.play.key, row.planned.step, _text(row.planned))
            for row in rows
            if since is None or row.planned.due_at >= since
        ]

    def _read(self, place: TopicPartition) -> None:
        """Let scoring read the rest of a partition, record by record, and outreach what comes of
        each."""
        log, position = self.bus.logs[place], self._positions.get(place, Position(0, ""))
        while position.next_offset < len(log):
            part = decoded(self._assessor, place, position, [log[position.next_offset]])
            with self.scoring.open():
                self._assessor.handle(None, batch_of([part]))  # type: ignore[arg-type]  # none here
                reached = max(filter(None, (part.watermark, position.processed_through)))
                self.scoring.rows.processed[place.partition] = reached
            position = Position(part.next_offset, "", reached)
            self._assessor.after_commit({place: position})
            self._tell(place.partition, part.watermark)
        self._positions[place] = position

    def _tell(self, partition: int, watermark: datetime | None) -> None:
        """Outreach reads the changes, and then the time that they lead up to."""
        records = self.scoring.rows.outbox[self._told :]
        self._told += len(records)
        events: list[Any] = [
            self._planner.decode(each.topic, each.key, each.value) for each in records
        ]
        events += [Watermark(watermark)] if watermark is not None else []
        place = TopicPartition(TIER_CHANGES.name, partition)
        before = Position(0, "", self.outreach.business_time)
        self._planner.handle(None, Batch([PartitionBatch(place, before, [], events, 1)]))
        self.outreach.business_time = watermark or self.outreach.business_time
        self._planner.after_commit({})


def _text(planned: Any) -> str:
    return str(planned.play.steps[planned.step].routes[0].template)
