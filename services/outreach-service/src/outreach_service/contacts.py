"""One spelling for each contact point, so that a phone has one spelling however it was typed."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib import resources
from itertools import chain
from types import MappingProxyType
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from outreach_service.domain.terms import Channel

_MOBILE = frozenset(
    {
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,  # North America tells no difference
    }
)
_OPENID = re.compile(r"[A-Za-z0-9_-]{20,64}")


class InvalidContact(ValueError):
    """A contact point that nothing can be sent to; `field` names it, the value is not repeated."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class NotServed(ValueError):
    """A number to which the sender cannot send; the message is the reason, without the number."""


def _rows_of_zones() -> Iterable[tuple[str, str]]:
    """Each country with each of its zones."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return [(country, zone) for country, _, zone, *_ in rows]


@cache
def _countries_of_zones() -> Mapping[str, str]:
    """Zone -> country, of the zones that lie in one country alone."""
    return {zone: country for country, zone in _rows_of_zones()}


def region_of(region: str | None, zone: str) -> str | None:
    """The country in which a practice's phone numbers are dialled: its own region, else that of its
    zone; None where neither tells."""
    return region or _countries_of_zones().get(zone)


def needs_region(channel: Channel, value: str) -> bool:
    """Whether a contact is a phone number without a country code."""
    typed = unicodedata.normalize("NFKC", value).lstrip()
    return channel is Channel.SMS and not typed.startswith("+")


def country_of(e164: str) -> str:
    """The country of a number (ISO 3166-1), or the first of those that share its country code.

    Raises NotServed for what is no number.
    """
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException as problem:
        raise NotServed("not-a-number") from problem
    country = phonenumbers.region_code_for_number(number)
    return country or phonenumbers.region_code_for_country_code(number.country_code or 0)


_OUR_ZONES: Final = MappingProxyType(
    {
        "CN": ("Asia/Shanghai",),  # keeps one time by law, though the table divides it
        "XK": ("Europe/Belgrade",),  # Kosovo, Ascension and Tristan da Cunha are not in the table
        "AC": ("Atlantic/St_Helena",),
        "TA": ("Atlantic/St_Helena",),
    }
)
"""Where the zone table does not say what a phone number needs."""

_ANYWHERE: Final = ("",)
"""The zones of what belongs to no country, as a satellite phone: an unknown one, in which no hours
are open (L12)."""


@cache
def _zones_of_countries() -> Mapping[str, tuple[str, ...]]:
    """Country -> all of its zones."""
    found: dict[str, tuple[str, ...]] = {}
    for country, zone in _rows_of_zones():
        found[country] = (*found.get(country, ()), zone)
    return {**found, **_OUR_ZONES}


def zones_of_number(e164: str) -> tuple[str, ...]:
    """The zones of the country of a phone number, and of each other to which it may belong; an
    unknown zone, "", for what belongs to no country, and beside others for a country without."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return _ANYWHERE
    sharing = phonenumbers.region_codes_for_country_code(number.country_code or 0)
    known = [each for each in sharing if phonenumbers.is_valid_number_for_region(number, each)]
    zones = (_zones_of_countries().get(each, _ANYWHERE) for each in known or sharing)
    return tuple(dict.fromkeys(chain.from_iterable(zones))) or _ANYWHERE


def phone(value: str, region: str | None = None, serves: Collection[str] | None = None) -> str:
    """The number of a mobile phone as E.164 (`+8613800138000`).

    `region` (ISO 3166) reads numbers without a country code; without it there are none. `serves`
    are the countries to which the sender can send, None for no limit. Full-width digits, spaces
    and dashes are understood. Raises InvalidContact.
    """
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", value), region)
    except phonenumbers.NumberParseException as problem:
        is_national = problem.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        needs = "needs + and its country code" if is_national and region is None else None
        raise InvalidContact("phone", needs or "is not a phone number") from problem
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise InvalidContact("phone", "is not a number that can receive an SMS")
    if phonenumbers.number_type(number) not in _MOBILE:
        raise InvalidContact("phone", "is not the number of a mobile phone")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    country = country_of(e164)
    if serves is not None and country not in serves:
        served = ", ".join(sorted(serves))
        raise InvalidContact("phone", f"is a number of {country}; SMS go to {served} alone")
    return e164


def email(value: str) -> str:
    """An address in its ASCII form, the domain in lower case; the network is not used.

    A domain of other scripts has its `xn--` form, which every relay knows. What is before the @
    must be ASCII, and no encoded word: relays and mail clients would decode that into another
    address. Raises InvalidContact.
    """
    try:
        address = validate_email(value, check_deliverability=False).ascii_email
    except EmailNotValidError as problem:
        raise InvalidContact("email", "is not an e-mail address") from problem
    if address is None:
        raise InvalidContact("email", "has letters before the @ that not every relay takes")
    if "=?" in address:
        raise InvalidContact("email", "is not an e-mail address")
    return address


def openid(value: str) -> str:
    """A WeChat openid: 20 to 64 of A-Z a-z 0-9 _ -; 28 in practice. Raises InvalidContact."""
    if not _OPENID.fullmatch(value):
        raise InvalidContact("openid", "is not a WeChat openid")
    return value


def normalise(
    channel: Channel,
    value: str,
    region: str | None = None,
    serves: Collection[str] | None = None,
) -> str:
    """The contact point of a channel in its one spelling; `region` and `serves` as in `phone`.

    Raises InvalidContact.
    """
    if channel is Channel.SMS:
        return phone(value, region, serves)
    return email(value) if channel is Channel.EMAIL else openid(value)
