"""Each mistake in the document of a rank scheme is refused by the path of its field."""

from copy import deepcopy
from typing import Any

import pytest

from scoring_service.domain.kernel.documents import compile_scheme
from scoring_service.domain.kernel.rank_documents import compile_rank, is_rank
from scoring_service.domain.kernel.source import InvalidDocument
from tests.support.generators.rank_practices import RANK_DOCUMENTS
from tests.support.generators.scheme_histories import DOCUMENTS, SCHEMES
from tests.unit.scoring_service.kernel.test_refusals import Change, more, put

SHARE = {"tier": "top", "percent": 1, "source": "ours"}
COUNT = {"measure": "count", "of": ["completed"], "rungs": []}
WORD, OTHER, RATIO = ({"measure": each} for each in ("attribute", "tier_of", "ratio"))

REFUSED: list[tuple[str, Change, str, str]] = [
    ("pyramid_all", put("scheme", "Top 5"), "scheme", "small letters"),
    ("pyramid_all", put("ordered", bool(0)), "ordered", "must be true"),
    ("pyramid_all", put("names.zh", ...), "names.zh", "is missing"),
    ("pyramid_all", put("currency", ...), "currency", "are money"),
    ("pyramid_all", put("tiers.1.key", "small"), "tiers[1].key", "two tiers"),
    ("pyramid_all", put("decision.by", "cells"), "decision.by", "known: rank"),
    ("pyramid_all", put("decision.least", ...), "decision.least", "is missing"),
    ("pyramid_all", put("decision.least", 0), "decision.least", "integer from 1"),
    ("pyramid_all", put("decision.band_percent", 101), "decision.band_percent", "from 0 to 100"),
    ("pyramid_all", put("decision.fallback", "rank"), "decision.fallback", "'rank' is unknown"),
    ("pyramid_all", put("decision.source", ""), "decision.source", "text"),
    ("pyramid_all", put("decision.of", "gross"), "decision.of", "'gross' is unknown"),
    ("pyramid_all", put("decision.population", "some"), "decision.population", "known: all"),
    ("pyramid_all", put("decision.shares.0.percent", 6), "decision.shares", "sum to 100, not 101"),
    ("pyramid_all", put("decision.shares.0.percent", 0), "decision.shares[0].percent", "from 1"),
    ("pyramid_all", put("decision.shares.0.source", ...), "decision.shares[0].source", "missing"),
    ("pyramid_all", put("decision.shares.0.tier", "big"), "decision.shares[0].tier", "be 'vip'"),
    ("pyramid_all", put("decision.shares.3", ...), "decision.shares", "each of the 4 tiers"),
    ("pyramid_all", more("decision.shares", SHARE), "decision.shares", "each of the 4 tiers"),
    ("pyramid_all", put("ladders.net.rungs", []), "ladders.net.rungs", "take it out"),
    ("pyramid_all", put("ladders.net.within", "1Y"), "ladders.net.within", "ISO 8601"),
    ("pyramid_all", put("ladders.net.measure", ...), "ladders.net.measure", "text"),
    *(
        ("pyramid_all", put("ladders.net", each), "ladders.net.measure", "known: ahead")
        for each in (WORD, OTHER, RATIO)
    ),
    ("pyramid_all", put("ladders.hours", COUNT), "ladders.hours", "no ladder of this decision"),
    (
        "pyramid_active",
        put("decision.population", "all"),
        "ladders.active",
        "no ladder of this decision",
    ),
    (
        "pyramid_active",
        put("decision.population.ladder", "net"),
        "decision.population.ladder",
        "known: active",
    ),
    (
        "pyramid_active",
        put("decision.population.is", "P2Y"),
        "decision.population.is",
        "'P2Y' is unknown",
    ),
    (
        "pyramid_active",
        put("ladders.active.rungs.2.within", ...),
        "ladders.active.rungs",
        "two rungs have no",
    ),
    ("pyramid_active", put("ladders.active", OTHER), "ladders.active.measure", "'tier_of' is"),
]


@pytest.mark.parametrize(
    ("key", "change", "field", "reason"),
    REFUSED,
    ids=[f"{key}-{field}-{number}" for number, (key, _, field, _) in enumerate(REFUSED)],
)
def test_a_mistake_is_refused_by_its_path(
    key: str, change: Change, field: str, reason: str
) -> None:
    document: dict[str, Any] = deepcopy(RANK_DOCUMENTS[key])
    change(document)
    with pytest.raises(InvalidDocument) as refused:
        compile_rank(document, SCHEMES)
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_a_document_says_whether_it_is_of_a_rank() -> None:
    assert all(is_rank(document) for document in RANK_DOCUMENTS.values())
    assert not any(is_rank(document) for document in DOCUMENTS.values())
    others: list[object] = [None, [], {"decision": "rank"}, {"by": "rank"}]
    assert not any(is_rank(other) for other in others)


def test_each_kind_of_document_is_refused_by_the_other() -> None:
    with pytest.raises(InvalidDocument, match=r"^decision\.by: 'cells' is unknown"):
        compile_rank(DOCUMENTS["value"], SCHEMES)
    with pytest.raises(InvalidDocument):
        compile_scheme(RANK_DOCUMENTS["pyramid_all"], SCHEMES)
