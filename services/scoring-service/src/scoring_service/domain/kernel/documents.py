"""From a scheme as it is written (JSON) to one that can be trusted, or the field at fault."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import NamedTuple

from scoring_service.domain.kernel.decisions import KINDS as DECISIONS
from scoring_service.domain.kernel.decisions.decision import Decided
from scoring_service.domain.kernel.ladders import Ladder, Rung, parse_ladder, parse_rung
from scoring_service.domain.kernel.measures import KINDS as MEASURES
from scoring_service.domain.kernel.scheme import MOST_CELLS, Scheme, Tier, strides_of
from scoring_service.domain.kernel.source import Place

_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_TIER_OF = "tier_of"
Schemes = Mapping[str, Scheme]


class _Axis(NamedTuple):
    """A ladder of a document, and what it stands on.

    `ladders` is itself alone, or all ladders of the scheme whose tier it reads. `rung_of` has its
    rung for each combination of their rungs.
    """

    rungs: tuple[Rung, ...]
    ladders: tuple[Ladder, ...]
    rung_of: tuple[int, ...]
    is_composed: bool = False
    currency: str | None = None


def compile_scheme(source: object, others: Schemes | None = None) -> Scheme:
    """The scheme in `source`, the decoded JSON of a document, checked to be total and exclusive.

    `others` are the schemes that it may stand on, by key. Raises InvalidDocument with the path of
    the first field at fault; a combination of rungs that has no tier, or two, is named.
    """
    required = ("scheme", "version", "names", "ordered", "tiers", "ladders", "decision")
    top = Place(source).fields(required, ("currency",))
    key = parse_key(top["scheme"])
    tiers = parse_tiers(top["tiers"])
    axes = {
        name: _axis(name, place, others or {}) for name, place in top["ladders"].entries().items()
    }
    if not axes:
        raise top["ladders"].refused("must have a ladder")
    _refuse_large(top["ladders"], axes)
    keys = tuple(tier.key for tier in tiers)
    by = top["decision"].entries().get("by", Place(None, "decision.by")).word(DECISIONS)
    decided = DECISIONS[by](
        top["decision"], {name: axis.rungs for name, axis in axes.items()}, keys
    )
    _refuse_unreached(top["tiers"], keys, decided)
    cells = _cells(list(axes.values()))
    ladders = tuple(ladder for axis in axes.values() for ladder in axis.ladders)
    scores = decided.scores
    return Scheme(
        key=key,
        version=top["version"].integer(1, 2**31 - 1),
        names=top["names"].names(),
        currency=_currency(top.get("currency"), axes),
        ordered=top["ordered"].flag(),
        tiers=tiers,
        ladders=ladders,
        strides=strides_of([len(ladder.rungs) for ladder in ladders]),
        tier_table=tuple(decided.tiers[cell] for cell in cells),
        score_table=None if scores is None else tuple(scores[cell] for cell in cells),
        earned=_earned(list(axes.values()), decided),
    )


def compile_together(sources: Iterable[object], known: Schemes | None = None) -> dict[str, Scheme]:
    """The schemes of some documents that may stand on each other, in any order, and on those that
    are known; InvalidDocument, also for a circle."""
    waiting = {Place(source).entries()["scheme"].text(): source for source in sources}
    compiled = dict(known or {})
    for key in waiting:
        _compile_below(key, waiting, compiled, ())
    return {key: compiled[key] for key in waiting}


def _compile_below(
    key: str, waiting: Mapping[str, object], compiled: dict[str, Scheme], above: tuple[str, ...]
) -> None:
    """Compile what the scheme stands on, then itself."""
    if key in compiled or key not in waiting:
        return
    document = Place(waiting[key])
    ladders = document.entries().get("ladders", Place({}))
    for ladder in ladders.entries().values():
        other = ladder.entries().get("scheme")
        if other is None:
            continue
        if other.text() in (*above, key):
            circle = " -> ".join((*above, key, other.text()))
            raise other.refused(f"schemes stand on each other in a circle: {circle}")
        _compile_below(other.text(), waiting, compiled, (*above, key))
    compiled[key] = compile_scheme(waiting[key], compiled)


def parse_key(place: Place) -> str:
    """The key of a scheme; InvalidDocument."""
    key = place.text()
    if not _KEY.fullmatch(key):
        raise place.refused("must be of small letters, digits and _, such as rfm_need")
    return key


def parse_tiers(place: Place) -> tuple[Tier, ...]:
    """The tiers of a scheme, in their order, each key once; InvalidDocument."""
    tiers: list[Tier] = []
    for item in place.items():
        fields = item.fields(("key", "names", "source"))
        tier = Tier(fields["key"].text(), fields["names"].names(), fields["source"].text())
        if tier.key in [each.key for each in tiers]:
            raise fields["key"].refused(f"two tiers are called {tier.key!r}")
        tiers.append(tier)
    return tuple(tiers)


def _axis(name: str, place: Place, others: Schemes) -> _Axis:
    measure = place.entries().get("measure", Place(None, f"{place.path}.measure"))
    if measure.word((*MEASURES, _TIER_OF)) == _TIER_OF:
        return _axis_on(name, place, others)
    ladder = parse_ladder(name, place)
    return _Axis(ladder.rungs, (ladder,), tuple(range(len(ladder.rungs))))


def _axis_on(name: str, place: Place, others: Schemes) -> _Axis:
    """A ladder that stands on the tier of another scheme: on that scheme's ladders, in truth."""
    fields = place.fields(("measure", "scheme", "rungs"))
    other = others[fields["scheme"].word(others)]
    rungs: list[Rung] = []
    rung_of: dict[str, int] = {}
    for number, item in enumerate(fields["rungs"].items()):
        rung = item.fields(("key", "names", "source", "is"))
        rungs.append(parse_rung(rung, rungs))
        for each in rung["is"].items():
            if each.word(other.tier_keys()) in rung_of:
                raise each.refused(f"{each.text()!r} stands on two rungs")
            rung_of[each.text()] = number
    for tier in other.tier_keys():
        if tier not in rung_of:
            raise fields["rungs"].refused(f"no rung is for {tier!r} of the scheme {other.key!r}")
    ladders = tuple(replace(each, name=f"{name}.{each.name}") for each in other.ladders)
    on_cell = tuple(rung_of[other.tiers[tier].key] for tier in other.tier_table)
    return _Axis(tuple(rungs), ladders, on_cell, is_composed=True, currency=other.currency)


