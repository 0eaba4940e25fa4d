"""Scoring's outbox, relay and feed without its worker: publish tier changes, read them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from rapport_contracts import canonical, codec, heads, topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.database import Database, execute
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.streams import Streams
from rapport_runtime.stream import outbox
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.relay import READ_ROWS, Relay
from scoring_service.api.feed import feed_router
from scoring_service.ports import FeedPage, FeedPositions
from scoring_service.store.feed import FeedWriter, PostgresFeed
from tests.support.servers.app_calls import ask

TOPIC = topics.TIER_CHANGES.name
PARTITIONS = topics.TIER_CHANGES.partitions
OUTPUT = Output(
    source="test", topics=[topics.TIER_CHANGES], event_id=heads.event_id, head=heads.event_head
)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
START: FeedPositions = (0,) * PARTITIONS
_ERASE = """
    UPDATE feed SET event = NULL
    WHERE practice_id = %(practice)s AND bucket = %(partition)s AND position = %(position)s
"""
_REMOVE = """
    DELETE FROM feed
    WHERE practice_id = %(practice)s AND bucket = %(partition)s AND position = %(position)s
"""


class Holders:
    """Each name is a key of the practice of that name; `powerless` has no scope that helps, and
    `operator` is an operator's key."""

    def verify(self, raw_key: str) -> Principal:
        scope = "nothing:read" if raw_key == "powerless" else "tiers:read"
        return Principal(raw_key, None if raw_key == "operator" else raw_key, frozenset({scope}))

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        return {key: self.verify(key) for key in raw_keys}


def change(client: str, version: int, practice: str = "harbour") -> Outgoing:
    """The record of one change, with an explanation and what comes next."""
    event = canonical.TierChanged(
        id=f"{practice}.{client}.rfm.{version}",
        source="test",
        time=NOON,
        practiceid=practice,
        subject=client,
        data=canonical.TierChange(
            client_id=client,
            scheme="rfm",
            version=version,
            rulebook_version=1,
            primary=True,
            from_tier="silver",
            to_tier="gold",
            direction="upgraded",
            reason="activity",
            origin="live",
            effective_at=NOON,
            happened_at=NOON,
            activity_id="a1",
            score=Decimal("72.50"),
            explanation=(
                canonical.Line(line="recency.within_P3M", input="last", value="“3”", points=40),
            ),
            next_transition=canonical.NextTransition(
                at=NOON + timedelta(days=90),
                from_tier="gold",
                to_tier="silver",
                direction="downgraded",
                because=canonical.Because(line="recency.within_P3M", input="last"),
                assumes="no_activity",
                rulebook_version=1,
            ),
            zone="Europe/London",
        ),
    )
    partition = topics.partition_of(client, PARTITIONS)
    return Outgoing(TOPIC, partition, client.encode(), codec.encode(event))


@dataclass
class FeedWorld:
    """A migrated database, opened with the worker's role and the API's, and a bus in memory."""

    urls: ServiceDatabase
    bus: MemoryBus = field(default_factory=MemoryBus)
    streams: Streams = field(default_factory=Streams)
    read_rows: int = READ_ROWS

    def __post_init__(self) -> None:
        self.worker = Database(self.urls.worker_url, application_name="worker")
        self.api = Database(self.urls.api_url, application_name="api")
        self.feed = PostgresFeed(self.api, PARTITIONS)
        self.bus.create(TOPIC, PARTITIONS)
        self.bus.create("other.v1", PARTITIONS)

    def relay(self) -> Relay:
        """A new relay, as of another worker."""
        return Relay(
            self.worker,
            self.bus,
            OUTPUT,
            on_published=FeedWriter(TOPIC, codec.practice_of).append,
            read_rows=self.read_rows,
        )

    def write(self, *rows: Outgoing) -> None:
        """One transaction of a worker."""
        with self.worker.transaction() as tx:
            outbox.append(tx, rows)

    def publish(self, *rows: Outgoing) -> None:
        """Write, and drain the outbox."""
        self.write(*rows)
        self.relay().drain()

    def follow(
        self, after: FeedPositions = START, *, limit: int = 1000, practice: str = "harbour"
    ) -> tuple[list[str], FeedPositions]:
        """The ids of all changes behind `after`, page by page, and the place of the last."""
        found: list[str] = []
        while page := self.feed.read(practice, after, limit).entries:
            for entry in page:
                after = (*after[: entry.partition], entry.position, *after[entry.partition + 1 :])
                found += [] if entry.event is None else [event_id(entry.event)]
        return found, after

    def erase(self, practice: str, partition: int, position: int) -> None:
        """Make a tombstone of an entry, as an erasure does."""
        self._change(_ERASE, practice, partition, position)

    def remove(self, practice: str, partition: int, position: int) -> None:
        """Take an entry out, which the table's triggers refuse in good order."""
        owner = Database(self.urls.owner_url, application_name="owner")
        for verb in ("DISABLE", "ENABLE"):
            with owner.transaction() as tx:
                execute(tx, f"ALTER TABLE feed {verb} TRIGGER USER")
            if verb == "DISABLE":
                self._change(_REMOVE, practice, partition, position)
        owner.close()

    def _change(self, statement: str, practice: str, partition: int, position: int) -> None:
        parameters = {"practice": practice, "partition": partition, "position": position}
        with self.worker.transaction() as tx:
            assert execute(tx, statement, parameters) == 1

    def on_the_bus(self) -> list[bytes]:
        """Every value of the topic, by partition."""
        logs = [self.bus.logs[TopicPartition(TOPIC, number)] for number in range(PARTITIONS)]
        return [record.value or b"" for log in logs for record in log]

    def rows(self, statement: str) -> Sequence[sa.Row[Any]]:
        """The rows of a query, with the worker's role."""
        with self.worker.transaction() as tx:
            return tx.execute(sa.text(statement)).fetchall()

    def app(self) -> FastAPI:
        """The API with the feed alone."""
        service = Service(
            title="t",
            version="0",
            description="t",
            keys=Holders(),
            cursor_key=bytes(range(32)),
            streams=self.streams,
        )
        return create_app(service, [feed_router(self.feed)])

    def get(self, query: str = "", key: str = "harbour") -> httpx.Response:
        """`GET /v1/tier-changes` with a practice's key."""
        return get(self.app(), f"/v1/tier-changes{query}", key)

    def close(self) -> None:
        """Give connections back."""
        self.worker.close()
        self.api.close()


def get(app: FastAPI, path: str, key: str = "harbour", **headers: str) -> httpx.Response:
    """GET a path of an app, without a socket."""
    return ask(app, "GET", path, headers={"Authorization": f"Bearer {key}", **headers})


def at_position(partition: int, position: int) -> FeedPositions:
    """At the start of every partition but this one."""
    return (*START[:partition], position, *START[partition + 1 :])


def events_of(page: FeedPage) -> list[bytes]:
    """The events of a page, without its tombstones."""
    return [entry.event for entry in page.entries if entry.event is not None]


def event_id(event: bytes) -> str:
    """Practice, client, scheme and version, joined by dots."""
    decoded = codec.decode(TOPIC, b"k", event)
    assert isinstance(decoded, canonical.TierChanged)
    return decoded.id


def in_order(ids: Sequence[str]) -> Iterator[bool]:
    """Of each client and scheme, whether its versions came gapless from 1."""
    versions: dict[str, list[int]] = {}
    for one in ids:
        client, _, version = one.rpartition(".")
        versions.setdefault(client, []).append(int(version))
    return (found == list(range(1, len(found) + 1)) for found in versions.values())
