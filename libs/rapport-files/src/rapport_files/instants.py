"""Dates and times of a cell: what is in no doubt is read, all else is refused or asked."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from rapport_contracts.ranges import EARLIEST, LATEST
from rapport_files.options import Asked
from rapport_files.problems import Refused
from rapport_files.said import said
from rapport_files.words import half_width

HOUR = time(10)
"""The local time of a day that is told without one."""

_DATE = re.compile(
    r"(?P<year>\d{4})(?:(?P<joint>[-/.])(?P<month>\d{1,2})(?P=joint)(?P<day>\d{1,2})"
    r"|年(?P<month_zh>\d{1,2})月(?P<day_zh>\d{1,2})日|(?P<month_8>\d\d)(?P<day_8>\d\d))"
    r"(?:(?:T| +|(?<=日))(?P<clock>.+))?",
    re.ASCII,
)
_YEAR_LAST = re.compile(
    r"(?P<first>\d{1,2})(?P<joint>[-/.])(?P<second>\d{1,2})(?P=joint)(?P<year>\d{4})(?!\d)(?P<rest>.*)",
    re.ASCII,
)
_SHORT_YEAR = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?!\d).*", re.ASCII)
_CLOCK = re.compile(
    r"(?:(?P<half>上午|下午) ?)?(?P<hour>\d{1,2}):(?P<rest>\d\d(?::\d\d(?:\.\d{1,6})?)?)"
    r"(?: ?(?P<half_en>[AP]M))?(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_AFTERNOON = frozenset({"下午", "pm"})
_HALF_DAY = 12
_MONTHS = 12
_DAY_NUMBER = re.compile(r"\d{5}(\.\d+)?", re.ASCII)

_WRITE = said("write 2026-03-01 14:30")
_NO_DATE = said("is not a date")


def read_instant(
    text: str, zone: ZoneInfo | None, day_order: str | None = None, hour: time | None = HOUR
) -> datetime:
    """A date, at `hour`, or a date with a time; without an offset it is local. `day_order` is `day`
    or `month`, whichever is first in 1/3/2026. Where no hour or zone is given for a text that has
    none, it is asked. Raises Refused, Asked."""
    plain = _year_first(half_width(text), day_order)
    if _SHORT_YEAR.fullmatch(plain):
        raise Refused(
            said("has a year of two digits, so the day or the month may be first"), _WRITE
        )
    if _DAY_NUMBER.fullmatch(plain):
        raise Refused(
            said("is a spreadsheet's number of a day"),
            said("give the column the format yyyy-mm-dd hh:mm, and save again"),
        )
    try:
        instant = _instant(plain, hour)
    except ValueError:
        raise Refused(_NO_DATE, _WRITE) from None
    if instant.tzinfo is None:
        if zone is None:
            raise Asked("time_zone")
        instant = instant.replace(tzinfo=zone)
    if not EARLIEST <= instant < LATEST:
        first, end = (f"{each:%Y-%m-%d}" for each in (EARLIEST, LATEST))
        raise Refused(
            said("must be from {first} on and before {end}", first=first, end=end), _WRITE
        )
    return instant


def plain_instant(at: datetime) -> str:
    """An instant as a text that says the same however its cell was written: what a file tells on
    the practice's clock stays so, since its zone may change; all else is in UTC."""
    if isinstance(at.tzinfo, ZoneInfo):
        return at.replace(tzinfo=None).isoformat()
    return at.astimezone(UTC).isoformat()


def _year_first(text: str, day_order: str | None) -> str:
    """A date with its year at the end, turned round. Raises Refused, Asked."""
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return text
    first, second = int(found["first"]), int(found["second"])
    is_one_way = first == second or max(first, second) > _MONTHS
    if day_order is None and not is_one_way:
        raise Asked("day_order")
    order = day_order or ("day" if first >= second else "month")
    day, month = (first, second) if order == "day" else (second, first)
    if month > _MONTHS:
        raise Refused(said("does not fit the answer for the order of day and month"), _WRITE)
    return f"{found['year']}-{month}-{day}{found['rest']}"


def _instant(text: str, local: time | None) -> datetime:
    """The instant that a text says, without a zone where it has none. Raises ValueError, Asked."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError
    year, month, day = (
        int(found["year"]),
        int(found["month"] or found["month_zh"] or found["month_8"]),
        int(found["day"] or found["day_zh"] or found["day_8"]),
    )
    if found["clock"] is None:
        on = date(year, month, day)
        if local is None:
            raise Asked("time_of_day")
        return datetime.combine(on, local)
    clock = _CLOCK.fullmatch(found["clock"].strip())
    if clock is None:
        raise ValueError
    hour = _hour(int(clock["hour"]), clock["half"] or clock["half_en"])
    offset = clock["offset"] or ""
    return datetime.fromisoformat(
        f"{year:04}-{month:02}-{day:02}T{hour:02}:{clock['rest']}{offset.upper()}"
    )


def _hour(hour: int, half: str | None) -> int:
    """The hour of 24, by the half of the day where it is told. Raises ValueError."""
    if half is None:
        return hour
    if not 1 <= hour <= _HALF_DAY:
        raise ValueError
    return hour % _HALF_DAY + (_HALF_DAY if half.casefold() in _AFTERNOON else 0)
