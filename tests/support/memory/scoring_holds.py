"""Scoring's holds of practices in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.keeping import is_kept
from scoring_service.domain.practice_days import HeldPractice, KeptTiers
from scoring_service.ports import Hold, PracticePlace


@dataclass
class HoldRow:
    """A hold of a practice in a partition, until a sweep has seen its end."""

    began_at: datetime
    stands_at: datetime
    swept_through: datetime
    incarnation: str | None
    is_open: bool = True
    reason: str = "deferred"
    source: str | None = None
    ended_at: datetime | None = None

    @property
    def keeps_tiers(self) -> bool:
        """Whether time goes on meanwhile, and lowers no tier."""
        return self.reason == "silent"

    def ends_after(self, instant: datetime) -> bool:
        """Whether tiers are kept beyond this instant, though the end is known."""
        return self.ended_at is not None and self.ended_at > instant


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
            rows = self._of(place)
            stands = [row.stands_at for row in rows if row.is_open and not row.keeps_tiers]
            keeps = [row.stands_at for row in rows if row.is_open and row.keeps_tiers]
            ended = [(row.stands_at, row.ended_at) for row in rows if row.ended_at is not None]
            if stands or keeps or ended:
                stands_at = min(stands, default=None)
                first = self._first_watermarks.get(place.partition)
                is_assessed = first is None or stands_at is None or first <= stands_at
                was_kept = None
                if ended:
                    since, until = min(one for one, _ in ended), max(end for _, end in ended)
                    was_kept = KeptTiers(since, until)
                kept_since = min(keeps, default=None)
                found[place] = HeldPractice(stands_at, is_assessed, kept_since, was_kept)
        return found

    def save(self, hold: Hold) -> None:
        """See `Holds.save`."""
        key = (PracticePlace(hold.partition, hold.practice_id), hold.hold_id)
        new = HoldRow(hold.since, hold.since, hold.since, hold.incarnation)
        new.reason, new.source = hold.reason, hold.source
        if new.keeps_tiers and hold.reached is not None and hold.since <= hold.reached:
            new.stands_at = new.swept_through = hold.reached + timedelta(microseconds=1)
        row = self._rows.setdefault(key, new)
        if not row.keeps_tiers:
            row.stands_at = max(row.stands_at, hold.since)
        row.incarnation, row.is_open, row.ended_at = hold.incarnation, True, None

    def end(self, hold: Hold) -> None:
        """See `Holds.end`."""
        key = (PracticePlace(hold.partition, hold.practice_id), hold.hold_id)
        row = self._rows.get(key)
        if row is None or not row.is_open:
            return
        row.is_open = False
        if not row.keeps_tiers:
            return
        others = [one for one in self._of(key[0]) if one.is_open and one.keeps_tiers]
        for one in others:
            one.stands_at = min(one.stands_at, row.stands_at)
        row.ended_at = None if others else hold.since

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
            elif key[0].partition in until and not row.ends_after(until[key[0].partition]):
                del self._rows[key]

    def has_moved_on_from(self, client: ClientState) -> bool:
        """Whether a client who is set aside is due, since its practice stands elsewhere now."""
        place = PracticePlace(client.partition, client.practice_id)
        held = self.find([place]).get(place)
        if client.held_at is None or client.review_at is None:
            return False
        if held is None or (held.kept_since is not None and is_kept(client)):
            return held is None
        return held.stands_at is None or client.review_at <= held.stands_at

    def swept_through(self, practice_id: str, partition: int | None = None) -> list[datetime]:
        """Where the practice stood when it was swept last, by each of its holds."""
        return [
            row.swept_through
            for (place, _), row in self._rows.items()
            if place.practice_id == practice_id and partition in {None, place.partition}
            if not row.keeps_tiers
        ]

    def open_of(self, place: PracticePlace) -> list[HoldRow]:
        """The open holds of a practice, the first that began first."""
        return sorted((row for row in self._of(place) if row.is_open), key=lambda row: row.began_at)

    def _of(self, place: PracticePlace) -> list[HoldRow]:
        return [row for (where, _), row in self._rows.items() if where == place]
