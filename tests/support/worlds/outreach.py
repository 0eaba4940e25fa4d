"""Outreach alone, on a bus in memory, a real Postgres and providers that keep what they get."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from outreach_service.bootstrap import OUTPUT, build_consumer, build_relay, build_stores
from outreach_service.consumers import TOPICS
from outreach_service.contacts import normalise
from outreach_service.dispatcher import (
    DEFAULT_OPTIONS,
    Dispatcher,
    DispatcherOptions,
    OutboundQueue,
)
from outreach_service.domain.consents import ConsentStatement, ContactUpdate, Recording
from outreach_service.domain.messages import SANDBOX_RETRIES
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import record_statements, save_contacts
from outreach_service.ports import GROUP, Provider
from outreach_service.sealing import ContactKeyring
from outreach_service.store.contact_cipher import KeyringCipher
from outreach_service.store.permits import Rate, set_up
from rapport_contracts import canonical, codec, topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.look import OutputLook
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from tests.support.doubles.composer import COMPOSER, dispatch_options
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.doubles.recording_provider import RecordingProvider

KEY = base64.b64encode(b"k" * 32).decode()
KEYRING = ContactKeyring({"k1": KEY}, active="k1", index_key=KEY)
PRACTICE, ZONE = "harbour", "Europe/London"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def playbook(*, directions: Sequence[str], **play: Any) -> dict[str, Any]:
    """A playbook of one play that sends `welcome` for care at once, by every channel; with `play`
    it does otherwise."""
    channels = play.pop("channels", ["wechat", "sms", "email"])
    template = play.pop("template", "welcome")
    routes = [{"channel": channel, "template": template} for channel in channels]
    return {
        "key": "test",
        "plays": [
            {
                "key": "hello",
                "when": {"directions": list(directions)},
                "purpose": "care",
                "mode": "send",
                "settles_after": "PT0S",
                "steps": [{"delay": "PT0S", "channels": routes}],
                **play,
            }
        ],
    }


class OutreachWorld:
    """A migrated database of outreach, its worker's loop, and a dispatcher turned by hand."""

    def __init__(
        self,
        made: ServiceDatabase,
        book: Mapping[str, Any],
        providers: Mapping[Channel, Provider],
        options: DispatcherOptions = DEFAULT_OPTIONS,
        bus: MemoryBus | None = None,
    ) -> None:
        """With `bus`, that of another world: a new worker, which looks at its output first."""
        self.database = Database(made.worker_url, application_name="test")
        self.bus = bus or _new_bus()
        if bus is not None:
            bus.members[GROUP] = []  # the workers of the other world have gone
            self.database.vet(OutputLook(self.database, OUTPUT, lambda: bus))
        consumer = self.bus.consumer(GROUP, TOPICS)
        self.wakeup = threading.Event()
        self.stores = build_stores(self.database, simulated=True)
        publish = build_relay(self.database, self.bus).drain
        handler = build_consumer(self.stores, book, publish, self.wakeup)
        self.loop = BatchLoop(
            consumer,
            self.database,
            handler,
            LoopOptions(group=GROUP, keyring=RECORD_KEYS),
            DeadLetterLimit(),
        )
        with self.database.transaction() as tx:
            set_up(tx, dict.fromkeys(Channel, Rate(1000, 1000)))
        self.queue = OutboundQueue(
            self.stores, KeyringCipher(KEYRING), SANDBOX_RETRIES, dispatch_options()
        )
        self.dispatcher = Dispatcher(
            self.queue,
            providers,
            COMPOSER,
            self.wakeup,
            options,
        )
        practice = canonical.Practice(
            practice_id=PRACTICE, name="Harbour", zone=ZONE, currency="GBP"
        )
        event = canonical.PracticeRegistered(
            id="p1",
            source="test",
            time=datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
            practiceid=PRACTICE,
            data=practice,
        )
        self.bus.append(topics.PRACTICES.name, 0, PRACTICE.encode(), codec.encode(event))

    def rows(self, statement: str) -> Sequence[sa.Row[Any]]:
        """The rows of a query, as the worker."""
        with self.database.transaction() as tx:
            return tx.execute(sa.text(statement)).fetchall()

    def execute(self, statement: str, **parameters: Any) -> None:
        """Change something behind the product's back."""
        with self.database.transaction() as tx:
            tx.execute(sa.text(statement), parameters)

    def reachable(
        self,
        client_id: str,
        channel: Channel,
        address: str,
        purpose: str = "care",
        practice: str = PRACTICE,
    ) -> None:
        """A client with a contact point and consent to use it, who lives where the practice is,
        whatever country the number is of."""
        spelt = normalise(channel, address)
        update = ContactUpdate(client_id, channel, spelt, "Ada", "en", zone=ZONE)
        save_contacts(self.stores, KeyringCipher(KEYRING), practice, [update])
        self.consent(client_id, channel, purpose, practice, granted=True)

    def consent(
        self,
        client_id: str,
        channel: Channel,
        purpose: str,
        practice: str = PRACTICE,
        *,
        granted: bool,
    ) -> None:
        """A client's statement of consent, made a second after the one before it."""
        (made,) = self.rows("SELECT count(*) AS so_far FROM consent")
        statement = ConsentStatement(
            id=f"s{made.so_far}",
            stated_at=LONG_AGO + made.so_far * timedelta(seconds=1),
            client_id=client_id,
            channel=channel,
            purpose=Purpose(purpose),
            granted=granted,
            evidence="form",
            text_version="1",
        )
        with self.stores.open() as store:
            record_statements(store, practice, [statement], Recording(statement.stated_at, "k1"))

    def moved(self, client_id: str, version: int, at: datetime, **changes: Any) -> None:
        """A tier change on the bus; a fall is one by time, unless told otherwise."""
        direction = changes.get("direction", "entered")
        usual = "elapsed_time" if direction == "downgraded" else "activity"
        change = canonical.TierChange(
            client_id=client_id,
            scheme=changes.get("scheme", "rfm"),
            version=version,
            rulebook_version=1,
            primary=changes.get("primary", True),
            from_tier=changes.get("from_tier"),
            from_rank=changes.get("from_rank"),
            to_tier=changes.get("to_tier", "bronze"),
            to_rank=changes.get("to_rank"),
            direction=direction,
            reason=changes.get("reason", usual),
            origin=changes.get("origin", "live"),
            effective_at=at,
            happened_at=None,
            activity_id=None,
            score=Decimal("50.00"),
            explanation=(),
            zone=ZONE,
        )
        event = canonical.TierChanged(
            id=f"{client_id}.{version}",
            source="test",
            time=at,
            practiceid=changes.get("practice", PRACTICE),
            data=change,
        )
        partition = topics.partition_of(client_id, topics.PER_CLIENT_PARTITIONS)
        self.bus.append(
            topics.TIER_CHANGES.name, partition, client_id.encode(), codec.encode(event)
        )

    def active(self, client_id: str, sequence: int, at: datetime, **changes: Any) -> None:
        """An activity on the bus."""
        data = canonical.Activity(
            client_id=client_id,
            generation=1,
            sequence=sequence,
            kind=changes.get("kind", "completed"),
            on=at.date(),
            zone="Europe/London",
            count=changes.get("count", 1),
            occurred_at=at,
            accepted_at=at,
            starts_at=changes.get("starts_at"),
        )
        event = canonical.ActivityRecorded(
            id=f"{client_id}.{sequence}", source="test", time=at, practiceid=PRACTICE, data=data
        )
        partition = topics.partition_of(client_id, topics.PER_CLIENT_PARTITIONS)
        self.bus.append(
            topics.CLIENT_ACTIVITY.name, partition, client_id.encode(), codec.encode(event)
        )

    def now_is(self, instant: datetime) -> None:
        """Let business time come, and read everything before it."""
        for topic in (topics.CLIENT_ACTIVITY, topics.TIER_CHANGES):
            for partition in range(topic.partitions):
                event = canonical.WatermarkAdvanced(
                    id="w", source="test", time=instant, data=canonical.Watermark(up_to=instant)
                )
                self.bus.append(topic.name, partition, b"watermark", codec.encode(event))
        stop = threading.Event()
        while self._behind():
            self.loop.turn(stop)

    def dispatch(self) -> int:
        """Send what is due; how many were handed to a provider."""
        return len(asyncio.run(self.dispatcher.run_once()).claimed)

    def messages(self) -> dict[tuple[str, int], Any]:
        """Messages by client and version of the tier change."""
        rows = self.rows("SELECT * FROM message")
        return {(row.client_id, row.change["version"]): row for row in rows}

    def announced(self) -> list[canonical.Message]:
        """The messages that outreach published on the bus."""
        found = []
        for partition in range(topics.PER_CLIENT_PARTITIONS):
            for record in self.bus.logs[TopicPartition(topics.OUTREACH_EVENTS.name, partition)]:
                event = codec.decode(topics.OUTREACH_EVENTS.name, record.key, record.value)
                assert isinstance(event, canonical.MessageChanged)
                found.append(event.data)
        return found

    def close(self) -> None:
        """Give connections back."""
        self.database.close()

    def _behind(self) -> bool:
        at = self.loop.positions
        held = [tp for tp in self.bus.logs if tp.topic in TOPICS]
        return any(tp not in at or at[tp].next_offset < len(self.bus.logs[tp]) for tp in held)


def _new_bus() -> MemoryBus:
    bus = MemoryBus()
    for topic in (
        *(topics.PRACTICES, topics.KEYS, topics.CLIENT_ACTIVITY),
        *(topics.TIER_CHANGES, topics.OUTREACH_EVENTS),
    ):
        bus.create(topic.name, topic.partitions)
    return bus


Build = Callable[..., OutreachWorld]
"""`build(book, sms, options)`: a world whose channels all go to one provider, that of `sms`."""


@contextmanager
def worlds(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Build]:
    """Worlds of one test, closed at its end."""
    made: list[OutreachWorld] = []

    def build(
        book: Mapping[str, Any] | None = None,
        sms: Provider | None = None,
        options: DispatcherOptions = DEFAULT_OPTIONS,
    ) -> OutreachWorld:
        providers = dict.fromkeys(Channel, sms or RecordingProvider())
        urls = service_database("outreach")
        chosen = book or playbook(directions=["entered"])
        made.append(OutreachWorld(urls, chosen, providers, options))
        return made[-1]

    try:
        yield build
    finally:
        for one in made:
            one.close()
