"""The port of what settles: where clients stand, and the windows in which their changes add up."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from outreach_service.domain.settling import Window
from outreach_service.domain.terms import Standing

Client = tuple[str, str]
"""Practice id and client id."""


class WindowKey(NamedTuple):
    """A window's row: a client has one for each length of time that plays settle for."""

    practice_id: str
    client_id: str
    settles_after: timedelta


class Settling(Protocol):
    """Clients' tiers, and their windows that are open.

    Whoever locks messages or clients in the same transaction locks windows first.
    """

    def lock_windows(
        self, clients: Collection[Client]
    ) -> Mapping[Client, Mapping[timedelta, Window]]:
        """The open windows of these clients, by length, locked in the order of their keys."""
        ...

    def save_windows(self, windows: Sequence[Window]) -> None:
        """Insert windows, or replace those of the same client and length."""
        ...

    def close_windows(self, keys: Sequence[WindowKey]) -> None:
        """Remove windows; one that is not there changes nothing."""
        ...

    def take_ended(self, most: int) -> list[Window]:
        """Remove up to `most` windows that have ended by what has been read, the first ones first,
        without those that another transaction holds, and return them."""
        ...

    def standings(self, clients: Collection[Client]) -> Mapping[Client, Standing]:
        """Where these clients stand; nothing for those whose tier is not known."""
        ...

    def save_standings(self, standings: Mapping[Client, Standing]) -> None:
        """Save where clients stand now."""
        ...
