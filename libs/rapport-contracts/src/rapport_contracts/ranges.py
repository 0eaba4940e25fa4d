"""The one range of each kind of value: what intake accepts, every reader can hold."""

from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Final

from iso4217 import Currency

EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2199, 12, 30, tzinfo=UTC)
"""Instants are from `EARLIEST` on and before `LATEST`: their day is in range in every zone."""

EARLIEST_HAPPENED: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""What happened before has a wrong date; ingestion, which has a clock, refuses what is too far
ahead."""

REGION: Final = "^[A-Z]{2}$"
"""What a country code of ISO 3166-1 alpha-2 looks like."""

VISIBLE: Final = (
    r"[^\s\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""A character that is no space, control or formatting mark, in words that every dialect of regular
expressions has: classes such as \\p{L} are not known to all tools that read our documents."""

NAME: Final = rf"^{VISIBLE}([^\u0000-\u001f\u007f-\u009f]*{VISIBLE})?$"
"""What an id, a code or a name looks like: it begins and ends with a visible character, and holds
no control character. Otherwise two ids that look the same could be two clients."""

FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)

MAX_AMOUNT_MINOR: Final = 10**13
"""No bill for counselling has fourteen digits, and sums of a lifetime stay far inside 64 bits."""

MAX_UNITS: Final = 10_000
"""Hours of one package; sums of them stay far inside 32 bits."""


@cache
def currencies() -> dict[str, int]:
    """ISO 4217 code -> the number of decimals of its minor unit; codes without one are left out."""
    return {each.code: each.exponent for each in Currency if each.exponent is not None}


@cache
def regions() -> frozenset[str]:
    """The country codes of ISO 3166-1 alpha-2."""
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return frozenset(code for code, *_ in rows)


@cache
def zones() -> frozenset[str]:
    """The names of the IANA time zone database that name a place or an offset; `Factory` says that
    none was set, and names of files such as `localtime` are none."""
    names = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    return frozenset(names) - {"Factory"}
