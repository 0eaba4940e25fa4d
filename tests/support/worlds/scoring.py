"""Scoring alone, on a bus in memory and a real Postgres: write a log, read it, compare."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from rapport_contracts import canonical, codec, topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.ops.status_routes import Status
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.positions import Position
from scoring_service.bootstrap import TIMED, build_consumer, build_relay
from scoring_service.consumers import TOPICS
from scoring_service.ports import GROUP
from scoring_service.store.status import ScoringStatus
from tests.support.doubles.known_secrets import RECORD_KEYS

ACTIVITY = topics.CLIENT_ACTIVITY.name


@dataclass
class Log:
    """A log of activities and watermarks, for any number of worlds to read."""

    bus: MemoryBus = field(default_factory=MemoryBus)
    sequences: dict[tuple[str, str], int] = field(default_factory=dict)
    written: int = 0

    def __post_init__(self) -> None:
        for topic in (
            *(topics.PRACTICES, topics.KEYS),
            *(topics.CLIENT_ACTIVITY, topics.TIER_CHANGES),
        ):
            self.bus.create(topic.name, topic.partitions)

    def activity(self, client_id: str, kind: str, on: date, at: datetime, **more: Any) -> None:
        """Write one activity of a client, with the next sequence unless one is given."""
        practice = more.pop("practice", "harbour")
        key = (practice, client_id)
        sequence = more.pop("sequence", self.sequences.get(key, 0) + 1)
        self.sequences[key] = max(sequence, self.sequences.get(key, 0))
        self.written += 1
        data = canonical.Activity(
            client_id=client_id,
            generation=more.pop("generation", 1),
            sequence=sequence,
            kind=kind,
            on=on,
            zone=more.pop("zone", "Europe/London"),
            count=more.pop("count", 1),
            occurred_at=at,
            accepted_at=more.pop("accepted_at", at),
            **more,
        )
        event = canonical.ActivityRecorded(
            id=f"a{self.written}", source="test", time=at, practiceid=practice, data=data
        )
        partition = topics.partition_of(client_id, topics.PER_CLIENT_PARTITIONS)
        self.bus.append(ACTIVITY, partition, client_id.encode(), codec.encode(event))

    def opening(self, client_id: str, generation: int, facts: int, at: datetime) -> None:
        """Say that a client's facts are said anew."""
        event = canonical.GenerationOpened(
            id=f"{client_id}/{generation}",
            source="test",
            time=at,
            practiceid="harbour",
            data=canonical.GenerationOpening(
                client_id=client_id, generation=generation, reason="rebuild", facts=facts
            ),
        )
        partition = topics.partition_of(client_id, topics.PER_CLIENT_PARTITIONS)
        self.bus.append(ACTIVITY, partition, client_id.encode(), codec.encode(event))

    def watermark(self, up_to: datetime) -> None:
        """Write one watermark on every partition."""
        for partition in range(topics.PER_CLIENT_PARTITIONS):
            event = canonical.WatermarkAdvanced(
                id=f"w{up_to.isoformat()}",
                source="test",
                time=up_to,
                data=canonical.Watermark(up_to=up_to),
            )
            self.bus.append(ACTIVITY, partition, b"watermark", codec.encode(event))


class ScoringWorld:
    """A migrated database of scoring, and its worker's loop over a log."""

    def __init__(self, log: Log, made: ServiceDatabase, rulebook: Any, *, records: int) -> None:
        self.log = log
        self.database = Database(made.worker_url, application_name="test")
        self.consumer = log.bus.consumer(f"{GROUP}-{made.worker_url}", TOPICS)
        relay = build_relay(self.database, log.bus)
        self.handler = build_consumer(self.database, relay.drain, rulebook)
        options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, max_records=records)
        limit = DeadLetterLimit()
        self.loop = BatchLoop(self.consumer, self.database, self.handler, options, limit)

    def sweep_only_every(self, turns: int) -> None:
        """Let the sweep come late, at every `turns`-th turn; `read_all` ends with one."""
        after_commit, counted = type(self.handler).after_commit, itertools.count(1)

        def late(held: Mapping[TopicPartition, Position]) -> None:
            if next(counted) % turns == 0:
                after_commit(self.handler, held)

        self.handler.after_commit = late  # type: ignore[method-assign]

    def read_all(self) -> None:
        """Turn the loop until it stands at every log's end, and on until all is swept and
        published."""
        while self._behind():
            self.turn()
        self.sweep_only_every(1)
        self.turn()
        while not self.handler.may_wait():
            self.turn()

    def turn(self) -> None:
        """Turn the loop once."""
        self.loop.turn(threading.Event())

    def status(self) -> Status:
        """The status that the API would give an operator, read with the worker's role."""
        runtime_status = DatabaseStatus(
            self.database, "scoring", GROUP, timed=TIMED, by="swept_through"
        )
        return ScoringStatus(self.database, runtime_status, group=GROUP, topic=ACTIVITY).status()

    def _behind(self) -> bool:
        at = self.loop.positions
        held = [tp for tp in self.log.bus.logs if tp.topic in TOPICS]
        return any(tp not in at or at[tp].next_offset < len(self.log.bus.logs[tp]) for tp in held)

    def rows(self, statement: str) -> Sequence[sa.Row[Any]]:
        """The rows of a query, with the worker's role."""
        with self.database.transaction() as tx:
            return tx.execute(sa.text(statement)).fetchall()

    def changes(self) -> list[canonical.TierChange]:
        """The tier changes on the bus, per partition in the order of publication."""
        found = []
        for partition in range(topics.PER_CLIENT_PARTITIONS):
            for record in self.log.bus.logs[TopicPartition(topics.TIER_CHANGES.name, partition)]:
                event = codec.decode(topics.TIER_CHANGES.name, record.key, record.value)
                if isinstance(event, canonical.TierChanged):
                    found.append(event.data)
        return found

    def close(self) -> None:
        """Give connections back."""
        self.consumer.close()
        self.database.close()
