"""A grading of a shape that no built-in has, written as a document alone (S3-38)."""

from datetime import date, timedelta
from random import Random
from typing import Any

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.documents import compile_scheme
from scoring_service.domain.kernel.moments import day_of, end_of, midnight_of
from scoring_service.domain.kernel.timeline import direction, next_transition, stand, transitions
from tests.support.generators.scheme_histories import history, told
from tests.support.oracles.schemes import Look, tier_by

NAMES = {"en": "name", "zh": "名称"}


def rung(key: str, **cut: Any) -> dict[str, Any]:
    return {"key": key, "names": NAMES, "source": "ours", **cut}


CARE_LOAD: dict[str, Any] = {
    "scheme": "care_load",
    "version": 1,
    "names": NAMES,
    "ordered": False,
    "currency": "CNY",
    "tiers": [
        {"key": key, "names": NAMES, "source": "ours"}
        for key in ("resting", "regular", "intense", "costly", "waiting")
    ],
    "ladders": {
        "price": {
            "measure": "ratio",
            "of": ["net"],
            "to": ["completed"],
            "within": "P5M10D",
            "rungs": [
                rung("unknown", unknown=True),
                rung("usual"),
                rung("dear", above=5_000_000),
            ],
        },
        "weeks": {
            "measure": "count",
            "of": ["completed", "consulted"],
            "within": "P3W",
            "rungs": [rung("none"), rung("one", at_least=1), rung("two", above=1)],
        },
        "due": {
            "measure": "sum",
            "of": ["due"],
            "within": "P1M",
            "rungs": [rung("none"), rung("some", above=0)],
        },
        "pace": {
            "measure": "gap_multiple",
            "of": ["completed"],
            "rungs": [rung("quick", unknown=True), rung("slow", at_least=150)],
        },
        "ahead": {"measure": "ahead", "rungs": [rung("none"), rung("some", at_least=1)]},
    },
    "decision": {
        "by": "rules",
        "rules": [
            {"tier": "waiting", "source": "ours", "when": {"ahead": "some", "weeks": "none"}},
            {"tier": "costly", "source": "ours", "when": {"price": "dear", "due": "some"}},
            {"tier": "intense", "source": "ours", "when": {"weeks": "two", "pace": "quick"}},
            {"tier": "regular", "source": "ours", "when": {"weeks": "one.."}},
            {"tier": "resting", "source": "ours"},
        ],
    },
}


def test_its_next_transition_is_right_at_every_midnight() -> None:
    scheme = compile_scheme(CARE_LOAD)
    moved = 0
    for number in range(3):
        arrivals = history(CARE_LOAD, Random(f"care_load/{number}"))
        known = [arrival.fact for arrival in arrivals]
        facts = Digest()
        for fact in known:
            told(facts, fact)
        first = min((fact.on for fact in known), default=date(2026, 1, 1))
        tiers = _tiers_by_day(known, first, 430)
        for day in range(400):
            today = first.toordinal() + day
            now = stand(scheme, facts, today, today)
            assert scheme.tiers[now.tier].key == tiers[2 * day + 1][1]
            coming = next_transition(scheme, facts, now)
            later = tiers[2 * day + 2 :]
            expected = next((each for each in later if each[1] != tiers[2 * day + 1][1]), None)
            found = None if coming is None else (coming.moment, scheme.tiers[coming.after].key)
            assert found is None or day_of(found[0]) <= today + 430
            if expected is not None:
                assert found == expected, (number, day)
                moved += 1
    assert moved > 50


def _tiers_by_day(known: list[Any], first: date, days: int) -> list[tuple[int, str]]:
    """(moment, the oracle's tier) of every midnight and every end of a day."""
    tiers = []
    for day in range(days):
        today = first + timedelta(days=day)
        yesterday = today - timedelta(days=1)
        for moment, through in ((midnight_of, yesterday), (end_of, today)):
            tier, _ = tier_by(CARE_LOAD, Look(known, today, through), {})
            tiers.append((moment(today.toordinal()), tier))
    return tiers


def test_the_next_transitions_follow_each_other() -> None:
    scheme = compile_scheme(CARE_LOAD)
    facts = Digest()
    today = date(2026, 3, 2).toordinal()
    facts.put("completed", today - 1, 1)
    facts.put("completed", today, 1)
    facts.put("booked", today + 30, 1)
    now = stand(scheme, facts, today, today)
    steps = transitions(scheme, facts, now, 9)
    assert [(step.moment, scheme.tiers[step.after].key) for step in steps] == [
        (midnight_of(today + 21), "regular"),
        (midnight_of(today + 22), "waiting"),
        (midnight_of(today + 30), "resting"),
    ]
    assert transitions(scheme, facts, now, 2) == steps[:2]
    assert direction(scheme, steps[0].before, steps[0].after) == "moved"
    assert direction(scheme, None, 0) == "entered"


def test_a_day_that_the_calendar_never_had_ends_on_the_next() -> None:
    scheme = compile_scheme(CARE_LOAD)
    facts = Digest()
    today = date(2026, 3, 2).toordinal()
    facts.put("completed", today, 1)
    now = stand(scheme, facts, today, today)
    coming = next_transition(scheme, facts, now, frozenset({today + 22}))
    assert coming is not None
    assert coming.moment == midnight_of(today + 23)
