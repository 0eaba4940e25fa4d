"""What the use cases and the API need from outside, as protocols; adapters are in `store/`.

The unit of work is a `Store`: all that is read and written in one transaction. `Stores` opens it,
either within the transaction of the batch loop or in one of its own. A use case gets a store,
loads what it needs, asks the domain and writes; the store only reads and writes.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from scoring_service.domain.assess import Assessment, NextTransition
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.next_generation import NextGeneration
from scoring_service.domain.practice_days import HeldPractice
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change

GROUP = "scoring-service"
"""The consumer group whose positions carry scoring's business time."""


class ClientKey(NamedTuple):
    """A client of a practice."""

    practice_id: str
    client_id: str


class PracticePlace(NamedTuple):
    """A practice in one partition."""

    partition: int
    practice_id: str


class Hold(NamedTuple):
    """A hold as one partition's log tells it, which begins, moves on or ends at `since`. `reached`
    is the partition's business time where the log tells it, `source` the source that it is for."""

    practice_id: str
    partition: int
    hold_id: str
    reason: str
    incarnation: str | None
    since: datetime
    source: str | None = None
    reached: datetime | None = None


class HeldBy(NamedTuple):
    """Why a practice is held at present: for which reason, for which source, and since when."""

    reason: str
    source: str | None
    since: datetime


class TierTransition(NamedTuple):
    """One change of tier of one client, and the next transition as it stood at that moment."""

    state: ClientState
    change: Change
    next_transition: NextTransition | None


class Clients(Protocol):
    """The clients of all practices, within one transaction."""

    def load(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, ClientState]:
        """The clients that exist, locked in the order of their keys, so that two transactions
        never wait for each other in a circle. Keys without a client are left out."""
        ...

    def due(self, until: Mapping[int, datetime], limit: int) -> Sequence[ClientState]:
        """Up to `limit` clients whose review is due, locked: those of each partition in `until`
        with a `review_at` up to the partition's instant, the earliest of a partition first. Who is
        held is due once its practice stands at its `review_at`, or is held no more."""
        ...

    def save(self, states: Collection[ClientState]) -> None:
        """Write new and changed clients. Practice, client id and partition of a client that exists
        stay as they are, and so does its zone, once it has one, until a generation above its own
        takes over."""
        ...

    def load_next(self, keys: Collection[ClientKey]) -> Mapping[ClientKey, NextGeneration]:
        """The generations that are folded beside those of these clients; the clients are locked.
        Keys without one are left out."""
        ...

    def save_next(self, changed: Mapping[ClientKey, NextGeneration | None]) -> None:
        """Write generations that are folded beside those of their clients, or remove them (None).
        One that is first written now counts as folded since now."""
        ...

    def record(self, transitions: Sequence[TierTransition]) -> None:
        """Append the changes to the history and their events to the outbox, in this order."""
        ...


class Holds(Protocol):
    """The holds of practices, partition by partition, within one transaction.

    Each partition's log tells them, so that a partition may be ahead of another. Nothing here is of
    the size of a practice's clients: these follow page by page, as the sweep finds them due.
    """

    def find(self, places: Collection[PracticePlace]) -> Mapping[PracticePlace, HeldPractice]:
        """Those of the practices that are held."""
        ...

    def save(self, hold: Hold) -> None:
        """Begin a hold, or move it on to a later instant; an earlier one leaves it where it is."""
        ...

    def end(self, hold: Hold) -> None:
        """End a hold; one that is not open stays as it is."""
        ...

    def end_others(self, incarnations: Mapping[int, str]) -> None:
        """In each partition end the holds that another incarnation of the sender's has told."""
        ...

    def settle(self, until: Mapping[int, datetime]) -> None:
        """Take note that the clients of these partitions stand where the holds say, and those
        whose holds have ended at the partition's instant."""
        ...


