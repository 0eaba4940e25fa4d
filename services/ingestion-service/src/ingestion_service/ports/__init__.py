"""What the use cases need from outside: a store within one transaction, and reads for the API."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from ingestion_service.domain.activities import Activity, ActivityOwner, Delta
from ingestion_service.domain.facts import (
    ClientId,
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.packages import KnownPackage
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.standings import Standing
from ingestion_service.ports.care import CareStore
from ingestion_service.ports.freshness import Freshness
from ingestion_service.ports.imports import Imports
from ingestion_service.ports.parking import Parking
from ingestion_service.ports.secrets import KeepsSecrets
from ingestion_service.ports.sources import SourceReads, SourceStore


class Sealer(Protocol):
    """Seals bytes so that they can be opened for the same place only."""

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """The bytes, sealed."""

    def unseal(self, sealed: bytes, place: bytes) -> bytes:
        """What was sealed."""


class Client(NamedTuple):
    """A client, locked by the transaction; `last_sequence` is 0 before the first activity. `zone`
    is its practice's, or one that this had before (ADR 54)."""

    client_id: ClientId
    generation: int
    last_sequence: int
    is_registered: bool
    is_new: bool
    zone: str


class StoredObject(NamedTuple):
    """A booking, a payment, or a part of one, locked by the transaction. `object_id` is random and
    never changes; `owner` is the identity in the first accepted event about it, `standing` what its
    events came to so far. Without an owner only parked events are about it."""

    object_id: str
    owner: IdentityKey | None
    is_new: bool
    standing: Standing = Standing()


class LedgerEntry(NamedTuple):
    """One accepted fact in the ledger, with what it caused.

    `deltas` are those that were published for it, to the client `client_id`: none when it changed
    nothing; one, `registered`, when it changed nothing and is its client's first. `first_sequence`
    is the sequence of the first of them. `object_id` is the random id of its booking or payment.
    """

    fact: SourceFact
    content_hash: bytes
    object_id: str
    client_id: ClientId
    accepted_at: datetime
    first_sequence: int
    deltas: Sequence[Delta]


class Queue(NamedTuple):
    """The queue of a practice of which something waits, locked by the transaction. The practice
    stands at `stands_at`: what is accepted of it is accepted at that time. `is_announced` is false
    after a restore, until the hold is announced again; `is_new`: this call has opened it."""

    practice_id: PracticeId
    hold_id: str
    stands_at: datetime
    is_announced: bool
    is_new: bool


class Deferred(NamedTuple):
    """A record that waits, at its place in the queue; `is_paused`: its topic is paused."""

    deferred_id: int
    deferred_at: datetime
    is_paused: bool
    record: SourceRecord


class Hold(NamedTuple):
    """What is announced of a practice: it is held since `since`, or, where it is not any more, goes
    on at `since`; why, and because of which source, if of one."""

    practice_id: PracticeId
    hold_id: str
    is_held: bool
    since: datetime
    reason: Literal["deferred", "import", "silent"] = "deferred"
    source: str | None = None


class ClientKey(NamedTuple):
    """A client of a practice."""

    practice_id: PracticeId
    client_id: ClientId


class Scope(NamedTuple):
    """Whose clients are rebuilt: one client, all of a practice, or (both None) all."""

    practice_id: PracticeId | None = None
    client_id: ClientId | None = None


class Opening(NamedTuple):
    """A client's facts are said anew, as the generation of `owner`: so many, for this reason."""

    owner: ActivityOwner
    reason: str
    facts: int
    opened_at: datetime


class Progress(NamedTuple):
    """How far a rebuild has come: the last client that it has done, if any, and how many."""

    done: ClientKey | None
    clients: int


class Rebuilds(Protocol):
    """The clients whose facts are said anew, within one transaction (ADR 48)."""

    def begin(self, scope: Scope) -> None:
        """Begin the rebuild of a scope, unless it was begun and has not ended."""

    def lock(self, scope: Scope) -> Progress | None:
        """How far the rebuild of a scope has come, locked; None when it has ended."""

    def move(self, scope: Scope, done: ClientKey) -> None:
        """Note that a rebuild has done this client."""

    def end(self, scope: Scope) -> None:
        """The rebuild of a scope is done."""

    def next_clients(self, scope: Scope, after: ClientKey | None, limit: int) -> list[ClientKey]:
        """Up to `limit` clients of a scope behind one, in the order of their keys."""

    def lock_client(self, key: ClientKey) -> Client | None:
        """A client, locked; None when there is none. No other client is locked beside it."""

    def activities(self, owner: ActivityOwner) -> Iterator[Activity]:
        """All that was published of a client, in order, as `owner`'s; read page by page."""

    def attempt(self) -> AbstractContextManager[Any]:
        """What is written within, an exception takes back; the transaction goes on."""

    def open(self, opening: Opening, activities: Iterable[Activity]) -> None:
        """Give a locked client the opening's generation, and publish opening and activities."""

    def waiting(self, limit: int) -> int:
        """How many rows of the outbox wait to be published, counted up to `limit`."""


