"""What the use cases need from outside of events that wait for the booking or payment that they are
about, within one transaction (ADR 45)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ingestion_service.domain.facts import (
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.parked import Waiting


class Met(NamedTuple):
    """Objects that have owners by now, and facts that are parked for them: not always all."""

    objects: Sequence[SourceObjectKey]
    facts: Sequence[SourceFact]


class Parking(Protocol):
    """The parked facts, and the objects that they wait for. Who changes what waits for an object
    has that object locked (`Store.lock_objects`), or has taken it by `met`."""

    def park(self, facts: Sequence[SourceFact], now: datetime) -> None:
        """Keep facts, sealed, until their objects have owners; one that is there already stays.
        Called last in a transaction: it counts what waits, in rows that others count in, too."""

    def hashes(self, keys: Collection[EventKey]) -> dict[EventKey, bytes]:
        """The content hashes of those of these events that are parked."""

    def waiting(self, keys: Collection[SourceObjectKey]) -> Waiting:
        """How many facts wait for these objects, and how many of their practices."""

    def next_met(self, after: PracticeId | None) -> PracticeId | None:
        """The practice behind `after`, in the ring of those of which a parked fact may be accepted;
        None without any."""

    def met(self, practice_id: PracticeId, limit: int, of_each: int) -> Met:
        """Up to `limit` parked facts of a practice whose objects have owners by now, of each object
        `of_each` at the most: those first whose client was met, then the oldest. The objects are
        taken: no other transaction gets what waits for them. Raises what the sealer raises."""

    def outlived(self, before: datetime, limit: int) -> list[SourceObjectKey]:
        """Up to `limit` objects without an owner of which a fact was parked before that instant,
        those with the oldest first. Nothing is locked."""

    def parked_before(
        self, keys: Collection[SourceObjectKey], before: datetime, limit: int
    ) -> list[SourceFact]:
        """Up to `limit` facts that were parked before that instant, for these locked objects.
        Raises what the sealer raises."""

    def await_clients(self, facts: Sequence[SourceFact]) -> None:
        """Note of parked facts that say whose they are that they wait for clients whom nobody knows
        yet."""

    def meet_clients(self, keys: Collection[IdentityKey]) -> None:
        """What is parked for these identities may be accepted now."""

    def unmeet(self, keys: Collection[SourceObjectKey]) -> None:
        """What is parked for these objects, which `met` has taken, cannot be accepted yet."""

    def remove(self, facts: Collection[SourceFact]) -> None:
        """Remove parked facts, which were accepted or set aside."""

    def settle(self, keys: Collection[SourceObjectKey]) -> set[SourceObjectKey]:
        """After a removal: those of these objects for which nothing waits any more."""
