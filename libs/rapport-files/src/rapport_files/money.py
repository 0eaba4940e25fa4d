"""Amounts and currencies of a cell: what can be read without doubt is read, all else is refused."""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from rapport_contracts.ranges import MAX_AMOUNT_MINOR, currencies
from rapport_files.options import Asked
from rapport_files.problems import Refused
from rapport_files.said import said
from rapport_files.words import half_width

_AMOUNT = re.compile(
    r"(?P<before>[^\d\s.,]*) ?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<fraction>\d+))?"
    r" ?(?P<after>[^\d\s.,]*)",
    re.ASCII,
)
_NEGATIVE = re.compile(r"\((.*)\)|(\D*)[-\u2212](.*)|(.*)[-\u2212]", re.ASCII)
"""In brackets, or with a minus before its digits or at its end."""
_BETWEEN = re.compile(r"[+/、;&|\n]")
"""Stands between two numbers of a cell."""

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
_DOUBTFUL_DOT = re.compile(r"[1-9]\d{0,2}\.\d{3}", re.ASCII)
"""500.000 may be five hundred, or half a million."""

_NO_NUMBER = said("is not a number")
_WRITE = said("write such as 49.90 or 1,200.00")


def read_currency(text: str) -> str:
    """A code of ISO 4217. Raises Refused."""
    code = half_width(text).upper()
    if code not in currencies():
        write = said("write CNY") if code in _YUAN else said("write a code such as CNY")
        raise Refused(said("is no currency code of ISO 4217"), write)
    return code


def read_amount(
    text: str,
    currency: str,
    *,
    decimal_comma: bool = False,
    sure_dot: bool = False,
    two_numbers: str | None = None,
) -> int:
    """An amount in minor units, from such as `49.90`, `1,200.00`, `¥300` or `300元`.

    With `decimal_comma` the file is of a kind that may write 1,200 for 1.2, and with `sure_dot`
    none that may write 1.200 for 1200. `two_numbers` says which counts of two: `first`, `last` or
    `sum`. Raises Refused, Asked.
    """
    plain = half_width(text)
    parts = _BETWEEN.split(plain, maxsplit=2)
    if len(parts) != 2 or not all(any(map(str.isdigit, part)) for part in parts):
        return _one_amount(plain, currency, decimal_comma=decimal_comma, sure_dot=sure_dot)
    both = [
        _one_amount(part.strip(), currency, decimal_comma=decimal_comma, sure_dot=sure_dot)
        for part in parts
    ]
    if two_numbers is None:
        raise Asked("two_numbers")
    if two_numbers == "sum":
        decimals = currencies().get(currency, 2)
        return _in_range(Decimal(sum(both)).scaleb(-decimals), currency, decimals)
    return both[0] if two_numbers == "first" else both[1]


def _one_amount(plain: str, currency: str, *, decimal_comma: bool, sure_dot: bool) -> int:
    negative = _NEGATIVE.fullmatch(plain)
    bare = "".join(filter(None, negative.groups())) if negative else plain
    found = _AMOUNT.fullmatch(bare.strip())
    if found is None:
        raise Refused(_NO_NUMBER, _WRITE)
    _check_signs(found, currency)
    decimals = currencies().get(currency, 2)
    whole, fraction = found["whole"], found["fraction"]
    doubtful = decimal_comma or decimals >= _DOUBTFUL_DECIMALS
    if "," in whole and fraction is None and doubtful:
        raise Refused(
            said("has a comma that may mean thousands or decimals"), said("write such as 1200.00")
        )
    is_doubtful_dot = fraction is not None and _DOUBTFUL_DOT.fullmatch(f"{whole}.{fraction}")
    if is_doubtful_dot and not sure_dot and decimals < _DOUBTFUL_DECIMALS:
        raise Refused(
            said("has a dot that may mean thousands or decimals"), said("write such as 1200.00")
        )
    number = Decimal(f"{whole.replace(',', '')}.{fraction or 0}")
    minor = _in_range(-number if negative else number, currency, decimals)
    if len((fraction or "").rstrip("0")) > decimals:
        raise Refused(
            said("has more than {decimals} decimals", decimals=decimals), said("round the amount")
        )
    return minor


def _check_signs(found: re.Match[str], currency: str) -> None:
    for sign in filter(None, map(str.upper, found.group("before", "after"))):
        if sign not in _ALL_SIGNS and sign not in currencies():
            raise Refused(_NO_NUMBER, _WRITE)
        if sign != currency and sign not in _SIGNS.get(currency, ()):
            raise Refused(
                said("has another sign than that of {currency}", currency=currency),
                said("write the number alone, and the currency into its column"),
            )


def _in_range(number: Decimal, currency: str, decimals: int) -> int:
    """Minor units of an amount that has `decimals`. Raises Refused."""
    most = Decimal(MAX_AMOUNT_MINOR).scaleb(-decimals)
    if number.is_signed() or number > most:
        raise Refused(
            said("must be from 0 to {most} {currency}", most=f"{most:f}", currency=currency),
            said("a refund is a positive amount too"),
        )
    return int(number.scaleb(decimals))
