"""Calendar periods and practice-local days: where every boundary of a tier lies (C-03)."""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ISO = re.compile(
    r"P(?=[0-9])(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?"
)
_LONGEST_MONTHS = 1200
_LONGEST_DAYS = 36_525
_A_MOMENT = timedelta(microseconds=1)
# Leap, common, the leap day that 2100 lacks, leap again: every step that the calendar knows.
_ALL_STEPS = tuple(date(2096, 1, 1) + timedelta(days=n) for n in range(8 * 366))


class UnknownZone(ValueError):
    """A name that the IANA time zone database does not have."""


@dataclass(frozen=True, slots=True)
class Period:
    """An ISO 8601 duration of whole days, such as P3M, P1Y, P7D: first the months, then the days.

    A fact of local day D counts through the end of day D+P: "within 3 months" includes the day,
    "over 3 months" begins after it (C-03). D+P never falls as D grows, clamped or not, so the
    days that count on a given day are one unbroken run.
    """

    months: int
    days: int
    _expiries: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Period":
        """The period that `text` writes; ValueError unless it is one of 1 day to 100 years."""
        match = _ISO.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not an ISO 8601 period of whole days, such as P3M")
        years, months, weeks, days = (int(part or 0) for part in match.groups())
        period = cls(months=12 * years + months, days=7 * weeks + days)
        if not (period.months or period.days):
            raise ValueError(f"{text!r} is empty: a period lasts one day at least")
        if period.months > _LONGEST_MONTHS or period.days > _LONGEST_DAYS:
            raise ValueError(f"{text!r} is longer than 100 years")
        return period

    def after(self, day: date) -> date:
        """D+P: the last day on which a fact of `day` counts; month ends are clamped (C-03)."""
        return _months_later(day, self.months) + timedelta(days=self.days)

    def expiry(self, ordinal: int) -> int:
        """The first day on which a fact of that day no longer counts, both as proleptic ordinals.

        Remembered for each day, because every day of every client needs it.
        """
        expiry = self._expiries.get(ordinal)
        if expiry is None:
            expiry = self.after(date.fromordinal(ordinal)).toordinal() + 1
            self._expiries[ordinal] = expiry
        return expiry


@lru_cache(maxsize=1_024)
def is_longer(longer: Period, shorter: Period) -> bool:
    """Whether one period ends after the other on every day of the calendar; P30D and P1M are
    neither."""
    return all(shorter.after(day) < longer.after(day) for day in _ALL_STEPS)


@lru_cache(maxsize=65_536)
def first_day_counted(on_day: date, period: Period) -> date:
    """The earliest D that still counts on `on_day`: the least D with D+P >= on_day (C-03).

    Where no D of the right month reaches exactly `on_day` (31 May less P3M: 28 February + P3M is
    28 May), it is the first day of the month after.
    """
    target = on_day - timedelta(days=period.days)
    year, month = _month(target, -period.months)
    if target.day <= monthrange(year, month)[1]:
        return date(year, month, target.day)
    return date(year, month, monthrange(year, month)[1]) + timedelta(days=1)


@lru_cache(maxsize=65_536)
def midnight(day: date, zone_name: str) -> datetime:
    """The first instant of that local day, aware UTC; usually, but not always, its 00:00.

    Where the clocks jump over 00:00 it is the end of the jump; where they jump over the whole day
    it is the start of the next. A 00:00 that happens twice counts from the first. UnknownZone.
    """
    zone = _zone(zone_name)
    found = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    if (found - _A_MOMENT).astimezone(zone).date() < day:
        return found
    # The jump began before 00:00, so `found` lies past its end. Clocks jump on whole seconds.
    before, seconds = found - timedelta(days=2), 2 * 86_400
    low, high = 0, seconds
    while low < high:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).date() < day:
            low = middle + 1
        else:
            high = middle
    return before + timedelta(seconds=low)


def local_day(instant: datetime, zone_name: str) -> date:
    """The calendar day that `instant` (aware) falls on in that zone. UnknownZone."""
    return instant.astimezone(_zone(zone_name)).date()


@lru_cache(maxsize=1_024)
def skipped_days(zone_name: str) -> frozenset[int]:
    """The days, as ordinals from 1970 to 2199, that the zone's calendar never had.

    Crossing the date line costs a day: Apia had no 30 December 2011. Such a day has no midnight,
    so what is due on it happens on the next. UnknownZone.
    """
    zone = _zone(zone_name)
    skipped: set[int] = set()
    probe, step = datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=28)
    while probe.year < 2200:
        offset, then = (at.astimezone(zone).utcoffset() for at in (probe, probe + step))
        if offset is not None and then is not None and then - offset > timedelta(hours=12):
            days = (probe.date() + timedelta(days=n) for n in range(-1, step.days + 2))
            skipped.update(day.toordinal() for day in days if not _happened(day, zone))
        probe += step
    return frozenset(skipped)


def _happened(day: date, zone: ZoneInfo) -> bool:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return noon.astimezone(UTC).astimezone(zone).date() == day


def _months_later(day: date, months: int) -> date:
    year, month = _month(day, months)
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _month(day: date, months: int) -> tuple[int, int]:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return year, month + 1


@lru_cache(maxsize=1_024)
def is_zone(name: str) -> bool:
    """Whether this process knows the zone; a writer may have a newer database of zones."""
    try:
        _zone(name)
    except UnknownZone:
        return False
    return bool(name)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"{name!r} is not a zone of the IANA database") from error
