"""Measures by example: what the random clients would seldom tell apart."""

from datetime import date
from typing import Any

import pytest

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.assessment import Line, WayUp, assess
from scoring_service.domain.kernel.facts import Said
from scoring_service.domain.kernel.ladders import parse_ladder
from scoring_service.domain.kernel.measures.slices import change, variation
from scoring_service.domain.kernel.moments import end_of, midnight_of
from scoring_service.domain.kernel.source import Place
from scoring_service.domain.kernel.window import NEVER
from tests.support.generators.scheme_histories import SCHEMES

DAY = date(2026, 6, 30).toordinal()
NAMED = {"names": {"en": "name", "zh": "名称"}, "source": "ours"}


def falls(measure: dict[str, Any], facts: Digest, today: int = DAY) -> tuple[str, list[Any]]:
    """The key of the rung on which the ladder stands, and its falls."""
    rungs = [{**NAMED, **rung} for rung in measure.pop("rungs")]
    ladder = parse_ladder("x", Place({**measure, "rungs": rungs}, "ladders.x"))
    reading = ladder.measure.read(facts, today, today)
    coming = ladder.measure.falls(facts, today, today, reading, NEVER)
    return ladder.rungs[reading[0]].key, [(at, ladder.rungs[rung].key) for at, rung in coming]


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ((120, 100), 240),  # 1.2 exactly
        ((1_199, 1_000), 239),  # a little less than 1.20, more than 1.19
        ((1_201, 1_000), 241),
        ((-1, 3), -67),  # -0.33..., between -0.34 and -0.33
        ((5, 0), None),
        ((5, -1), None),
    ],
)
def test_a_change_is_exact(slices: tuple[int, int], expected: int | None) -> None:
    assert change(slices) == expected


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ((3, 1, 3, 1), 100),  # a deviation of 1 over a mean of 2: 0.50 exactly
        ((5, 5, 5, 5), 0),
        ((301, 100, 301, 100), 101),  # a little more than 0.50
        ((1, 0, 0, 0), 347),  # the root of 3: 1.7320...
        ((1, 0, -1, 0), None),
        ((0, 0, 0, 0), None),
    ],
)
def test_a_variation_is_exact(slices: tuple[int, ...], expected: int | None) -> None:
    assert variation(slices) == expected


def test_two_kinds_of_days_are_never_a_mixture() -> None:
    """A refund of a day takes its payment's day back, not the hour of the same day."""
    facts = Digest()
    facts.put("completed", DAY - 10, 1)
    facts.put("settled", DAY - 5, 900)
    measure = {
        "measure": "days_since",
        "which": "last",
        "of": ["completed", "net"],
        "rungs": [
            {"key": "never", "unknown": True},
            {"key": "older"},
            {"key": "P7D", "within": "P7D"},
        ],
    }
    assert falls(dict(measure), facts) == ("P7D", [(midnight_of(DAY + 3), "older")])
    facts.put("refunded", DAY - 5, 900)
    assert falls(dict(measure), facts) == ("older", [])
    facts.put("completed", DAY - 10, -1)
    assert falls(dict(measure), facts) == ("never", [])


def test_half_a_year_twice_is_not_a_year() -> None:
    """31 August and half a year is 28 February; a year's window ends on 31 August all the same."""
    facts = Digest()
    facts.put("settled", date(2025, 8, 31).toordinal(), 100)
    facts.put("settled", date(2026, 8, 1).toordinal(), 100)
    measure = {
        "measure": "change",
        "of": ["net"],
        "slices": ["P6M", "P1Y"],
        "rungs": [{"key": "unknown", "unknown": True}, {"key": "known"}],
    }
    found = falls(measure, facts, date(2026, 8, 2).toordinal())
    assert found == (
        "known",
        [
            (midnight_of(date(2026, 9, 1).toordinal()), "unknown"),
            (midnight_of(date(2027, 2, 2).toordinal()), "known"),
            (midnight_of(date(2027, 8, 2).toordinal()), "unknown"),
        ],
    )


@pytest.mark.parametrize(
    ("cut", "first_day"), [({"above": 200}, 15), ({"at_least": 200}, 14), ({"above": 150}, 11)]
)
def test_silence_goes_by_the_clients_own_lower_median(cut: dict[str, int], first_day: int) -> None:
    facts = Digest()
    for day in (DAY - 40, DAY - 33, DAY - 10, DAY - 3, DAY):
        facts.put("completed", day, 1)  # gaps of 3, 7, 7 and 23
    facts.put("completed", DAY - 3, -1)
    facts.put("completed", DAY - 7, 1)  # now of 3, 7, 7 and 23 in another order
    measure = {
        "measure": "gap_multiple",
        "of": ["completed"],
        "rungs": [{"key": "unknown", "unknown": True}, {"key": "usual"}, {"key": "long", **cut}],
    }
    assert falls(measure, facts) == ("usual", [(midnight_of(DAY + first_day), "long")])


