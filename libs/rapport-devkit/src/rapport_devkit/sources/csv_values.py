"""The values of a table's cells: what can be read without doubt is read, all else is refused."""

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo

from rapport_contracts.ranges import MAX_AMOUNT_MINOR, currencies
from rapport_devkit.sources.csv_problems import Refused
from rapport_devkit.sources.csv_words import EVENTS, half_width, meanings, plain_word
from rapport_devkit.words import Words

HOUR = time(10)
_EVENTS = meanings(EVENTS)

_DATE = re.compile(
    r"(?P<year>\d{4})(?:(?P<joint>[-/.])(?P<month>\d{1,2})(?P=joint)(?P<day>\d{1,2})"
    r"|年(?P<month_zh>\d{1,2})月(?P<day_zh>\d{1,2})日|(?P<month_8>\d\d)(?P<day_8>\d\d))"
    r"(?:(?:T| +|(?<=日))(?P<clock>.+))?",
    re.ASCII,
)
_CLOCK = re.compile(
    r"(?:(?P<half>上午|下午) ?)?(?P<hour>\d{1,2}):(?P<rest>\d\d(?::\d\d(?:\.\d{1,6})?)?)"
    r"(?: ?(?P<half_en>[AP]M))?(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_AFTERNOON = frozenset({"下午", "pm"})
_HALF_DAY = 12
_DAY_OR_MONTH_FIRST = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?!\d).*", re.ASCII)
_DAY_NUMBER = re.compile(r"\d{5}(\.\d+)?", re.ASCII)

_AMOUNT = re.compile(
    r"(?P<before>[^\d\s.,]*) ?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<fraction>\d+))?"
    r" ?(?P<after>[^\d\s.,]*)",
    re.ASCII,
)
_MINUS = re.compile(r"[-\u2212(]")
_SIGNS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "CNY": frozenset({"¥", "元", "RMB", "RMB¥"}),
        "JPY": frozenset({"¥", "円"}),
        "EUR": frozenset({"€"}),
        "GBP": frozenset({"£"}),
        **{code: frozenset({"$"}) for code in ("AUD", "CAD", "NZD", "SGD")},
        **{
            code: frozenset({"$", sign})
            for code, sign in (("USD", "US$"), ("HKD", "HK$"), ("TWD", "NT$"))
        },
    }
)
_ALL_SIGNS = frozenset().union(*_SIGNS.values())
_YUAN = frozenset({"RMB", "CNH", "YUAN", "人民币", "人民幣", "元", "¥"})
_DOUBTFUL_DECIMALS = 3

_POWER_OF_TEN = re.compile(r"[+-]?(\d[.,]\d+E\+?\d+|\dE\+\d+)", re.ASCII | re.IGNORECASE)
_NO_VALUE = frozenset(
    {"null", "(null)", "<null>", "none", "nan", "nil", "n/a", "undefined", "-", "--", "无", "空"}
)
_SHEET_ERROR = re.compile(r"#(N/A|#+|[A-Z0-9/]+[!?])", re.IGNORECASE)
_KEPT_DIGITS = 15
"""A spreadsheet keeps so many digits of a number; the others become zeros."""
_FEWEST_ZEROS = 3
"""So many digits of genuine ids are zeros by chance once in a thousand files."""


def read_event(text: str, words: Words) -> str:
    """One of the words of `EVENTS`. Raises Refused."""
    event = _EVENTS.get(plain_word(text))
    if event is None:
        raise Refused(words("is none of {events}", events=", ".join(EVENTS)))
    return event


def read_id(text: str, words: Words) -> str:
    """An id as it stands. Raises Refused for what a spreadsheet or a program makes of one."""
    plain = half_width(text)
    if _POWER_OF_TEN.fullmatch(plain):
        raise Refused(
            words(
                "is what a spreadsheet makes of a long number: give the column the format Text,"
                " and fill in the ids again"
            )
        )
    if plain.casefold() in _NO_VALUE or _SHEET_ERROR.fullmatch(plain):
        raise Refused(words("is what a program writes where it has no value"))
    return text


