"""What a practice's change of zone needs of a store (ADR 54)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from ingestion_service.domain.derivation import Derived, PastFact
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId, SourceObjectKey
from ingestion_service.domain.object_batch import Known
from ingestion_service.ports import Client, ClientKey, Store


class Locked(NamedTuple):
    """A client with its identities, locked with all bookings, payments and parts of them that are
    its own or count for it: `known` says where they stand. `registered` is the sequence of its
    registration, None without one, `registered_at` its time."""

    client: Client
    identities: Collection[IdentityKey]
    known: Mapping[SourceObjectKey, Known]
    registered: int | None
    registered_at: datetime | None


class Turned(NamedTuple):
    """How a client stands after its facts were derived in another zone: so many, of which one is
    the registration, if it has one, on a day of that zone."""

    zone: str
    facts: int
    registered: int | None
    registered_on: date | None


class Change(NamedTuple):
    """A practice that has changed its zone, and whose clients are not all turned: the last time it
    did, and the last client that was looked at, None before the first."""

    practice_id: PracticeId
    changed_at: datetime
    done: ClientId | None


class Zones(Protocol):
    """The clients of practices that have changed their zone, within one transaction."""

    def changes(self, limit: int) -> list[PracticeId]:
        """Up to `limit` practices whose clients are not all turned, the earliest change first."""

    def try_lock(self, practice_id: PracticeId) -> Change | None:
        """How far a practice's change has come, locked; None where there is none, or another worker
        has it."""

    def next_client(self, change: Change) -> ClientKey | None:
        """The next client whose facts are in another zone than the practice's, in the order of
        ids; None when there is none behind the last one."""

    def move(self, practice_id: PracticeId, done: ClientId | None) -> None:
        """Note the client that was looked at last; None: begin again."""

    def end(self, practice_id: PracticeId) -> None:
        """All clients of the practice are turned; the change is locked."""

    def lock(self, key: ClientKey) -> Locked | None:
        """A client with all that its facts are about, locked; None when there is none."""

    def history(self, key: ClientKey) -> Iterator[Sequence[PastFact]]:
        """All facts of a client in the order of acceptance, page by page; the client is locked.
        One of a payment that neither is the client's nor counts for it any more is about an object
        that nobody knows. Raises `Conflict` for one whose booking is not among the client's."""

    def keep(self, key: ClientKey, derived: Sequence[Derived]) -> None:
        """Keep what facts cause in the new zone, in place of what was told of them before."""

    def turn(self, key: ClientKey, turned: Turned) -> None:
        """Let all facts up to now be told as they were kept, and the client stand there."""


class TurningStore(Store, Protocol):
    """A store that can turn clients."""

    @property
    def zones(self) -> Zones:
        """The clients of practices that have changed their zone, in the same transaction."""


class TurningStores(Protocol):
    """Gives such stores in transactions of a worker."""

    def within(self, tx: Any) -> TurningStore:
        """A store in a transaction that the caller commits."""

    def transaction(self) -> AbstractContextManager[Any]:
        """A transaction for `within`."""
