"""What outreach keeps of the signals of other systems."""

from collections.abc import Collection, Mapping
from typing import Protocol

from outreach_service.domain.care import Flag, FlagKey


class CareFlags(Protocol):
    """The flags of clients, whose locks are held."""

    def find(self, keys: Collection[FlagKey]) -> Mapping[FlagKey, Flag]:
        """Those of these flags that there are."""
        ...

    def save(self, flags: Collection[Flag]) -> None:
        """Write flags, each once."""
        ...
