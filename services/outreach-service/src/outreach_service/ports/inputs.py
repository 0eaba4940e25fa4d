"""What the bus brings to outreach besides tier changes, as it is stored."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from outreach_service.domain.generations import Client, Generations
from outreach_service.ports.records import ActivitySeen, BookingDelta, Hold


class Inputs(Protocol):
    """What the bus brings, besides tier changes."""

    def save_practice(self, practice: Mapping[str, Any]) -> None:
        """Save a practice as it is now: `practice_id`, `name`, `zone`, `currency`; each None where
        it is not known, `region` and `discreet_name`; and when the sender said so (`said_at`). What
        was said before what is stored changes nothing."""

    def save_key(self, key: Mapping[str, Any]) -> None:
        """Write an API key as ingestion says it is, by the columns of `shared_keys.shared_key`. A
        key only ever ends: of two records the earlier end counts, whichever comes last."""

    def record_activity(self, seen: Collection[ActivitySeen]) -> None:
        """Move each client's newest activity forward; one of another generation than the client's
        changes nothing."""

    def record_bookings(self, deltas: Collection[BookingDelta]) -> None:
        """Save each difference once, by client and activity; one of another generation than the
        client's changes nothing."""

    def generations(self, clients: Collection[Client]) -> Mapping[Client, Generations]:
        """Those of the clients that have a later generation than the first, current or beside."""

    def save_generations(self, changed: Mapping[Client, Generations]) -> None:
        """Write the generations beside. One that has taken over replaces the client's bookings and
        newest activity. What is beside counts as read since it was first written, also when a later
        one takes its place."""

    def save_hold(self, hold: Hold) -> None:
        """Begin a hold, or move it on to a later instant; an earlier one leaves it where it is."""

    def end_hold(self, hold: Hold) -> None:
        """End a hold; one that is not known changes nothing."""

    def end_other_holds(self, incarnations: Mapping[int, str]) -> None:
        """In each partition end the holds that another incarnation of the sender's has told."""

    def playbooks(self, practice_ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """The playbook documents of those practices that have one of their own."""
