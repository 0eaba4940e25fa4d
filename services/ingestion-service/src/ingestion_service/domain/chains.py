"""Which bookings are one, because each takes the place of another, and how many (ADR 45)."""

from collections.abc import Mapping
from typing import Final

from ingestion_service.domain.facts import SourceObjectKey
from ingestion_service.domain.standings import Standing

LONGEST: Final = 100
"""How many bookings a chain may have. All between an id and the first are read and locked, so a
chain without end would hold up the other practices of its batch."""


class Chains:
    """The chains of the bookings of a batch, as its facts join them."""

    def __init__(self, standings: Mapping[SourceObjectKey, Standing]) -> None:
        """`standings` are those of all bookings that may be joined, and of all they are part of."""
        self._wholes = {
            key: key._replace(external_id=standing.part_of)
            for key, standing in standings.items()
            if standing.part_of is not None
        }
        self._sizes = {key: 1 + standing.joined for key, standing in standings.items()}

    def is_too_long(self, key: SourceObjectKey, replaced: SourceObjectKey) -> bool:
        """Whether the chain that these two bookings make together has more than `LONGEST`."""
        first, other = self._first(replaced), self._first(key)
        return first != other and self._sizes[first] + self._sizes[other] > LONGEST

    def join(self, key: SourceObjectKey, replaced: SourceObjectKey) -> None:
        """The booking `key` takes the place of `replaced`."""
        first, other = self._first(replaced), self._first(key)
        if first != other:
            self._wholes[other] = first
            self._sizes[first] += self._sizes[other]

    def _first(self, key: SourceObjectKey) -> SourceObjectKey:
        while key in self._wholes:
            key = self._wholes[key]
        return key
