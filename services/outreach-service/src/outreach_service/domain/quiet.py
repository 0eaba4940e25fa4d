"""When a message may reach a person: opening hours in local time, over every change of clocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from outreach_service.domain.terms import Purpose

HARD_OPEN, HARD_CLOSE = time(8), time(22)
"""No promotional message goes outside these local hours, whatever a practice wants (L12)."""


@dataclass(frozen=True)
class Hours:
    """Local opening hours: from `opens` until just before `closes`, on the same day."""

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if not HARD_OPEN <= self.opens < self.closes <= HARD_CLOSE:
            msg = f"hours must lie within {HARD_OPEN:%H:%M}-{HARD_CLOSE:%H:%M}"
            raise ValueError(msg)


DEFAULT_HOURS: Mapping[Purpose, Hours] = MappingProxyType(
    {
        Purpose.CARE: Hours(time(9), time(20, 30)),
        Purpose.MARKETING: Hours(time(9), time(20, 30)),
    }
)
"""Per purpose (L12); the purpose that is not named, `service`, may go at any hour."""


def _opening(at: datetime, hours: Hours, zone: ZoneInfo) -> datetime:
    """The first instant from `at` on (UTC) at which `hours` are open in `zone`."""
    local = at.astimezone(zone)
    if hours.opens <= local.time() < hours.closes:
        return at
    day = local.date() if local.time() < hours.opens else local.date() + timedelta(days=1)
    return datetime.combine(day, hours.opens, zone).astimezone(UTC)


def next_opening(at: datetime, hours: Hours, zones: Sequence[str]) -> datetime | None:
    """The first instant from `at` on at which `hours` are open in every one of `zones`.

    `at` is aware; the answer is `at` itself when it is open now. None when the zones' hours do not
    meet, and when no zone or an unknown one is given: then nothing may go (L12).
    """
    try:
        places = [ZoneInfo(zone) for zone in zones]
    except (KeyError, ValueError, OSError):
        return None
    if not places:
        return None
    candidate = at
    while candidate - at <= timedelta(days=3):
        latest = max(_opening(candidate, hours, place) for place in places)
        if latest == candidate:
            return candidate
        candidate = latest
    return None


def local_day(at: datetime, zone: str) -> date:
    """The day of an instant in a zone; UTC's where the zone is not known here."""
    try:
        return at.astimezone(ZoneInfo(zone)).date()
    except (KeyError, ValueError, OSError):
        return at.astimezone(UTC).date()