def test_an_attribute_ends_with_its_word_its_rung_or_its_consent() -> None:
    measure = {
        "measure": "attribute",
        "name": "clarity",
        "consent": "need",
        "rungs": [
            {"key": "unknown", "unknown": True},
            {"key": "clear", "is": ["clear"], "lasts": "P1Y"},
        ],
    }
    facts = Digest()
    facts.say("clarity", Said(DAY, 1, "clear"))
    assert falls(dict(measure), facts) == ("unknown", [])
    facts.say("need", Said(DAY, 2, "given"))
    ends_with_rung = midnight_of(date(2027, 7, 1).toordinal())
    assert falls(dict(measure), facts) == ("clear", [(ends_with_rung, "unknown")])
    facts.say("need", Said(DAY, 3, "given", until=DAY + 20))
    assert falls(dict(measure), facts) == ("clear", [(midnight_of(DAY + 21), "unknown")])
    facts.say("clarity", Said(DAY, 4, "clear", until=DAY + 10))
    assert falls(dict(measure), facts) == ("clear", [(midnight_of(DAY + 11), "unknown")])
    facts.say("need", Said(DAY, 5, "withdrawn"))
    assert falls(dict(measure), facts) == ("unknown", [])


def test_the_answer_says_why_until_when_and_what_is_missing() -> None:
    facts = Digest()
    today = date(2026, 6, 30)
    for day in (date(2026, 6, 1), date(2026, 6, 8), date(2026, 6, 15)):
        facts.put("completed", day.toordinal(), 1)
        facts.put("settled", day.toordinal(), 50_000)
    answer = assess(SCHEMES["rfm"], facts, today.toordinal())
    assert (answer.tier, answer.score) == ("silver", 30 * 100 + 35 * 50 + 35 * 50)
    last = date(2026, 6, 15).toordinal()
    assert answer.explanation == (
        Line("R", "P1M", last, 100, date(2026, 7, 15).toordinal()),
        Line("F", "3", 3, 50, date(2027, 6, 1).toordinal()),
        Line("M", "1000", 150_000, 50, date(2027, 6, 8).toordinal()),
    )
    assert answer.ways_up == (WayUp("F", "12", "gold"), WayUp("M", "5000", "gold"))
    assert answer.next_transition is not None
    assert answer.next_transition.moment == midnight_of(date(2026, 12, 16).toordinal())
    assert assess(SCHEMES["state"], facts, today.toordinal()).ways_up == ()


def test_the_best_price_falls_as_each_price_leaves_the_window() -> None:
    measure = {
        "measure": "best",
        "of": ["sold", "quoted"],
        "within": "P10D",
        "rungs": [
            {"key": "none", "unknown": True},
            {"key": "low"},
            {"key": "mid", "at_least": 300},
            {"key": "high", "at_least": 800},
        ],
    }
    facts = Digest()
    facts.put("sold", DAY - 9, 1, "800")
    facts.put("quoted", DAY - 8, 1, "900")
    facts.put("quoted", DAY - 8, -1, "900")
    facts.put("quoted", DAY - 5, 1, "300")
    facts.put("sold", DAY - 2, 1, "299")
    facts.put("sold", DAY + 4, 1, "800")
    assert falls(measure, facts) == (
        "high",
        [
            (midnight_of(DAY + 2), "mid"),
            (end_of(DAY + 4), "high"),
            (midnight_of(DAY + 15), "none"),
        ],
    )


def test_what_comes_after_is_counted_from_the_last_end() -> None:
    measure = {
        "measure": "count_after",
        "of": ["completed"],
        "after": ["case_completed", "case_transferred"],
        "rungs": [{"key": "never", "unknown": True}, {"key": "none"}, {"key": "1", "at_least": 1}],
    }
    facts = Digest()
    facts.put("completed", DAY - 1, 1)
    assert falls(dict(measure), facts) == ("never", [])
    facts.put("case_completed", DAY - 2, 1)
    assert falls(dict(measure), facts) == ("1", [])
    facts.put("case_transferred", DAY - 1, 1)
    facts.put("completed", DAY + 3, 1)
    facts.put("case_completed", DAY + 5, 1)
    assert falls(dict(measure), facts) == (
        "none",
        [(end_of(DAY + 3), "1"), (end_of(DAY + 5), "none")],
    )
