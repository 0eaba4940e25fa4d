"""What a ladder asks of its measure, and how a kind of measure says what its document needs."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

from scoring_service.domain.kernel.facts import (
    AMOUNTS,
    COUNTS,
    DERIVED_AMOUNTS,
    DERIVED_COUNTS,
    Facts,
)
from scoring_service.domain.kernel.moments import midnight_of
from scoring_service.domain.kernel.source import Fields, Place
from scoring_service.domain.kernel.window import Window

Scale = Literal["number", "ratio", "period", "word"]
"""How the cuts of a measure are written: `at_least` and `above`, in the measure's unit or in
hundredths; `within` a period; or `is` one of some words."""

Fall = tuple[int, int]
"""A moment, and the rung on which the ladder stands from then on."""


class Reading(NamedTuple):
    """How a ladder stands: its rung, the measure's value there (None: not known), and what the
    measure needs to go on from it."""

    rung: int
    value: int | str | None
    state: Any = None


class Measure(Protocol):
    """A measure of one client's facts, cut into rungs."""

    def read(self, facts: Facts, moment: int) -> Reading:
        """How the ladder stands at that moment."""
        ...

    def falls(self, facts: Facts, moment: int, reading: Reading) -> Iterator[Fall]:
        """Each change of rung after `moment` if nothing happens, in order, each rung another one
        than before it; facts that are dated ahead count from their day on. `reading` is that of
        `moment`."""
        ...


def changing(held: int, falls: Iterable[Fall]) -> Iterator[Fall]:
    """Those of these falls that lead to another rung than the one before; the first one stands on
    `held`."""
    for at, rung in falls:
        if rung != held:
            held = rung
            yield at, rung


def between(falls: Iterable[Fall], moment: int, coming: int | None) -> Iterator[Fall]:
    """Those after a moment, and not after the midnight of a day that comes and begins anew; None:
    no day does. `falls` are in order."""
    for at, rung in falls:
        if coming is not None and at > midnight_of(coming):
            return
        if at > moment:
            yield at, rung


class Kind(NamedTuple):
    """A kind of measure: the fields of its document, how its rungs are cut, and how it is built
    from both. `build` gets the cuts of the scale."""

    scale: Scale
    build: Callable[[Fields, Any], Measure]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    may_be_unknown: bool = False
    is_money: bool = False


def counts(place: Place) -> tuple[str, ...]:
    """Kinds of facts that are counted."""
    return _kinds(place, COUNTS | DERIVED_COUNTS)


def amounts(place: Place) -> tuple[str, ...]:
    """Kinds of facts that are sums of money."""
    return _kinds(place, AMOUNTS | DERIVED_AMOUNTS)


def any_kinds(place: Place) -> tuple[str, ...]:
    """Kinds of facts of either sort."""
    return _kinds(place, COUNTS | DERIVED_COUNTS | AMOUNTS | DERIVED_AMOUNTS)


def within(fields: Fields) -> Window:
    """The window of a measure; without `within`, all time."""
    place = fields.get("within")
    return Window(None if place is None else place.period())


def _kinds(place: Place, known: frozenset[str]) -> tuple[str, ...]:
    words = tuple(sorted(known))
    kinds = [(each, each.word(words)) for each in place.items()]
    seen: set[str] = set()
    for each, kind in kinds:
        if kind in seen:
            raise each.refused(f"{kind!r} stands here twice")
        seen.add(kind)
    return tuple(kind for _, kind in kinds)
