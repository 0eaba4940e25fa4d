"""The store of the use cases: in the loop's transaction, or in one of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outreach_service.domain.playbook import Play
from outreach_service.ports.records import MessageEvent
from outreach_service.store.care import PostgresCareFlags
from outreach_service.store.clients import PostgresClients
from outreach_service.store.clock import business_now
from outreach_service.store.inputs import PostgresInputs
from outreach_service.store.locks import lock_clients
from outreach_service.store.messages import PostgresMessageTable
from outreach_service.store.permits import PostgresRates
from outreach_service.store.playbooks import PostgresPlaybooks
from outreach_service.store.preferences import PostgresConsents, PostgresContacts
from outreach_service.store.queue import PostgresQueue
from outreach_service.store.reads import PostgresReads
from outreach_service.store.settling import PostgresSettling
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database
from rapport_runtime.ops import incarnation
from rapport_runtime.stream.outbox import append

ReadPlay = Callable[[Mapping[str, Any]], Play]
Encode = Callable[[MessageEvent, str], Outgoing]


class PostgresStore:
    """`Store` within one transaction."""

    def __init__(
        self, tx: sa.Connection, read_play: ReadPlay, encode: Encode, *, simulated: bool
    ) -> None:
        self._tx = tx
        self._encode = encode
        self._simulated = simulated
        self.inputs = PostgresInputs(tx)
        self.settling = PostgresSettling(tx)
        self.queue = PostgresQueue(tx, read_play)
        self.clients = PostgresClients(tx)
        self.rates = PostgresRates(tx)
        self.messages = PostgresMessageTable(tx, read_play)
        self.contacts = PostgresContacts(tx)
        self.consents = PostgresConsents(tx)
        self.playbooks = PostgresPlaybooks(tx)
        self.reads = PostgresReads(tx)
        self.care = PostgresCareFlags(tx)

    def business_time(self) -> datetime | None:
        """See `Store.business_time`."""
        return business_now(self._tx, simulated=self._simulated)

    def lock_clients(self, practice_id: str, client_ids: Iterable[str]) -> None:
        """See `Store.lock_clients`."""
        lock_clients(self._tx, [(practice_id, client_id) for client_id in client_ids])

    def publish(self, events: Sequence[MessageEvent]) -> None:
        """See `Store.publish`."""
        if events:
            digits = incarnation.current(self._tx)
            append(self._tx, [self._encode(event, digits) for event in events])


class PostgresStores:
    """`Stores` over one database.

    `read_play` reads the play that a message keeps, `encode` makes the record of an event. When
    time is not `simulated`, the database's clock is the business time.
    """

    def __init__(
        self, database: Database, read_play: ReadPlay, encode: Encode, *, simulated: bool
    ) -> None:
        self._database = database
        self._read_play = read_play
        self._encode = encode
        self._simulated = simulated

    def within(self, tx: sa.Connection) -> PostgresStore:
        """See `Stores.within`."""
        return PostgresStore(tx, self._read_play, self._encode, simulated=self._simulated)

    @contextmanager
    def open(self, practice_id: str | None = None) -> Iterator[PostgresStore]:
        """See `Stores.open`."""
        with self._database.transaction(practice_id) as tx:
            yield self.within(tx)
