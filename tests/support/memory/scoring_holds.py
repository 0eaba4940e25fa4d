"""Scoring's holds of practices in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.practice_days import HeldPractice
from scoring_service.ports import Hold, PracticePlace


@dataclass
class HoldRow:
    """A hold of a practice in a partition, until a sweep has seen its end."""

    began_at: datetime
    stands_at: datetime
    swept_through: datetime
    incarnation: str | None
    is_open: bool = True


HoldRows = dict[tuple[PracticePlace, str], HoldRow]
"""Holds by practice, partition and id."""


class MemoryHolds:
    """`Holds` over these rows, with the first watermarks of partitions."""

    def __init__(self, rows: HoldRows, first_watermarks: Mapping[int, datetime]) -> None:
        self._rows = rows
        self._first_watermarks = first_watermarks

    def find(self, places: Collection[PracticePlace]) -> Mapping[PracticePlace, HeldPractice]:
        """See `Holds.find`."""
        found = {}
        for place in places:
            stands = [row.stands_at for row in self._of(place) if row.is_open]
            if stands:
                first = self._first_watermarks.get(place.partition, min(stands))
                found[place] = HeldPractice(min(stands), first <= min(stands))
        return found

    def save(self, hold: Hold) -> None:
        """See `Holds.save`."""
        key = (PracticePlace(hold.partition, hold.practice_id), hold.hold_id)
        new = HoldRow(hold.since, hold.since, hold.since, hold.incarnation)
        row = self._rows.setdefault(key, new)
        row.stands_at = max(row.stands_at, hold.since)
        row.incarnation, row.is_open = hold.incarnation, True

    def end(self, hold: Hold) -> None:
        """See `Holds.end`."""
        key = (PracticePlace(hold.partition, hold.practice_id), hold.hold_id)
        if key in self._rows:
            self._rows[key].is_open = False

    def end_others(self, incarnations: Mapping[int, str]) -> None:
        """See `Holds.end_others`."""
        for (place, _), row in self._rows.items():
            if row.incarnation not in {None, incarnations.get(place.partition, row.incarnation)}:
                row.is_open = False

    def settle(self, until: Mapping[int, datetime]) -> None:
        """See `Holds.settle`; what came of a hold counts as published at once."""
        for key, row in list(self._rows.items()):
            if key[0].partition in until and row.is_open:
                row.swept_through = row.stands_at
            elif key[0].partition in until:
                del self._rows[key]

    def has_moved_on_from(self, client: ClientState) -> bool:
        """Whether a client who is set aside is due, since its practice stands elsewhere now."""
        place = PracticePlace(client.partition, client.practice_id)
        held = self.find([place]).get(place)
        if client.held_at is None or client.review_at is None:
            return False
        return held is None or client.review_at <= held.stands_at

    def swept_through(self, practice_id: str, partition: int | None = None) -> list[datetime]:
        """Where the practice stood when it was swept last, by each of its holds."""
        return [
            row.swept_through
            for (place, _), row in self._rows.items()
            if place.practice_id == practice_id and partition in {None, place.partition}
        ]

    def _of(self, place: PracticePlace) -> list[HoldRow]:
        return [row for (where, _), row in self._rows.items() if where == place]