class Store(CareStore, SourceStore, KeepsSecrets, Protocol):
    """Everything that ingestion reads and writes to accept facts, within one transaction."""

    @property
    def imports(self) -> Imports:
        """Files on their way into the ledger, in the same transaction."""

    @property
    def rebuilds(self) -> Rebuilds:
        """The clients whose facts are said anew, in the same transaction."""

    @property
    def parking(self) -> Parking:
        """The events that wait for their booking or payment, in the same transaction."""

    @property
    def freshness(self) -> Freshness:
        """When sources spoke, in the same transaction."""

    def hold_time(self) -> datetime | None:
        """Ingestion's time: the database's clock, or the simulated one, None before it is set. That
        cannot advance before the transaction ends, so nothing is accepted at a time that a
        watermark has already passed."""

    def real_time(self) -> datetime:
        """The database's clock, also where ingestion's time is simulated."""

    def lock_clock(self) -> datetime | None:
        """Wait until no transaction holds ingestion's time, let none hold it until this one ends;
        the simulated time, None before it is first set."""

    def save_clock(self, now: datetime) -> None:
        """Set the simulated time; the clock is locked."""

    def practices(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Practice]:
        """Those of these practices that are registered."""

    def lock_practice(self, practice_id: PracticeId) -> Practice | None:
        """The practice, or None; no other transaction can register or change it meanwhile."""

    def save_practice(self, practice: Practice) -> None:
        """Insert or change the practice. Its clients follow into another zone (`ports.zones`)."""

    def announce_practice(self, practice: Practice, now: datetime) -> None:
        """Put it into the outbox for `practices.v1`."""

    def adopt(self, facts: Sequence[SourceFact]) -> Collection[EventKey]:
        """Give those that a restore lost their clients and objects again; which those are."""

    def lock_objects(
        self, owners: Mapping[SourceObjectKey, IdentityKey | None]
    ) -> Mapping[SourceObjectKey, StoredObject]:
        """The objects of all these keys, locked, and all that they lead to (`packages.related`);
        missing ones are created with these owners.

        A standing is read under the lock: of two workers, one with a booking and one with its
        cancellation, each would otherwise miss the fact of the other. Objects are locked before
        clients, so that no two workers wait for each other.
        """

    def save_owners(self, owners: Mapping[SourceObjectKey, IdentityKey | None]) -> None:
        """Give locked objects their owners, or none. What is parked for one may be accepted now."""

    def forget_objects(self, keys: Collection[SourceObjectKey]) -> None:
        """Delete locked objects that no fact is about, neither an accepted one nor a parked one."""

    def lock_clients(
        self, keys: Collection[IdentityKey], now: datetime
    ) -> Mapping[IdentityKey, Client]:
        """The clients of all these keys, locked; missing ones are created as known since `now`."""

    def save_sequences(self, sequences: Mapping[tuple[PracticeId, ClientId], int]) -> None:
        """Set the `last_sequence` of clients that are locked."""

    def save_standings(self, standings: Mapping[SourceObjectKey, Standing]) -> None:
        """Set where objects that are locked stand."""

    def mark_registered(self, registration: Activity) -> None:
        """Store an activity `registered`; its sequence is also its client's last."""

    def hashes(self, keys: Collection[EventKey]) -> Mapping[EventKey, bytes]:
        """The content hashes of those of these events that are in the ledger."""

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        """Add entries to the ledger, in this order."""

    def publish(self, activities: Sequence[Activity]) -> None:
        """Put activities into the outbox for `client-activity.v1`, in this order."""

    def lock_queues(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Queue]:
        """The queues of those of these practices of which something waits, locked, also if that has
        to be waited for; before objects and clients, so that no two workers wait in a circle."""

    def try_lock_queue(self, practice_id: PracticeId) -> Queue | None:
        """The queue of this practice; None where nothing waits, or another transaction has it."""

    def open_queues(
        self, practice_ids: Collection[PracticeId], now: datetime
    ) -> Mapping[PracticeId, Queue]:
        """The queues of all these practices, locked; missing ones are opened and stand at `now`."""

    def count_queues(self) -> int:
        """How many practices wait, counted up to a thousand."""

    def next_queues(self, limit: int) -> list[PracticeId]:
        """Up to `limit` practices of which a record can be accepted now, that with the longest time
        since its last turn first. None while operators have paused this worker."""

    def unannounced_queues(self) -> list[PracticeId]:
        """The practices whose hold was not announced since the database was restored."""

    def announce_holds(self, holds: Sequence[Hold]) -> None:
        """Put each into the outbox for every partition of `client-activity.v1`."""

    def note_announced(self, practice_ids: Collection[PracticeId]) -> None:
        """Store that the holds of these queues are announced; the queues are locked."""

    def defer(self, records: Sequence[tuple[PracticeId, SourceRecord]], now: datetime) -> None:
        """Append records, sealed, to the locked queues of their practices, in this order."""

    def deferred(self, practice_id: PracticeId, limit: int) -> list[Deferred]:
        """Up to `limit` of the first records of a queue. Raises what the seal raises."""

    def save_turn(
        self, practice_id: PracticeId, *, last: int, taken: int, stands_at: datetime
    ) -> None:
        """Remove the `taken` records up to the place `last` from a locked queue of which more
        waits. The practice stands at `stands_at` now, and has had its turn."""

    def close_queue(self, practice_id: PracticeId) -> None:
        """Remove a locked queue with all its records."""

    def pass_turn(self, practice_id: PracticeId) -> None:
        """Store that a locked queue has had its turn, though nothing of it was accepted."""


