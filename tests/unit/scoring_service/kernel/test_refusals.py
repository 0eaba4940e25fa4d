"""Each mistake in a document is refused by the path of its field, with the reason and a witness."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from scoring_service.domain.kernel.documents import compile_scheme, compile_together
from scoring_service.domain.kernel.source import InvalidDocument
from tests.support.generators.scheme_histories import DOCUMENTS, SCHEMES

Change = Callable[[dict[str, Any]], object]
YES, NO = True, False
NAMES = {"en": "name", "zh": "名称"}


def put(path: str, value: Any) -> Change:
    """Put a value at a path such as `ladders.R.rungs.2.within`; `...` takes the field out."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in above:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


def more(path: str, value: Any) -> Change:
    """Add a value to the list at a path."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for part in path.split("."):
            place = place[part]
        place.append(value)

    return change


def rungs(number: int) -> list[dict[str, Any]]:
    named = {"names": NAMES, "source": "ours"}
    return [
        {"key": "none", **named},
        *({"key": str(n), "at_least": n, **named} for n in range(1, number)),
    ]


REFUSED: list[tuple[str, Change, str, str]] = [
    ("value", put("scheme", "Value!"), "scheme", "small letters"),
    ("value", put("version", 0), "version", "integer from 1"),
    ("value", put("ordered", 1), "ordered", "true or false"),
    ("value", put("names", {"en": "Value"}), "names.zh", "is missing"),
    ("value", put("tires", []), "tires", "is unknown; known here: scheme"),
    ("value", put("currency", ...), "currency", "are money"),
    ("value", put("currency", "yuan"), "currency", "ISO 4217"),
    ("trend", put("currency", "CNY"), "currency", "no ladder measures money"),
    ("value", put("tiers", []), "tiers", "not empty"),
    ("value", put("tiers.1.key", "low"), "tiers[1].key", "two tiers"),
    ("value", put("tiers.0.source", ""), "tiers[0].source", "text"),
    (
        "value",
        more("tiers", {"key": "top", "names": NAMES, "source": "ours"}),
        "tiers[3].key",
        "no combination of rungs leads to 'top'",
    ),
    ("value", put("ladders", {}), "ladders", "must have a ladder"),
    ("value", put("ladders.net.measure", "magic"), "ladders.net.measure", "known: ahead"),
    ("value", put("ladders.net.measure", ...), "ladders.net.measure", "text"),
    ("value", put("ladders.net.within", "1Y"), "ladders.net.within", "ISO 8601"),
    (
        "value",
        put("ladders.net.rungs.2.above", 99_999),
        "ladders.net.rungs[2].above",
        "must lie above",
    ),
    ("value", put("ladders.net.rungs.1.above", 5), "ladders.net.rungs[1].above", "beside at_least"),
    (
        "value",
        put("ladders.net.rungs.1.at_least", "1,000"),
        "ladders.net.rungs[1].at_least",
        "integer",
    ),
    ("value", put("ladders.net.rungs.1.at_least", ...), "ladders.net.rungs", "two rungs have no"),
    ("value", put("ladders.net.rungs.0.at_least", 1), "ladders.net.rungs", "no rung has no"),
    ("value", put("ladders.net.rungs.1.key", "low"), "ladders.net.rungs[1].key", "two rungs"),
    ("value", put("ladders.net.rungs.0.key", "mid.."), "ladders.net.rungs[0].key", "must not end"),
    (
        "value",
        put("ladders.net.rungs.0.unknown", YES),
        "ladders.net.rungs[0].unknown",
        "always known",
    ),
    ("rfm", put("ladders.R.rungs.0.unknown", NO), "ladders.R.rungs", "one rung must say"),
    ("rfm", put("ladders.R.rungs.1.unknown", YES), "ladders.R.rungs[1].unknown", "two rungs"),
    ("rfm", put("ladders.R.rungs.3.within", "P2Y"), "ladders.R.rungs[3].within", "must be shorter"),
    (
        "rfm",
        put("ladders.R.rungs.5.within", "P92D"),
        "ladders.R.rungs[5].within",
        "must be shorter",
    ),
    ("rfm", put("ladders.R.which", "next"), "ladders.R.which", "known: first, last"),
    ("rfm", put("ladders.R.of", ["mood"]), "ladders.R.of[0]", "'mood' is unknown"),
    ("rfm", put("ladders.F.of", ["net"]), "ladders.F.of[0]", "'net' is unknown"),
    ("rfm", put("ladders.F.of", ["no_show", "no_show"]), "ladders.F.of[1]", "twice"),
    ("trend", put("ladders.halves.slices", ["P6M"]), "ladders.halves.slices", "2 nested"),
    (
        "trend",
        put("ladders.quarters.slices.1", "P90D"),
        "ladders.quarters.slices[1]",
        "longer than",
    ),
    (
        "need",
        put("ladders.type.rungs.2.is", ["returning"]),
        "ladders.type.rungs[2].is[0]",
        "two rungs",
    ),
    ("need", put("ladders.type.rungs.2.is", ...), "ladders.type.rungs", "no word in `is`"),
    ("value", put("decision.by", "magic"), "decision.by", "known: cells, points, rules"),
    ("value", put("decision.by", ...), "decision.by", "text"),
    ("value", put("decision.of", ["gross"]), "decision.of[0]", "'gross' is unknown"),
    ("value", put("decision.cells.2.when", {"net": "mid"}), "decision.cells[2]", "has net=mid"),
    ("value", put("decision.cells.2", ...), "decision.cells", "no cell has net=high"),
    (
        "value",
        put("decision.cells.2.tier", "top"),
        "decision.cells[2].tier",
        "known: low, mid, high",
    ),
    ("value", put("decision.cells.0.when", {}), "decision.cells[0].when", "must name a ladder"),
    ("value", put("decision.cells.0.when", {"n": "low"}), "decision.cells[0].when.n", "no ladder"),
    (
        "value",
        put("decision.cells.0.when.net", "lo.."),
        "decision.cells[0].when.net",
        "'lo' is unknown",
    ),
    (
        "rfm_need",
        put("decision.rules.6.when", {"R": "P3M"}),
        "decision.rules[6].when",
        "catch the rest",
    ),
    (
        "rfm_need",
        put("decision.rules.1.when", {"R": "P3M", "F": "3", "M": "high", "N": "clear"}),
        "decision.rules[1]",
        "decides nobody",
    ),
    ("rfm", put("decision.weights.R", 31), "decision.weights", "must sum to 100, not 101"),
    ("rfm", put("decision.weights.Z", 31), "decision.weights.Z", "no ladder is called 'Z'"),
    ("rfm", put("decision.points.R.P2M", 31), "decision.points.R.P2M", "no rung is called"),
    ("rfm", put("decision.points.R.P1M", 101), "decision.points.R.P1M", "integer from 1 to 100"),
    ("rfm", put("decision.points.M", ...), "decision.points", "'M' has a weight and no points"),
    ("rfm", put("decision.points.Z", {}), "decision.points.Z", "no ladder is called 'Z'"),
    *(
        (
            "rfm",
            put("decision.bands.2.at_least", hostile),
            "decision.bands[2].at_least",
            "two decim",
        )
        for hostile in ("1e999999", "1e9999999999999999999", "NaN", "-Infinity", "eighty", -1, YES)
    ),
    ("rfm", put("decision.bands.2.at_least", 50), "decision.bands[2].at_least", "above the band"),
    (
        "rfm",
        put("decision.bands.2.at_least", "50.001"),
        "decision.bands[2].at_least",
        "two decimals",
    ),
    ("rfm", put("decision.bands.2.at_least", 80.5), "decision.bands[2].at_least", "two decimals"),
    ("rfm", put("decision.bands.2.tier", "iron"), "decision.bands[2].tier", "better tier"),
    ("rfm", put("decision.bands.0.at_least", 1), "decision.bands[0].at_least", "is unknown"),
    ("rfm", put("decision.first.1.when", {"R": "never"}), "decision.first[1]", "decides nobody"),
    (
        "value_need_potential",
        put("ladders.need.scheme", "needs"),
        "ladders.need.scheme",
        "'needs' is",
    ),
    (
        "value_need_potential",
        put("ladders.need.rungs.0.is", ["x"]),
        "ladders.need.rungs[0].is[0]",
        "'x' is",
    ),
    (
        "value_need_potential",
        put("ladders.need.rungs.1.is", ["unknown"]),
        "ladders.need.rungs[1].is[0]",
        "two rungs",
    ),
    (
        "value_need_potential",
        put("ladders.need.rungs.3.is", ["returning"]),
        "ladders.need.rungs[3].is[0]",
        "two rungs",
    ),
    (
        "value_need_potential",
        put("ladders.need.rungs.1.key", "unknown"),
        "ladders.need.rungs[1].key",
        "two rungs are called 'unknown'",
    ),
    (
        "value_need_potential",
        put("ladders.need.rungs.1.key", "short.."),
        "ladders.need.rungs[1].key",
        "must not end with",
    ),
    (
        "value_need_potential",
        put("ladders.value.rungs.2", ...),
        "ladders.value.rungs",
        "no rung is for 'high'",
    ),
    ("value_need_potential", put("currency", "EUR"), "currency", "a scheme in CNY"),
    (
        "scorecard",
        put("ladders.engagement.rungs", rungs(14)),
        "ladders",
        "make 21,000 combinations (value 5",
    ),
]


@pytest.mark.parametrize(
    ("key", "change", "field", "reason"),
    REFUSED,
    ids=[f"{key}-{field}-{number}" for number, (key, _, field, _) in enumerate(REFUSED)],
)
def test_a_mistake_is_refused_by_its_path(
    key: str, change: Change, field: str, reason: str
) -> None:
    document = deepcopy(DOCUMENTS[key])
    change(document)
    with pytest.raises(InvalidDocument) as refused:
        compile_scheme(document, SCHEMES)
    assert refused.value.field == field
    assert reason in refused.value.reason


@pytest.mark.parametrize("document", [None, [], "rfm", 5])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(InvalidDocument, match=r"^document: must be an object$"):
        compile_scheme(document)


def test_schemes_in_a_circle_are_refused() -> None:
    outer, inner = deepcopy(DOCUMENTS["value_need_potential"]), deepcopy(DOCUMENTS["need"])
    inner["ladders"]["type"] = {
        "measure": "tier_of",
        "scheme": "value_need_potential",
        "rungs": [{"key": "all", "names": NAMES, "source": "ours", "is": ["high_unknown_none"]}],
    }
    with pytest.raises(InvalidDocument) as refused:
        compile_together([outer, DOCUMENTS["value"], DOCUMENTS["potential"], inner])
    assert refused.value.field == "ladders.type.scheme"
    assert "value_need_potential -> need -> value_need_potential" in refused.value.reason


def test_the_widest_table_has_20_000_cells() -> None:
    document = deepcopy(DOCUMENTS["scorecard"])
    document["ladders"]["referrals"]["rungs"] = rungs(4)
    document["ladders"]["engagement"]["rungs"] = rungs(10)
    document["decision"]["points"] |= {"referrals": {"1": 60}, "engagement": {"1": 25}}
    assert len(compile_scheme(document).tier_table) == 20_000


def test_documents_of_schemes_are_read_in_any_order() -> None:
    documents = [DOCUMENTS[key] for key in ("value_need_potential", "potential", "need", "value")]
    compiled = compile_together(documents)
    assert compiled["value_need_potential"].tier_table == SCHEMES["value_need_potential"].tier_table
    assert [ladder.name for ladder in compiled["value_need_potential"].ladders][:3] == [
        "value.net",
        "need.type",
        "potential.hours",
    ]
