"""On which day a client is: that of its partition's business time, or of where its practice stands.

A held practice stands still while watermarks go on (ADR 35). What comes of it then was accepted
by the instant at which it stands, and is assessed on that day: its history is the same as if none
of its records had waited.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.keeping import is_kept
from scoring_service.domain.periods import is_zone, local_day


class KeptTiers(NamedTuple):
    """From when until when no midnight lowered a practice's tiers."""

    since: datetime
    until: datetime


class HeldPractice(NamedTuple):
    """Where a practice stands, the earliest instant of its open holds, None where its time goes on.
    `is_assessed`: the partition's first watermark had come by then; before it nothing is assessed.
    No midnight from `kept_since` on lowers a tier of it, if that is not None; `was_kept` says that
    of a time that is over, while clients may still have to follow (ADR 53)."""

    stands_at: datetime | None
    is_assessed: bool = True
    kept_since: datetime | None = None
    was_kept: KeptTiers | None = None


class PracticeDays:
    """The local day of each client of a partition: that of the partition's business time, or of
    where its practice stands, which is never later."""

    def __init__(self, business_time: datetime | None, held: Mapping[str, HeldPractice]) -> None:
        self.business_time = business_time
        self._held = held
        self._of_partition = _LocalDays(business_time)
        self._of_practice = {
            practice_id: _LocalDays(_practice_time(practice, business_time))
            for practice_id, practice in held.items()
        }

    def of(self, state: ClientState) -> date | None:
        """The client's day, never before the one on which it was assessed last."""
        day = self._of_practice.get(state.practice_id, self._of_partition)[state.zone]
        if day is None or state.assessed_on is None:
            return day or state.assessed_on
        return max(day, state.assessed_on)

    def kept_since(self, state: ClientState) -> datetime | None:
        """From when on no midnight lowers the client's tier; None where time may."""
        held = self._held.get(state.practice_id)
        return held.kept_since if held else None

    def was_kept(self, state: ClientState) -> KeptTiers | None:
        """When no midnight lowered the client's tier, if that is over since not long ago."""
        held = self._held.get(state.practice_id)
        return held.was_kept if held else None

    def set_aside(self, state: ClientState) -> None:
        """Mark a client whom the sweep has brought to its day as held, if it is due all the same;
        one whose practice is held no more comes back. Who keeps a tier is marked already."""
        if is_kept(state):
            return
        held = self._held.get(state.practice_id)
        is_due = state.review_at is not None and (
            self.business_time is not None and state.review_at <= self.business_time
        )
        state.held_at = held.stands_at if held and is_due else None


def _practice_time(held: HeldPractice, business_time: datetime | None) -> datetime | None:
    if business_time is None or not held.is_assessed:
        return None
    return min(held.stands_at or business_time, business_time)


class _LocalDays(dict[str, date | None]):
    """The local day of one instant by zone, each computed once; None without an instant, and in no
    zone or one that this version does not know."""

    def __init__(self, instant: datetime | None) -> None:
        super().__init__()
        self.instant = instant

    def __missing__(self, zone: str) -> date | None:
        instant = self.instant
        self[zone] = day = local_day(instant, zone) if is_zone(zone) and instant else None
        return day
