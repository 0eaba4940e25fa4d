"""From a rank scheme as it is written (JSON) to one that can be trusted, or the field at fault."""

from collections.abc import Collection, Mapping
from functools import partial

from scoring_service.domain.kernel.cuts import NumberCuts
from scoring_service.domain.kernel.decisions.conditions import parse_rungs, refuse_unknown
from scoring_service.domain.kernel.documents import parse_currency, parse_key, parse_tiers
from scoring_service.domain.kernel.ladders import parse_ladder, rung_keys
from scoring_service.domain.kernel.measures import KINDS
from scoring_service.domain.kernel.measures.measure import Kind
from scoring_service.domain.kernel.rank import Population, RankScheme
from scoring_service.domain.kernel.source import Fields, Place

_MOST_CLIENTS = 10_000_000
_EVERYBODY = "all"
_UNCUT = NumberCuts((), (0,), 0)
_NUMBERS = tuple(sorted(key for key, kind in KINDS.items() if kind.scale == "number"))


def is_rank(source: object) -> bool:
    """Whether a decoded document is one of a rank scheme, right or wrong."""
    decision = source.get("decision") if isinstance(source, Mapping) else None
    return isinstance(decision, Mapping) and decision.get("by") == "rank"


def compile_rank(source: object, others: Collection[str]) -> RankScheme:
    """The rank scheme in `source`, the decoded JSON of a document.

    `others` are the keys of the schemes that outreach may go by while nobody is ranked. Raises
    InvalidDocument with the path of the first field at fault.
    """
    required = ("scheme", "version", "names", "ordered", "tiers", "ladders", "decision")
    top = Place(source).fields(required, ("currency",))
    key = parse_key(top["scheme"])
    if not top["ordered"].flag():
        raise top["ordered"].refused("must be true: a rank has an order")
    tiers = parse_tiers(top["tiers"])
    ladders = top["ladders"].entries()
    top["decision"].entries().get("by", Place(None, "decision.by")).word(("rank",))
    decision = top["decision"].fields(
        ("by", "of", "population", "shares", "least", "fallback", "band_percent", "source")
    )
    decision["source"].text()
    ranked = decision["of"].word(ladders)
    population = _population(decision["population"], ranked, ladders)
    _refuse_unread(ladders, ranked, population)
    kind, fields = _ranked(ladders[ranked])
    return RankScheme(
        key=key,
        version=top["version"].integer(1, 2**31 - 1),
        names=top["names"].names(),
        currency=parse_currency(top.get("currency"), is_money=kind.is_money),
        tiers=tiers,
        percents=_percents(decision["shares"], [tier.key for tier in tiers]),
        ladder=ranked,
        measure=partial(kind.build, fields),
        uncut=kind.build(fields, _UNCUT),
        population=population,
        least=decision["least"].integer(1, _MOST_CLIENTS),
        fallback=decision["fallback"].word(tuple(others)),
        band_percent=decision["band_percent"].integer(0, 100),
    )


def _ranked(place: Place) -> tuple[Kind, Fields]:
    """The measure that is ranked; it has no rungs, since the cut-offs of a day make them."""
    measure = place.entries().get("measure", Place(None, f"{place.path}.measure"))
    kind = KINDS[measure.word(_NUMBERS)]
    if "rungs" in place.entries():
        raise place.entries()["rungs"].refused("a measure that is ranked has none: take it out")
    fields = place.fields(("measure", *kind.required), kind.optional)
    return kind, fields


def _population(place: Place, ranked: str, ladders: Mapping[str, Place]) -> Population | None:
    """Who is ranked: "all", or those on some rungs of a ladder."""
    if isinstance(place.value, str):
        place.word((_EVERYBODY,))
        return None
    fields = place.fields(("ladder", "is"))
    known = tuple(name for name in ladders if name != ranked)
    name = fields["ladder"].word(known)
    ladders[name].entries().get("measure", Place(None, f"{ladders[name].path}.measure")).word(KINDS)
    ladder = parse_ladder(name, ladders[name])
    return Population(ladder, parse_rungs(fields["is"], rung_keys(ladder.rungs)))


def _refuse_unread(
    ladders: Mapping[str, Place], ranked: str, population: Population | None
) -> None:
    read = (ranked,) if population is None else (ranked, population.ladder.name)
    refuse_unknown(ladders, read, "ladder of this decision")


def _percents(place: Place, keys: list[str]) -> tuple[int, ...]:
    """The share of each tier, low to high; they are written best first, as one reads a pyramid."""
    percents: list[int] = []
    written = place.items()
    if len(written) != len(keys):
        raise place.refused(f"must give each of the {len(keys)} tiers a share")
    for item, key in zip(written, reversed(keys), strict=True):
        fields = item.fields(("tier", "percent", "source"))
        fields["source"].text()
        if fields["tier"].text() != key:
            raise fields["tier"].refused(f"must be {key!r}: shares run from the best tier down")
        percents.append(fields["percent"].integer(1, 100))
    if sum(percents) != 100:
        raise place.refused(f"must sum to 100, not {sum(percents)}")
    return tuple(reversed(percents))
