"""Rulebooks as data: the committed one is sound, and a faulty one names its fault."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.domain.rulebook_source import InvalidRulebook, parse_rulebook
from tests.support.generators.tier_histories import RFM, RULEBOOK


def test_the_committed_rulebook_is_as_written() -> None:
    assert [tier.key for tier in RULEBOOK.tiers] == ["prospect", "iron", "bronze", "silver", "gold"]
    assert [tier.names["zh"] for tier in RULEBOOK.tiers] == [
        "潜在客户",
        "铁牌",
        "铜牌",
        "银牌",
        "金钻",
    ]
    assert RULEBOOK.recency.ladder.points == (0, 25, 50, 75, 100)
    assert RULEBOOK.recency.ladder.lines[0] == "recency.beyond_P1Y"
    assert RULEBOOK.frequency.cuts == (1, 2, 3, 4, 6)
    assert RULEBOOK.monetary.ladder.lines[-1] == "monetary.at_least_20000"
    assert RULEBOOK.tier_named("silver") == 3
    with pytest.raises(ValueError, match="platinum"):
        RULEBOOK.tier_named("platinum")


@given(st.integers(0, 10_000))
def test_every_score_has_exactly_one_tier_and_ends_are_half_open(score: int) -> None:
    expected = "gold" if score >= 7000 else "silver" if score >= 4000 else "bronze"
    assert RULEBOOK.tiers[RULEBOOK.band_tier(score)].key == expected


@given(st.integers(0, 4), st.integers(0, 5), st.integers(0, 4))
def test_a_score_is_from_0_to_100_and_exact(recency: int, frequency: int, monetary: int) -> None:
    rungs = (recency, frequency, monetary)
    score = RULEBOOK.score(rungs)
    assert 0 <= score <= 10_000
    assert score == sum(
        ladder.weight * ladder.points[rung]
        for ladder, rung in zip(RULEBOOK.ladders, rungs, strict=True)
    )


def at(path: str, value: object) -> dict[str, Any]:
    """The committed rulebook with one field replaced."""
    source: Any = copy.deepcopy(RFM)
    place = source
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    place[last] = value
    return source


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("kind", "matrix", "kind"),
        ("key", " ", "key"),
        ("version", 0, "version"),
        ("version", True, "version"),
        ("tiers", [], "tiers"),
        ("tiers.0.key", "lead", "tiers"),
        ("tiers.4.key", "silver", "tiers"),
        ("tiers.2.names", {"en": "Bronze"}, "tiers[2].names.zh"),
        ("weights.recency", 31, "weights"),
        ("weights.recency", 30.0, "weights.recency"),
        ("weights.recency", -1, "weights.recency"),
        ("recency.levels", {}, "recency.levels"),
        ("recency.levels.0.within", "1 month", "recency.levels[0].within"),
        ("recency.levels.0.within", 31, "recency.levels[0].within"),
        ("recency.levels.1.within", "P1M", "recency.levels[1].within"),
        ("recency.levels.1.within", "P30D", "recency.levels[1].within"),
        ("recency.levels.1.within", "P31D", "recency.levels[1].within"),
        ("recency.levels.1.points", 100, "recency.levels[1].points"),
        ("recency.levels.3.points", 0, "recency.levels[3].points"),
        ("recency.levels.3.pionts", 1, "recency.levels[3].pionts"),
        ("frequency.window", "", "frequency.window"),
        ("frequency.levels.1.at_least", 6, "frequency.levels[1].at_least"),
        ("frequency.levels.4.at_least", 0, "frequency.levels[4].at_least"),
        ("monetary.levels.0.at_least_minor", "200.00", "monetary.levels[0].at_least_minor"),
        ("monetary.levels.0", 5, "monetary.levels[0]"),
        ("bands.0.tier", "platinum", "bands"),
        ("bands.0.tier", "silver", "bands"),
        ("bands.0.at_least", 40, "bands[1].at_least"),
        ("bands.0.at_least", 70.5, "bands[0].at_least"),
        ("bands.0.at_least", "70.005", "bands[0].at_least"),
        ("bands.0.at_least", "NaN", "bands[0].at_least"),
        ("bands.0.at_least", "much", "bands[0].at_least"),
        ("bands.0.at_least", 101, "bands[0].at_least"),
        ("bands.2.at_least", 1, "bands[2].at_least"),
        ("notes", "none", "notes"),
    ],
)
def test_a_fault_is_named_by_its_field(path: str, value: object, field: str) -> None:
    with pytest.raises(InvalidRulebook) as fault:
        parse_rulebook(at(path, value))
    assert fault.value.field == field
    assert fault.value.reason


@pytest.mark.parametrize("missing", ["kind", "tiers", "weights", "recency", "bands"])
def test_a_missing_field_is_named(missing: str) -> None:
    source = {name: value for name, value in RFM.items() if name != missing}
    with pytest.raises(InvalidRulebook) as fault:
        parse_rulebook(source)
    assert fault.value.field == missing


@pytest.mark.parametrize("source", [None, [], "rfm", 1])
def test_what_is_no_object_is_refused(source: object) -> None:
    with pytest.raises(InvalidRulebook, match="rulebook: must be an object"):
        parse_rulebook(source)


def test_equal_sources_give_equal_rulebooks() -> None:
    assert parse_rulebook(json.loads(json.dumps(RFM))) == RULEBOOK
    assert parse_rulebook(at("bands.0.at_least", "70.01")) != RULEBOOK


@pytest.mark.parametrize("path", ["recency.levels", "frequency.levels", "bands", "tiers"])
def test_ten_thousand_rules_are_refused_before_any_is_read(path: str) -> None:
    with pytest.raises(InvalidRulebook) as refused:
        parse_rulebook(at(path, [{}] * 10_000))
    assert (refused.value.field, refused.value.reason) == (path, "must hold 100 at most")