def _refuse_large(place: Place, axes: Mapping[str, _Axis]) -> None:
    cells = prod(len(axis.rung_of) for axis in axes.values())
    if cells > MOST_CELLS:
        sizes = ", ".join(f"{name} {len(axis.rung_of):,}" for name, axis in axes.items())
        raise place.refused(
            f"make {cells:,} combinations ({sizes}), {MOST_CELLS:,} at most: take rungs away, or"
            " a ladder"
        )


def _refuse_unreached(place: Place, keys: Sequence[str], decided: Decided) -> None:
    reached = set(decided.tiers)
    for number, key in enumerate(keys):
        if number not in reached:
            tier = Place(key, f"{place.path}[{number}].key")
            raise tier.refused(f"no combination of rungs leads to {key!r}: add one, or take it out")


def parse_currency(place: Place | None, *, is_money: bool) -> str | None:
    """The currency of what is measured; a document without money has none. InvalidDocument."""
    if place is None:
        if is_money:
            raise Place(None, "currency").refused("is missing: the cuts of a ladder are money")
        return None
    code = place.text()
    if not _CURRENCY.fullmatch(code):
        raise place.refused("must be an ISO 4217 code, such as CNY")
    if not is_money:
        raise place.refused("no ladder measures money: take the field out")
    return code


def _currency(place: Place | None, axes: Mapping[str, _Axis]) -> str | None:
    """The currency of the cuts, and of the schemes that the document stands on."""
    below = {axis.currency for axis in axes.values() if axis.currency is not None}
    measured = any(ladder.is_money for axis in axes.values() for ladder in axis.ladders)
    code = parse_currency(place, is_money=bool(below) or measured)
    if place is not None and below - {code}:
        raise place.refused(f"a ladder stands on a scheme in {', '.join(below - {code})}")
    return code


def _cells(axes: Sequence[_Axis]) -> list[int]:
    """For each combination of all ladders' rungs, those of other schemes included, the combination
    of the document's own."""
    strides = strides_of([len(axis.rungs) for axis in axes])
    shares = [
        [rung * stride for rung in axis.rung_of] for axis, stride in zip(axes, strides, strict=True)
    ]
    return [sum(places) for places in product(*shares)]


def _earned(axes: Sequence[_Axis], decided: Decided) -> tuple[tuple[int, ...], ...]:
    """The points of each ladder's rungs; a ladder of another scheme earns none by itself."""
    if decided.earned is None:
        return tuple(() for axis in axes for _ in axis.ladders)
    return tuple(
        () if axis.is_composed else points
        for axis, points in zip(axes, decided.earned, strict=True)
        for _ in axis.ladders
    )
