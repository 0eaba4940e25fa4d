"""A ladder: a measure cut into rungs, low to high, as its document writes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scoring_service.domain.kernel.cuts import NumberCuts, PeriodCuts, WordCuts
from scoring_service.domain.kernel.measures import KINDS
from scoring_service.domain.kernel.measures.measure import Measure, Scale
from scoring_service.domain.kernel.source import Fields, Place
from scoring_service.domain.periods import Period, is_longer

_GREATEST = 2**62
_NO_RUNG = -1
_NAMED = ("key", "names", "source")


@dataclass(frozen=True, slots=True)
class Rung:
    """A part of a ladder: its key, its labels by language, and the row that its cut comes from."""

    key: str
    names: dict[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """A measure and its rungs. `is_money` says that its cuts are minor units of a currency."""

    name: str
    rungs: tuple[Rung, ...]
    measure: Measure
    is_money: bool


class _Written(NamedTuple):
    """A rung with the fields of its cut, as the document has them."""

    rung: Rung
    fields: Fields


def parse_ladder(name: str, place: Place) -> Ladder:
    """The ladder of a measure of facts; InvalidDocument with the path of the first wrong field."""
    kind = KINDS[place.entries()["measure"].word(KINDS)]
    fields = place.fields(("measure", "rungs", *kind.required), kind.optional)
    written = _rungs(fields["rungs"], kind.scale)
    unknown = _unknown(fields["rungs"], written, may_be=kind.may_be_unknown)
    cuts = _CUTS[kind.scale](fields["rungs"], written, unknown)
    rungs = tuple(each.rung for each in written)
    return Ladder(name, rungs, kind.build(fields, cuts), kind.is_money)


def parse_rung(fields: Fields, before: Sequence[Rung]) -> Rung:
    """A rung by its key, names and source; InvalidDocument for a key that one before it has, and
    for one that conditions could not name."""
    rung = Rung(fields["key"].text(), fields["names"].names(), fields["source"].text())
    if rung.key in rung_keys(before):
        raise fields["key"].refused(f"two rungs are called {rung.key!r}")
    if rung.key.endswith(".."):
        raise fields["key"].refused('must not end with "..": that means this rung or better')
    return rung


def rung_keys(rungs: Sequence[Rung]) -> tuple[str, ...]:
    """The keys of the rungs, low to high."""
    return tuple(rung.key for rung in rungs)


_CUT_FIELDS: dict[Scale, tuple[str, ...]] = {
    "number": ("at_least", "above"),
    "ratio": ("at_least", "above"),
    "period": ("within",),
    "word": ("is", "lasts"),
}


def _rungs(place: Place, scale: Scale) -> list[_Written]:
    written: list[_Written] = []
    for item in place.items():
        fields = item.fields(_NAMED, ("unknown", *_CUT_FIELDS[scale]))
        rung = parse_rung(fields, [each.rung for each in written])
        written.append(_Written(rung, fields))
    return written


def _unknown(place: Place, written: Sequence[_Written], *, may_be: bool) -> int:
    """The rung of what is not known; no rung where the measure is always known."""
    found = _NO_RUNG
    for number, (_, fields) in enumerate(written):
        flag = fields.get("unknown")
        if flag is None or not flag.flag():
            continue
        if not may_be:
            raise flag.refused("this measure is always known: take the field out")
        if found != _NO_RUNG:
            raise flag.refused("two rungs are for what is not known")
        found = number
    if may_be and found == _NO_RUNG:
        raise place.refused('the measure may be unknown: one rung must say "unknown": true')
    return found


def _base(place: Place, written: Sequence[_Written], unknown: int, cuts: tuple[str, ...]) -> int:
    """The rung below all cuts: the one that has none, or else the one for what is not known."""
    bare = [
        number
        for number, (_, fields) in enumerate(written)
        if not any(cut in fields for cut in cuts)
    ]
    bases = [number for number in bare if number != unknown] or bare
    if len(bases) != 1:
        number = "no rung has" if not bases else "two rungs have"
        raise place.refused(f"{number} no {' or '.join(cuts)}: exactly one lies below all cuts")
    return bases[0]


def _numbers(doubled: bool) -> Callable[[Place, Sequence[_Written], int], NumberCuts]:  # noqa: FBT001 - which scale
    def cuts(place: Place, written: Sequence[_Written], unknown: int) -> NumberCuts:
        base = _base(place, written, unknown, _CUT_FIELDS["number"])
        bounds: list[int] = []
        rungs = [base]
        for number, (_, fields) in enumerate(written):
            least, above = fields.get("at_least"), fields.get("above")
            cut = least or above
            if cut is None:
                continue
            if least is not None and above is not None:
                raise above.refused("stands beside at_least: one of the two")
            if number < base:
                raise cut.refused("lies below the rung that has no cut")
            value = cut.integer(0, _GREATEST)
            bound = (2 * value if doubled else value) + (above is not None)
            if bounds and bound <= bounds[-1]:
                raise cut.refused("must lie above the cut of the rung before it")
            bounds.append(bound)
            rungs.append(number)
        return NumberCuts(tuple(bounds), tuple(rungs), unknown)

    return cuts


def _periods(place: Place, written: Sequence[_Written], unknown: int) -> PeriodCuts:
    base = _base(place, written, unknown, _CUT_FIELDS["period"])
    periods: list[Period] = []
    rungs = [base]
    for number, (_, fields) in enumerate(written):
        cut = fields.get("within")
        if cut is None:
            continue
        if number < base:
            raise cut.refused("lies below the rung that has no cut")
        period = cut.period()
        if periods and not is_longer(periods[-1], period):
            raise cut.refused(
                "must be shorter than the period of the rung before it on every day of the calendar"
            )
        periods.append(period)
        rungs.append(number)
    return PeriodCuts(tuple(periods), tuple(rungs), unknown)


def _words(place: Place, written: Sequence[_Written], unknown: int) -> WordCuts:
    words: dict[str, tuple[int, Period | None]] = {}
    for number, (rung, fields) in enumerate(written):
        listed, lasts = fields.get("is"), fields.get("lasts")
        if listed is None:
            if number != unknown:
                raise place.refused(f"the rung {rung.key!r} has no word in `is`")
            continue
        period = None if lasts is None else lasts.period()
        for word in listed.items():
            if word.text() in words:
                raise word.refused(f"{word.text()!r} stands on two rungs")
            words[word.text()] = number, period
    return WordCuts(words, unknown)


_CUTS: dict[Scale, Callable[[Place, Sequence[_Written], int], Any]] = {
    "number": _numbers(doubled=False),
    "ratio": _numbers(doubled=True),
    "period": _periods,
    "word": _words,
}
