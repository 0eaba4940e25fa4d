"""The stores on Postgres keep the promises of the ports, as those in memory do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from outreach_service.bootstrap import PAUSABLE, build_stores
from outreach_service.domain.consents import ConsentStatement, Recording
from outreach_service.domain.contact_points import tell
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import derive_client_words, record_statements
from outreach_service.ports import GROUP
from outreach_service.ports.contacts import SealedContact
from outreach_service.ports.records import ContactKey
from outreach_service.store.clock import INPUTS
from outreach_service.store.fence import fence_off
from outreach_service.store.permits import Rate, set_up
from rapport_contracts import codec, topics
from rapport_contracts.canonical import MessageChanged
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, execute, execute_many, fetch
from rapport_runtime.ops.pauses import PauseRequest, pause
from tests.support.doubles.open_cipher import A_PHONE
from tests.support.memory.client_word_suite import ClientWordSuite
from tests.support.memory.harbour import NOON, Harbour
from tests.support.memory.keys import Ends
from tests.support.memory.keys_suite import KeysSuite
from tests.support.memory.outreach_care_suite import CareSuite
from tests.support.memory.outreach_generations_suite import GenerationsSuite
from tests.support.memory.outreach_preferences_suite import PreferencesSuite
from tests.support.memory.outreach_reads_suite import ReadsSuite
from tests.support.memory.outreach_refusals_suite import REFUSED, RefusalsSuite
from tests.support.memory.outreach_settling_suite import SettlingSuite
from tests.support.memory.outreach_suite import StoreSuite

pytestmark = pytest.mark.integration
_READ_UP_TO = """
    INSERT INTO consumer_position
        (consumer_group, topic, partition, topic_id, next_offset, processed_through)
    VALUES (%(group)s, %(topic)s, %(partition)s, '', 0, %(instant)s)
    ON CONFLICT (consumer_group, topic, partition)
    DO UPDATE SET processed_through = excluded.processed_through
"""
_PASS_REAL_TIME = (
    """
    UPDATE message SET not_before = not_before - make_interval(secs => %(seconds)s),
        lease_until = lease_until - make_interval(secs => %(seconds)s),
        retry_until = retry_until - make_interval(secs => %(seconds)s)
    """,
    "UPDATE attempt SET started_at = started_at - make_interval(secs => %(seconds)s)",
    "UPDATE permit SET closed_until = closed_until - make_interval(secs => %(seconds)s)",
)
_PLAYBOOK = "INSERT INTO playbook VALUES (%(practice_id)s, 1, %(document)s, now())"
_PERMITS = """
    UPDATE permit SET tokens = %(tokens)s, per_second = 0.001, burst = 1000, refilled_at = now()
    WHERE account = %(account)s
