"""Each protection of the pipeline is real: with it taken out, the same scenario goes wrong.

Others are where the tests of their subject are (compare-and-swap, seek, pauses); the list that
`tools.proof` counts is in `tools/proof/claims/protections.py`. `mutant` True takes the
protection out, and the test passes only if that does harm.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from ingestion_service.bootstrap import OUTPUT, build_stores
from ingestion_service.consumers import GROUP, TOPICS, SourceConsumer
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.store.postgres_store import PostgresStore
from outreach_service.domain import gates
from outreach_service.domain.terms import Channel, Standing
from outreach_service.handlers import planning
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.database import Database, fetch
from rapport_runtime.stream import outbox
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from rapport_runtime.stream.relay import Relay
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.worlds.outreach import OutreachWorld, playbook
from tests.support.worlds.toy_ledger import Crash, at, crash

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETTLED: dict[str, Any] = {
    "specversion": "1.0",
    "type": "rapport.payment.settled.v1",
    "id": "e1",
    "source": "till",
    "practiceid": "harbour",
    "subject": "ada",
    "time": "2026-03-01T12:00:00Z",
    "data": {"payment_id": "p1", "amount_minor": 5000, "currency": "GBP"},
}
PARTLY_REFUNDED = SETTLED | {
    "type": "rapport.payment.refunded.v1",
    "id": "e2",
    "data": SETTLED["data"] | {"amount_minor": 2000},
}
_KEYS = sa.text(
    "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass)"
    " AND contype::text = ANY(:kinds)"
)
MakeDatabase = Callable[[str], ServiceDatabase]


class Intake:
    """Ingestion on a bus in memory; `restart` is another process on the same database."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.urls = urls
        self.bus = MemoryBus()
        for topic in topics.TOPICS:
            self.bus.create(topic.name, topic.partitions)
        self.database = Database(urls.worker_url, application_name="test")
        self.stores = build_stores(self.database, RECORD_KEYS, is_simulated=False)
        with self.database.transaction() as tx:
            known = Practice(
                "harbour", "Harbour", "Europe/London", "GBP", undeclared_sources="accept"
            )
            register_practice(known, self.stores.within(tx))
        relay = Relay(
            self.database,
            self.bus,
            OUTPUT,
        )
        self.publish: Callable[[], object] = relay.drain
        self.restart()

    def restart(self) -> None:
        """A worker that knows nothing but the database."""
        consumer = self.bus.consumer(GROUP, [topic.name for topic in TOPICS])
        self.bus.members[GROUP] = [consumer]
        set_aside = DeadLetterTable(GROUP, RECORD_KEYS).save
        handler = SourceConsumer(self.stores, self.publish, set_aside)
        options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0, retry_seconds=0.01)
        self.loop = BatchLoop(consumer, self.database, handler, options, DeadLetterLimit())
        self.turn()

    def turn(self) -> None:
        self.loop.turn(threading.Event())

    def send(self, event: dict[str, Any]) -> None:
        """An event of Ada's, once more."""
        topic = topics.SOURCE_PAYMENTS.name
        self.bus.append(topic, 0, b"ada", json.dumps(event).encode())

    def accepted(self) -> int:
        """How many source events the ledger holds."""
        with self.database.transaction() as tx:
            [row] = fetch(tx, "SELECT count(*) AS events FROM ledger")
        return int(row.events)

    def published(self) -> list[dict[str, Any]]:
        """The activities on the bus."""
        return [
            json.loads(record.value or b"")["data"]
            for number in range(topics.CLIENT_ACTIVITY.partitions)
            for record in self.bus.logs[TopicPartition(topics.CLIENT_ACTIVITY.name, number)]
        ]


@pytest.fixture
def intake(service_database: MakeDatabase) -> Iterator[Intake]:
    made = Intake(service_database("ingestion"))
    yield made
    made.database.close()


def _drop_keys(urls: ServiceDatabase, table: str, *kinds: str) -> None:
    """Take away a table's primary (p) or unique (u) keys."""
    owner = Database(urls.owner_url, application_name="owner")
    with owner.transaction() as tx:
        of = {"table": table, "kinds": list(kinds)}
        for key in tx.execute(_KEYS, of).scalars().all():
            tx.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
    owner.close()


@pytest.mark.parametrize("mutant", [False, True])
def test_dedup(intake: Intake, monkeypatch: pytest.MonkeyPatch, *, mutant: bool) -> None:
    """A source event that is sent in two batches counts once."""
    if mutant:
        monkeypatch.setattr(PostgresStore, "hashes", lambda _self, _keys: {})
        _drop_keys(intake.urls, "ledger", "p")
    for event in (SETTLED, PARTLY_REFUNDED, SETTLED, PARTLY_REFUNDED):
        intake.send(event)
        intake.turn()
    sums = [0, 0]
    for activity in intake.published():
        sums[activity["kind"] == "refunded"] += activity["amount_minor"]
    assert sums == [5000, 2000]  # a fact that is folded twice is one, too
    accepted = intake.accepted()
    assert (accepted == 2) is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_outbox(intake: Intake, monkeypatch: pytest.MonkeyPatch, *, mutant: bool) -> None:
    """What was accepted before a crash is published after it."""
    if mutant:
        in_memory: list[Outgoing] = []

        def publish_directly() -> None:
            intake.bus.publish(in_memory)
            in_memory.clear()

        monkeypatch.setattr(outbox, "append", lambda _tx, rows: in_memory.extend(rows))
        intake.publish = publish_directly
        intake.restart()
    intake.send(SETTLED)
    with at("after_db_commit", crash), suppress(Crash):
        intake.turn()
    if mutant:
        in_memory.clear()  # as a process's memory is when it dies
    intake.restart()
    intake.turn()
    survives = [activity["amount_minor"] for activity in intake.published()] == [5000]
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_message_identity(
    service_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """A tier change that the bus delivers twice, as it may, makes one delivery."""
    provider = RecordingProvider()
    urls = service_database("outreach")
    book = playbook(directions=["entered"])
    outreach = OutreachWorld(urls, book, dict.fromkeys(Channel, provider))
    if mutant:
        monkeypatch.setattr(planning, "message_id", lambda *_said: uuid.uuid4().hex)
        _drop_keys(urls, "message", "u")
        # Two later rules would hide it: a change is heard once, and no text goes twice within days.
        monkeypatch.setattr(Standing, "is_after", lambda *_: True)
        others = tuple(gate for gate in gates._GATES if gate is not gates._same_text)
        monkeypatch.setattr(gates, "_GATES", others)
    outreach.reachable("ada", Channel.SMS, "+8613800138000")
    for _ in range(2):
        outreach.moved("ada", 1, NOON)
        outreach.now_is(NOON)
        while outreach.dispatch():
            pass
    outreach.close()
    survives = len(provider.sent) == 1
    assert survives is not mutant