class Store(Protocol):
    """What scoring stores, within one transaction."""

    @property
    def clients(self) -> Clients:
        """The clients, in the same transaction."""
        ...

    @property
    def holds(self) -> Holds:
        """The holds of practices, in the same transaction."""
        ...

    def save_practice(self, practice: Mapping[str, Any]) -> None:
        """Write a practice as it is now: `practice_id`, `name`, `zone`, `currency`, and when the
        sender said so (`said_at`). What was said before what is stored changes nothing."""
        ...

    def save_key(self, key: Mapping[str, Any]) -> None:
        """Write an API key as ingestion says it is, by the columns of `shared_keys.shared_key`. A
        key only ever ends: of two records the earlier end counts, whichever comes last."""
        ...

    def zones_of(self, partition: int) -> set[str]:
        """The zones of all clients of a partition that have one, or had one when they were saved:
        the zones whose midnights end its batches."""
        ...

    def await_first_assessment(self, partition: int, watermark: datetime) -> None:
        """At a partition's first watermark, make its clients that have a zone, no assessment and no
        review due at that instant; the sweep will then assess them. However many clients wait, it
        takes one write."""
        ...

    def lock_unswept(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """The instant up to which to sweep each partition whose watermark is ahead of its sweep.

        Their positions are locked: until the transaction ends no batch of theirs can commit.
        Partitions whose position another worker holds are left out.
        """
        ...

    def mark_swept(self, until: Mapping[int, datetime]) -> None:
        """Write up to when time has been let pass for all clients of each partition. An earlier
        instant than the stored one changes nothing."""
        ...


class Stores(Protocol):
    """Opens stores: the unit of work."""

    def within(self, tx: Any) -> Store:
        """The store in the transaction `tx` of the batch loop, which commits or rolls it back."""
        ...

    def open(self) -> AbstractContextManager[Store]:
        """A store in a transaction of its own: committed at the end of the block, rolled back by
        an exception."""
        ...


class StoredTier(NamedTuple):
    """A client as stored, for the API to assess.

    `zone` is empty before the first fact. `digest` is as `Digest.to_bytes` makes it. `assessed_on`
    is the local day of the last assessment, `tier` and `score` (hundredths of a point) what it came
    to, and `since` when the last change took effect, all None before the first. `as_of` is the
    instant up to which the client's partition is swept, or where the client's practice stands, if
    that is held. The three sequences say since when the digest is incomplete, None where it is not:
    the first activity that has not arrived, and those of `ClientState`. `is_rebuilding` says that
    the client's facts are said anew, as a generation that is not complete; when that is so for an
    hour, `first_overdue_sequence` is its first fact that has not come. The last three say by which
    holds the practice is held, `is_kept` that the client keeps a tier (`domain/keeping.py`).
    """

    client_id: str
    zone: str
    digest: bytes
    assessed_on: date | None
    tier: str | None
    score: int | None
    version: int
    since: datetime | None
    as_of: datetime | None
    first_missing_sequence: int | None
    first_skipped_sequence: int | None
    first_repeated_sequence: int | None
    is_rebuilding: bool = False
    first_overdue_sequence: int | None = None
    is_kept: bool = False
    held_reasons: Sequence[str] | None = None
    held_sources: Sequence[str | None] | None = None
    held_since: Sequence[datetime] | None = None


class ClientTier(NamedTuple):
    """A client's tier as of `as_of`, by which rulebook; no assessment before the first watermark
    has come."""

    client_id: str
    zone: str
    version: int
    since: datetime | None
    as_of: datetime | None
    first_missing_sequence: int | None
    first_skipped_sequence: int | None
    first_repeated_sequence: int | None
    is_rebuilding: bool
    first_overdue_sequence: int | None
    assessment: Assessment | None
    rulebook: Rulebook
    held: Sequence[HeldBy] = ()


class ChangeRow(NamedTuple):
    """One line of a client's history in one scheme; `score` is in hundredths of a point."""

    scheme: str
    version: int
    rulebook_version: int
    is_primary: bool
    from_tier: str | None
    to_tier: str
    direction: str
    reason: str
    origin: str
    effective_at: datetime
    due_on: date | None
    happened_at: datetime | None
    activity_id: str | None
    score: int | None


class Tiers(Protocol):
    """What the API reads about clients; each answer is about one practice."""

    def of_clients(self, practice_id: str, client_ids: Collection[str]) -> list[StoredTier]:
        """Those of the clients that exist, in no order."""
        ...

    async def of_practices(
        self, client_ids_by_practice: Mapping[str, Collection[str]]
    ) -> Mapping[str, list[StoredTier]]:
        """The same for clients of several practices, on the event loop; one call at a time."""
        ...

    def in_tier(self, practice_id: str, tier: str, after: str, limit: int) -> Sequence[StoredTier]:
        """Up to `limit` clients in a tier, by client id, with ids above `after`."""
        ...

    def history(
        self, practice_id: str, client_id: str, scheme: str, after: int, limit: int
    ) -> Sequence[ChangeRow] | None:
        """Up to `limit` changes of a client in one scheme with versions above `after`; None when
        there is no such client."""
        ...

    def counts(self, practice_id: str) -> tuple[datetime | None, Mapping[str, int]]:
        """The instant up to which all partitions are swept, or where the practice stands if it is
        held, None before all are; and how many clients are in each tier that has any."""
        ...


FeedPositions = tuple[int, ...]
"""How far a reader of the feed has come: the last position that it has seen of each partition."""


class FeedEntry(NamedTuple):
    """One published tier change: its place, and its bytes as they are on the bus. A tombstone has
    no event: its change was erased, its place is kept."""

    partition: int
    position: int
    event: bytes | None


class FeedPage(NamedTuple):
    """The next entries; `as_of` is the business time up to which there are no others, None when
    there may be: on a full page, or before the first watermark was published. While a practice is
    held it is no later than when that began."""

    entries: Sequence[FeedEntry]
    as_of: datetime | None


class EntriesGone(Exception):
    """The entries that follow a reader's positions are removed; `left` are the positions from
    which the reader gets every entry that is left."""

    def __init__(self, left: FeedPositions) -> None:
        super().__init__("the next entries of the feed are removed")
        self.left = left


class Feed(Protocol):
    """The published tier changes of a practice; positions are gapless in each partition, from the
    first that is left.

    All changes of a client are in one partition, those of a scheme in the order of their versions.
    Nothing is ever published before a position that a reader has seen.
    """

    @property
    def partitions(self) -> int:
        """The number of partitions."""
        ...

    def incarnation(self) -> str:
        """The incarnation of the database; positions of another one mean something else here."""
        ...

    def start(self, practice_id: str) -> FeedPositions:
        """The positions before the first entry that is left of each partition; 0 where there is
        none."""
        ...

    def head(self, practice_id: str) -> FeedPositions:
        """The position of the last entry of each partition; 0 where there is none."""
        ...

    def read(self, practice_id: str, after: FeedPositions, limit: int) -> FeedPage:
        """Up to `limit` entries after those positions, tombstones among them: those of a partition
        in its order, and the next of every partition before the second of any.

        Raises `EntriesGone` when the entry right after one of the positions is removed.
        """
        ...