"""
_OUTBOX = "SELECT key, value FROM outbox ORDER BY id"


class PostgresAdapter:
    """See `StoreAdapter`."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.worker = Database(urls.worker_url, application_name="worker")
        self.api = Database(urls.api_url, application_name="api")
        self.stores = build_stores(self.worker, simulated=True)
        self.api_stores = build_stores(self.api, simulated=True)
        self._stated = count()
        with self.worker.transaction() as tx:
            set_up(tx, dict.fromkeys(Channel, Rate(1000, 1000)))

    def read_up_to(self, instant: datetime) -> None:
        rows = [
            {"group": GROUP, "topic": topic.name, "partition": partition, "instant": instant}
            for topic in INPUTS
            for partition in range(topic.partitions)
        ]
        with self.worker.transaction() as tx:
            execute_many(tx, _READ_UP_TO, rows)

    def pass_real_time(self, seconds: float) -> None:
        for statement in _PASS_REAL_TIME:
            self._run(statement, seconds=seconds)

    def put_contact(self, key: ContactKey, blind_index: str) -> None:
        with self.stores.open() as store:
            points = {**store.contacts.points(key.practice_id, [key.client_id])}.get(key, [])
            new = tell(points, blind_index, None, NOON)
            store.contacts.save(
                key.practice_id, [SealedContact(*key[1:], A_PHONE, "sealed", "en", blind_index)]
            )
            store.contacts.add_points([(key, new)] if new else [])
            derive_client_words(store, key.practice_id, [key.client_id])

    def put_consent(self, key: ContactKey, purpose: Purpose, *, granted: bool) -> None:
        at = NOON + timedelta(seconds=next(self._stated))
        said = (key.client_id, key.channel, purpose, granted, "form", "1")
        with self.stores.open() as store:
            statement = ConsentStatement(f"of {at}", at, *said)
            record_statements(store, key.practice_id, [statement], Recording(at, "k1"))

    def put_playbook(self, practice_id: str, document: Mapping[str, Any]) -> None:
        self._run(_PLAYBOOK, practice_id=practice_id, document=Jsonb(document))

    def put_permits(self, channel: Channel, tokens: int) -> None:
        self._run(_PERMITS, account=str(channel), tokens=tokens)

    def pause(self, practice_id: str) -> None:
        with self.worker.transaction() as tx:
            assert pause(
                tx, PAUSABLE, PauseRequest("key k1", "practice", practice_id, "test")
            ).changed

    def restored_at(self, instant: datetime) -> None:
        with self.worker.transaction() as tx:
            fence_off(tx, instant)

    def events(self) -> Sequence[tuple[str, str]]:
        with self.worker.transaction() as tx:
            rows = fetch(tx, _OUTBOX)
        found = []
        for row in rows:
            event = codec.decode(topics.OUTREACH_EVENTS.name, row.key, row.value)
            assert isinstance(event, MessageChanged)
            found.append((event.data.message_id, event.data.state))
        return found

    def save_key(self, key: dict[str, Any]) -> None:
        with self.stores.open() as store:
            store.inputs.save_key(key)

    def key_ends(self) -> Ends:
        with self.worker.transaction() as tx:
            rows = fetch(tx, "SELECT id, expires_at, revoked_at FROM api_key")
        return {row.id: (row.expires_at, row.revoked_at) for row in rows}

    def close(self) -> None:
        """Give connections back."""
        self.worker.close()
        self.api.close()

    def _run(self, statement: str, **params: Any) -> None:
        with self.worker.transaction() as tx:
            execute(tx, statement, params)


@pytest.fixture
def adapter(service_database: Callable[[str], ServiceDatabase]) -> Iterator[PostgresAdapter]:
    made = PostgresAdapter(service_database("outreach"))
    yield made
    made.close()


class TestPostgresStore(StoreSuite):
    """`PostgresStores`."""


class TestPostgresPreferences(PreferencesSuite):
    """The contacts, consents and playbooks of `PostgresStores`."""


class TestPostgresSettling(SettlingSuite):
    """What settles, in `PostgresStores`."""


class TestPostgresRefusals(RefusalsSuite):
    """What providers said, in `PostgresStores`."""

    def test_a_worker_that_starts_tries_a_closed_channel_at_once(
        self, adapter: PostgresAdapter, harbour: Harbour
    ) -> None:
        """Its settings may be new; what is accepted then opens the channel."""
        self.strike(harbour, REFUSED)
        with adapter.worker.transaction() as tx:
            set_up(tx, dict.fromkeys(Channel, Rate(1000, 1000)))
        assert [self.lease(harbour), self.lease(harbour)] == [1, 0]
        with harbour.stores.open() as store:
            store.rates.reopen([Channel.SMS])
        assert self.lease(harbour) == 10


class TestPostgresClientWord(ClientWordSuite):
    """What clients said, on Postgres."""

    HISTORIES = 40


class TestPostgresReads(ReadsSuite):
    """Who has read personal data, in `PostgresStores`."""


class TestPostgresKeys(KeysSuite):
    """`PostgresStores`, of keys."""


class TestPostgresCare(CareSuite):
    """What other systems have noted."""


class TestPostgresGenerations(GenerationsSuite):
    """Generations of clients' facts."""
