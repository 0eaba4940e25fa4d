"""What the use cases need from the outside, each inside one transaction that the caller owns."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import (
    ClientId,
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.practices import Practice


class Client(NamedTuple):
    """A client under the transaction's lock: `last_sequence` is 0 before the first activity."""

    client_id: ClientId
    generation: int
    last_sequence: int
    is_registered: bool
    is_new: bool


class LedgerEntry(NamedTuple):
    """One accepted fact as the ledger keeps it. `first_sequence` is the sequence of the first of
    its `activities` (a count, which is 0 for a fact that changed nothing)."""

    fact: SourceFact
    content_hash: bytes
    client_id: ClientId
    accepted_at: datetime
    first_sequence: int
    activities: int


class Practices(Protocol):
    """The practices and their announcement."""

    def practices(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Practice]: ...

    def lock_practice(self, practice_id: PracticeId) -> Practice | None:
        """The practice if there is one; nobody else can make or change it meanwhile."""

    def save_practice(self, practice: Practice) -> None:
        """Insert it or change its name; later calls of `practices` show it."""

    def announce_practice(self, practice: Practice, now: datetime) -> None:
        """Queue it for `practices.v1`, to be sent once the transaction has committed."""


class Clients(Protocol):
    """Who is who, and where each client's sequence stands."""

    def lock_clients(
        self, keys: Collection[IdentityKey], now: datetime
    ) -> Mapping[IdentityKey, Client]:
        """The clients of all these keys, made where they are missing, and locked.

        Must come before any reading of the ledger: two workers that hold a booking and its
        cancellation would otherwise each miss the other's (ARCHITECTURE §3).
        """

    def save_sequences(self, sequences: Mapping[tuple[PracticeId, ClientId], int]) -> None:
        """Move the clients' `last_sequence`; they are locked."""

    def mark_registered(
        self, practice_id: PracticeId, client_id: ClientId, sequence: int, now: datetime
    ) -> None:
        """Remember that this client has been announced, with which sequence and when."""

    def publish(self, activities: Sequence[Activity]) -> None:
        """Queue them for `client-activity.v1`, to be sent once the transaction has committed."""


class Intake(Practices, Clients, Protocol):
    """The ledger of accepted facts, beside practices and clients."""

    def hashes(self, keys: Collection[EventKey]) -> Mapping[EventKey, bytes]:
        """The content hash of each of these events that was accepted before."""

    def histories(
        self, keys: Collection[SourceObjectKey]
    ) -> Mapping[SourceObjectKey, list[SourceFact]]:
        """The accepted facts of each source object, in the order of acceptance; often none."""

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        """Add them to the ledger, in this order."""


class Clock(Protocol):
    """Simulated time, where it is switched on (ARCHITECTURE §4)."""

    def lock_clock(self) -> datetime | None:
        """Wait until no intake is under way, keep new intake out until the transaction ends, and
        give the time reached, None before the first setting."""

    def save_clock(self, now: datetime) -> None:
        """Move it."""


class Session(NamedTuple):
    """One transaction of intake, and ingestion's time in it."""

    intake: Intake
    now: datetime


class Sessions(Protocol):
    """Where transactions come from: committed at the end of the `with`, undone by any exception."""

    def intake(self, practice_id: PracticeId) -> AbstractContextManager[Session]:
        """For what one practice sends. Raises `NotYet` before a simulated clock is first set."""

    def practices(self) -> AbstractContextManager[Session]:
        """For an operator, who registers practices, also before there is any simulated time."""

    def clock(self) -> AbstractContextManager[Clock]:
        """For an operator, who advances the simulated time."""


class KnownClient(NamedTuple):
    """A client as its source names it."""

    client_id: ClientId
    source: str
    external_id: str


class SourceProgress(NamedTuple):
    """What one source has sent. Both instants are the latest of their kind."""

    source: str
    events: int
    last_occurred_at: datetime
    last_accepted_at: datetime


class ClockReading(NamedTuple):
    """The simulated time, None before it is set, and the least watermark that was published."""

    now: datetime | None
    published_through: datetime | None


class Reads(Protocol):
    """What the API shows. Each call is one transaction that sees what its caller may see."""

    def practices(
        self, practice_id: PracticeId | None, after: str | None, limit: int
    ) -> list[Practice]:
        """Practices by id, after `after`; only `practice_id` itself unless that is None."""

    def client(self, key: IdentityKey) -> KnownClient | None: ...

    def activities(
        self, practice_id: PracticeId, client_id: ClientId, after: int, limit: int
    ) -> list[Activity] | None:
        """At most `limit` activities with a sequence above `after`, recomputed from the ledger;
        None when the practice has no such client."""

    def sources(self, practice_id: PracticeId) -> list[SourceProgress]: ...

    def clock(self) -> ClockReading: ...
