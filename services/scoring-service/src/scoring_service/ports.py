"""What the use cases need from outside: clients by key, and a place for what became of them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from scoring_service.domain.assess import Assessment, NextTransition
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change, ClientState

GROUP = "scoring-service"
"""The consumer group whose positions carry scoring's time."""


class ClientKey(NamedTuple):
    """A client of a practice."""

    practice_id: str
    client_id: str


class TierTransition(NamedTuple):
    """One change of one client, with what was to come next at that moment."""

    state: ClientState
    change: Change
    next_transition: NextTransition | None


class Clients(Protocol):
    """The clients of one database, within one transaction."""

    def load(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, ClientState]:
        """Those that exist, locked in the order of their keys."""
        ...

    def due(self, until: Mapping[int, datetime], limit: int) -> Sequence[ClientState]:
        """Clients about whom something must be said by their partition's instant, locked."""
        ...

    def save(self, states: Collection[ClientState]) -> None:
        """Write what is new or changed."""
        ...

    def record(self, transitions: Sequence[TierTransition]) -> None:
        """Append to the history and to the outbox, in this order."""
        ...


class Store(Protocol):
    """What scoring keeps, within one transaction."""

    @property
    def clients(self) -> Clients:
        """The clients."""
        ...

    def save_practice(self, practice: Mapping[str, str]) -> None:
        """Remember a practice as it is now."""
        ...

    def zones_of(self, partition: int) -> set[str]:
        """The zones of the clients of a partition: whose midnights cut its batches."""
        ...

    def await_first_assessment(self, partition: int, watermark: datetime) -> None:
        """At a partition's first watermark, make due at that instant all that was folded before."""
        ...

    def lock_unswept(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """Of these partitions those whose watermark has passed on while their sweep has not, with
        the instant up to which to sweep, their positions locked; without those whose row another
        worker has. While a row is held no batch of its partition can commit."""
        ...

    def mark_swept(self, until: Mapping[int, datetime]) -> None:
        """Say up to when time has been let pass for all clients of each partition."""
        ...


class Stores(Protocol):
    """Where a store comes from: the loop's transaction, or one of its own."""

    def within(self, tx: Any) -> Store:
        """The store in a transaction that somebody else commits."""
        ...

    def open(self) -> AbstractContextManager[Store]:
        """A store whose transaction ends with the block."""
        ...


class ClientTier(NamedTuple):
    """A client's tier as of `as_of`; no assessment before the first watermark has come."""

    client_id: str
    zone: str
    version: int
    since: datetime | None
    as_of: datetime | None
    missing: int
    assessment: Assessment | None


class ChangeRow(NamedTuple):
    """One line of a client's history."""

    version: int
    rulebook: str
    rulebook_version: int
    from_tier: str | None
    to_tier: str
    direction: str
    reason: str
    origin: str
    effective_at: datetime
    happened_at: datetime | None
    activity_id: str | None
    score: int


class TierCount(NamedTuple):
    """How many clients of a practice are in a tier."""

    tier: str
    names: Mapping[str, str]
    clients: int


class Tiers(Protocol):
    """What the API reads; everything is of one practice."""

    @property
    def rulebook(self) -> Rulebook:
        """The rulebook in force."""
        ...

    def of_clients(self, practice_id: str, client_ids: Collection[str]) -> list[ClientTier]:
        """The tiers of those clients that exist, in no order."""
        ...

    async def of_practices(
        self, client_ids_by_practice: Mapping[str, Collection[str]]
    ) -> Mapping[str, list[ClientTier]]:
        """The same for clients of several practices, on the event loop; one call at a time."""
        ...

    def in_tier(self, practice_id: str, tier: str, after: str, limit: int) -> Sequence[ClientTier]:
        """Clients in a tier by client id, behind `after`."""
        ...

    def history(
        self, practice_id: str, client_id: str, after: int, limit: int
    ) -> Sequence[ChangeRow] | None:
        """A client's changes behind version `after`; None when there is no such client."""
        ...

    def distribution(self, practice_id: str) -> tuple[datetime | None, list[TierCount]]:
        """As of when, and how many clients each tier of the rulebook has."""
        ...


FeedPositions = tuple[int, ...]
"""How far a reader of the feed has come: the last position that it has seen of each partition."""


class FeedEntry(NamedTuple):
    """One published tier change: where it is, and its bytes as they are on the bus."""

    partition: int
    position: int
    event: bytes


class FeedPage(NamedTuple):
    """The next changes; `as_of` is the business time up to which there are no others, None when
    there may be: on a full page, or before the first watermark was published."""

    entries: Sequence[FeedEntry]
    as_of: datetime | None


class Feed(Protocol):
    """The published tier changes of a practice; positions are gapless in each partition, from 1.

    A client's changes are all in one partition, in the order of their versions. What is seen of a
    partition is its beginning: nothing is ever published before what was seen.
    """

    @property
    def partitions(self) -> int:
        """How many there are."""
        ...

    def head(self, practice_id: str) -> FeedPositions:
        """The position of the last change of each partition; 0 where there is none."""
        ...

    def read(self, practice_id: str, after: FeedPositions, limit: int) -> FeedPage:
        """Up to `limit` changes after those; of each partition in its order."""
        ...
