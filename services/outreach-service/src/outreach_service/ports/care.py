"""What outreach keeps of the signals of other systems."""

from collections.abc import Collection, Mapping
from typing import Protocol

from outreach_service.domain.care import Flag, FlagKey
from outreach_service.domain.generations import Client, Span


class CareFlags(Protocol):
    """The flags of clients, whose locks are held."""

    def find(self, keys: Collection[FlagKey]) -> Mapping[FlagKey, Flag]:
        """Those of these flags that there are."""
        ...

    def of_client(self, practice_id: str, client_id: str) -> list[Flag]:
        """All flags of a client, in the order of their keys."""
        ...

    def save(self, flags: Collection[Flag]) -> None:
        """Write flags, each once."""
        ...

    def came(self, clients: Collection[Client]) -> Mapping[Client, tuple[Span, ...]]:
        """Which numbers of these clients' signals have come; none for who is not there. Only who
        reads the partition of a client's signals asks, so it needs no lock."""
        ...

    def save_came(self, came: Mapping[Client, tuple[Span, ...]]) -> None:
        """Write which numbers have come."""
        ...
