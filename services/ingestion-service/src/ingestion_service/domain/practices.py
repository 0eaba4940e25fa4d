"""A practice: its zone decides the day of each fact, its currency the unit of each amount."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from ingestion_service.domain.errors import Conflict
from ingestion_service.domain.facts import PracticeId

UndeclaredSources = Literal["wait", "accept"]
"""wait: its events wait. accept: such a source is declared as itself by its first event."""


class Practice(NamedTuple):
    """A registered practice. `zone` is an IANA name, `currency` three letters of ISO 4217.

    `region` (two letters of ISO 3166-1) and `discreet_name` (the name that messages show, which
    does not say what clients come for) are passed on. Both may be unknown: None.
    `undeclared_sources` says what becomes of events of sources that are not declared (ADR 49).
    """

    practice_id: PracticeId
    name: str
    zone: str
    currency: str
    region: str | None = None
    discreet_name: str | None = None
    undeclared_sources: UndeclaredSources = "wait"


def successor(known: Practice, wanted: Practice, unsaid: Collection[str] = ()) -> Practice:
    """What the known practice becomes: `wanted`, but fields named in `unsaid` stay as they are.

    Raises `Conflict` when the currency would change: the amounts of activities that are already
    published are in it.
    """
    if known.currency != wanted.currency:
        raise Conflict("currency-is-fixed", "the currency of a practice cannot change", "/currency")
    return wanted._replace(**{field: getattr(known, field) for field in unsaid})