class Stores(Protocol):
    """Gives stores: in a transaction of the caller, or in one of their own, which the end of the
    `with` block commits and any exception rolls back."""

    def within(self, tx: Any) -> Store:
        """A store in a transaction that the caller commits."""

    def transaction(self) -> AbstractContextManager[Any]:
        """A transaction for `within`, of a worker: it sees and writes every practice."""

    def open(self, practice_id: PracticeId) -> AbstractContextManager[Store]:
        """A store that sees and writes this practice only."""

    def open_for_operator(self) -> AbstractContextManager[Store]:
        """A store that sees and writes practices and the clock, but no clients and no ledger."""


class KnownClient(NamedTuple):
    """A client with all its identities, in their order; `is_registered` when it was registered by
    a call, and not only known from an event."""

    client_id: ClientId
    known_since: datetime
    is_registered: bool
    identities: Sequence[IdentityKey]


class SourceProgress(NamedTuple):
    """What one source has sent: how many events, the latest of both instants; how many are parked,
    and since when the oldest is."""

    source: str
    events: int
    last_occurred_at: datetime | None
    last_accepted_at: datetime | None
    parked: int = 0
    parked_since: datetime | None = None


class ClockReading(NamedTuple):
    """The simulated time, None before it is set, and the watermark that every partition has
    reached, None before there is one."""

    now: datetime | None
    published_through: datetime | None


class Reads(SourceReads, Protocol):
    """What the API shows. Each call is a transaction that sees what its caller may see."""

    def practices(
        self, practice_id: PracticeId | None, after: str | None, limit: int
    ) -> list[Practice]:
        """Practices with an id above `after`, by id: all, or only `practice_id`."""

    def list_clients(self, practice_id: PracticeId, after: str, limit: int) -> list[KnownClient]:
        """Up to `limit` clients of the practice with an id above `after`, by id."""

    def clients(
        self, practice_id: PracticeId, client_ids: Collection[ClientId]
    ) -> Mapping[ClientId, KnownClient]:
        """Those of these clients that the practice has."""

    def client_ids(
        self, practice_id: PracticeId, keys: Collection[IdentityKey]
    ) -> Mapping[IdentityKey, ClientId]:
        """The clients of those of these identities of the practice that are known."""

    def activities(
        self, practice_id: PracticeId, client_id: ClientId, after: int, limit: int
    ) -> list[Activity] | None:
        """Up to `limit` of the client's activities with a sequence above `after`, in its order, as
        they were published; None when the practice has no such client."""

    def sources(self, practice_id: PracticeId) -> list[SourceProgress]:
        """All sources of the practice, by name."""

    def package(self, practice_id: PracticeId, source: str, package_id: str) -> KnownPackage | None:
        """A package of the practice, by its source's id; None where no event names it."""

    def clock(self) -> ClockReading:
        """The simulated clock, and how far it has been published."""
