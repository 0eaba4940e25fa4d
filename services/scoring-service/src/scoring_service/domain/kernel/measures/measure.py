"""What a ladder asks of its measure, and how a kind of measure says what its document needs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from scoring_service.domain.kernel.facts import (
    AMOUNTS,
    COUNTS,
    DERIVED_AMOUNTS,
    DERIVED_COUNTS,
    Columns,
    Facts,
    columns,
)
from scoring_service.domain.kernel.moments import end_of, midnight_of
from scoring_service.domain.kernel.source import Fields, Place
from scoring_service.domain.kernel.window import Window

Scale = Literal["number", "ratio", "period", "word"]
"""How the cuts of a measure are written: `at_least` and `above`, in the measure's unit or in
hundredths; `within` a period; or `is` one of some words."""

Fall = tuple[int, int]
"""A moment, and the rung on which the ladder stands from then on."""

Reading = tuple[int, int | str | None, Any]
"""How a ladder stands: its rung, the measure's value there (None: not known), and what the measure
needs to go on from it. A plain tuple: three are made for every fact."""

Read = Callable[[Facts, int, int], Reading]
"""(facts, today, last): how the ladder stands on the day `today` by the facts up to the day `last`,
which is the day itself, the one before it (its midnight), or a later one (`domain/keeping.py`)."""
Falls = Callable[[Facts, int, int, Reading, int], Iterable[Fall]]
"""(facts, today, last, reading, until): each change of rung after that position if nothing happens,
in order, each rung another one than before it; facts of days after `last` count from their day on.
`reading` is that of the position. All up to the moment `until` are there; later ones may be."""


class Measure(NamedTuple):
    """A measure of one client's facts, cut into rungs; both functions are bound to the columns of
    the facts when they are compiled. `is_cheap` says that its falls hang on one day or word, and
    cost little: they tell how far the others need be asked."""

    read: Read
    falls: Falls
    is_cheap: bool = False


def changing(held: int, falls: Iterable[Fall]) -> Iterator[Fall]:
    """Those of these falls that lead to another rung than the one before; the first one stands on
    `held`."""
    for at, rung in falls:
        if rung != held:
            held = rung
            yield at, rung


def between(falls: Iterable[Fall], today: int, coming: int | None) -> Iterator[Fall]:
    """Those after a day, and not after the midnight of one that comes and begins anew; None: no day
    does. `falls` are in order."""
    after = end_of(today)
    for at, rung in falls:
        if coming is not None and at > midnight_of(coming):
            return
        if at > after:
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


def columns_of(kinds: Sequence[str]) -> tuple[Columns, ...]:
    """How the sums of some kinds are found."""
    return tuple(columns(kind) for kind in kinds)


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