def cut_off(ids: Collection[str]) -> set[str]:
    """The ids of more than 15 digits, where all of them have zeros beyond the 15th."""
    numbers = {each for each in ids if each.isascii() and each.isdigit()}
    long = {each for each in numbers if len(each) > _KEPT_DIGITS}
    beyond = "".join(each[_KEPT_DIGITS:] for each in long)
    return long if len(beyond) >= _FEWEST_ZEROS and not beyond.strip("0") else set()


def read_currency(text: str, words: Words) -> str:
    """A code of ISO 4217. Raises Refused."""
    code = half_width(text).upper()
    if code in _YUAN:
        raise Refused(words("is no currency code of ISO 4217: write CNY"))
    if code not in currencies():
        raise Refused(words("is no currency code of ISO 4217, such as CNY"))
    return code


def read_amount(text: str, currency: str, words: Words, *, decimal_comma: bool = False) -> int:
    """An amount in minor units, from such as `49.90`, `1,200.00`, `¥300` or `300元`.

    With `decimal_comma` the file is of a kind that may write 1,200 for 1.2. Raises Refused.
    """
    plain = half_width(text)
    found = _AMOUNT.fullmatch(_MINUS.sub("", plain).replace(")", "").strip())
    if found is None:
        raise Refused(words("is not a number such as 49.90 or 1,200.00"))
    for sign in filter(None, map(str.upper, found.group("before", "after"))):
        if sign not in _ALL_SIGNS and sign not in currencies():
            raise Refused(words("is not a number such as 49.90 or 1,200.00"))
        if sign != currency and sign not in _SIGNS.get(currency, ()):
            raise Refused(
                words(
                    "has another sign than that of {currency}: write the number alone, and the"
                    " currency into its column",
                    currency=currency,
                )
            )
    decimals = currencies().get(currency, 2)
    whole, fraction = found["whole"], found["fraction"]
    doubtful = decimal_comma or decimals >= _DOUBTFUL_DECIMALS
    if "," in whole and fraction is None and doubtful:
        raise Refused(words("has a comma that may mean thousands or decimals: write 1200.00"))
    number = Decimal(f"{whole.replace(',', '')}.{fraction or 0}")
    most = Decimal(MAX_AMOUNT_MINOR).scaleb(-decimals)
    if _MINUS.search(plain) or number > most:
        raise Refused(
            words(
                "must be from 0 to {most} {currency}; a refund is a positive amount too",
                most=f"{most:f}",
                currency=currency,
            )
        )
    if len((fraction or "").rstrip("0")) > decimals:
        raise Refused(words("has more than {decimals} decimals", decimals=decimals))
    return int(number.scaleb(decimals))


def read_instant(text: str, zone: ZoneInfo, words: Words) -> datetime:
    """A date, at 10:00, or a date with a time; without an offset it is local. Raises Refused."""
    plain = half_width(text)
    if _DAY_OR_MONTH_FIRST.fullmatch(plain):
        raise Refused(words("may have the day or the month first: write 2026-03-01 14:30"))
    if _DAY_NUMBER.fullmatch(plain):
        raise Refused(
            words(
                "is a spreadsheet's number of a day: give the column the format"
                " yyyy-mm-dd hh:mm, and save again"
            )
        )
    try:
        instant = _instant(plain)
    except ValueError:
        raise Refused(words("is not a date such as 2026-03-01 14:30")) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)


def _instant(text: str) -> datetime:
    """The instant that a text says, without a zone where it has none. Raises ValueError."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError
    year, month, day = (
        int(found["year"]),
        int(found["month"] or found["month_zh"] or found["month_8"]),
        int(found["day"] or found["day_zh"] or found["day_8"]),
    )
    if found["clock"] is None:
        return datetime.combine(date(year, month, day), HOUR)
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
