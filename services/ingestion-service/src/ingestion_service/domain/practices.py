"""A practice: its zone decides the day of each fact, its currency the unit of each amount."""

import re
import zoneinfo
from functools import cache
from typing import Final, NamedTuple

from ingestion_service.domain.errors import Conflict, Invalid
from ingestion_service.domain.facts import PracticeId

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_PRACTICE_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
MAX_NAME: Final = 200


class Practice(NamedTuple):
    """A registered practice. `zone` is an IANA name, `currency` three letters of ISO 4217."""

    practice_id: PracticeId
    name: str
    zone: str
    currency: str


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def practice(practice_id: str, name: str, zone: str, currency: str) -> Practice:
    """A valid practice. Raises `Invalid`, which names the first field that is not valid."""
    if not _PRACTICE_ID.fullmatch(practice_id):
        raise Invalid("invalid-practice-id", "1 to 64 of a-z, 0-9 and inner -", "/practice_id")
    if not name.strip() or len(name) > MAX_NAME or "\x00" in name:
        raise Invalid("invalid-name", f"1 to {MAX_NAME} characters, not blank", "/name")
    if zone not in _zones():
        raise Invalid("unknown-zone", "must be a time zone of the IANA database", "/zone")
    if not _CURRENCY.fullmatch(currency):
        raise Invalid("invalid-currency", "must be three letters of ISO 4217", "/currency")
    return Practice(PracticeId(practice_id), name, zone, currency)


def check_successor(known: Practice, wanted: Practice) -> None:
    """Raise `Conflict` when the zone or the currency would change: activities that are already
    published depend on both."""
    if known.zone != wanted.zone:
        raise Conflict("zone-is-fixed", "the zone of a practice cannot change", "/zone")
    if known.currency != wanted.currency:
        raise Conflict("currency-is-fixed", "the currency of a practice cannot change", "/currency")
