"""Assessing: by example, and against the oracle at every local midnight and just before."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scoring_service.domain.assess import Assessment, assess, next_transition, standing
from scoring_service.domain.digest import Digest
from scoring_service.domain.explain import Line, score_decimal
from scoring_service.domain.periods import midnight
from scoring_service.domain.rulebook import Rulebook
from tests.support.generators.tier_histories import BOOKS, RULEBOOK, digest_of, situations
from tests.support.oracles import tiers as oracle
from tests.support.oracles.tiers import OracleFact, Rules

ZONE = "Asia/Shanghai"
Situation = tuple[Rules, Rulebook, str, date, list[OracleFact]]


def bought(*days: date, minor: int = 3000) -> Digest:
    """A client who completed and paid a booking on each of those days."""
    digest = Digest()
    for day in days:
        digest.add("completed", day, 1, 0)
        digest.add("settled", day, 0, minor)
    return digest


def on(digest: Digest, day: date) -> Assessment:
    return assess(digest, RULEBOOK, day, ZONE)


@given(situations(future=40))
def test_tier_and_score_are_the_oracles(situation: Situation) -> None:
    rules, rulebook, _, today, known = situation
    now = standing(digest_of(known), rulebook, today)
    assert (rulebook.tiers[now.tier].key, now.score) == oracle.tier_on(rules, known, today)
    assert 0 <= now.score <= 10_000


@settings(max_examples=1_000, deadline=None)
@given(situations(future=40))
def test_the_next_transition_is_what_stepping_over_every_midnight_finds(
    situation: Situation,
) -> None:
    rules, rulebook, zone, today, known = situation
    coming = next_transition(digest_of(known), rulebook, today, zone)
    expected = oracle.next_transition(rules, known, today, zone)
    assert (coming and (coming.on, coming.at, coming.from_tier, coming.to_tier)) == expected
    if coming is not None:
        assert coming.direction == oracle.direction(rules, coming.from_tier, coming.to_tier)
        assert coming.at == midnight(coming.on, zone)
        assert (coming.assumes, coming.rulebook_version) == ("no_activity", rulebook.version)


@settings(max_examples=300, deadline=None)
@given(situations(future=3))
def test_the_explanation_is_the_oracles(situation: Situation) -> None:
    rules, rulebook, zone, today, known = situation
    answer = assess(digest_of(known), rulebook, today, zone)
    dimensions = [tuple(line) for line in answer.explanation[:3]]
    assert dimensions == oracle.explanation(rules, known, today)
    weights = (rules["weights"][name] for name in ("recency", "frequency", "monetary"))
    earned = zip(weights, answer.explanation[:3], strict=True)
    assert answer.score == sum(weight * line.points for weight, line in earned)


@settings(max_examples=300, deadline=None)
@given(situations())
def test_a_way_up_leads_up_and_one_step_less_does_not(situation: Situation) -> None:
    rules, rulebook, zone, today, known = situation
    assume(sum(fact.count for fact in known if (fact.kind, fact.on) == ("completed", today)) >= 0)
    answer = assess(digest_of(known), rulebook, today, zone)
    for way in answer.explanation[3:]:
        missing = int(way.value)
        assert missing > 0

        def with_more(number: int, way: Line = way) -> str:
            kind = "completed" if way.input == "completed_count" else "settled"
            more = OracleFact(kind, today, number, number)
            return oracle.tier_on(rules, [*known, *([more] if number else [])], today)[0]

        assert with_more(missing) == way.line.removeprefix("next_tier.")
        assert with_more(missing - 1) == answer.tier


@pytest.mark.parametrize(
    "bookings",
    [
        pytest.param({28: 1, 29: 1, 30: 2, 110: 1}, id="two rungs lost at one midnight"),
        pytest.param({28: 2, 29: -2, 45: 2}, id="a rung lost and found again at one midnight"),
        pytest.param({30: 1, 120: -4}, id="a correction of a day to come"),
        pytest.param({}, id="nothing"),
    ],
)
def test_days_that_leave_a_window_together_are_one_step(bookings: dict[int, int]) -> None:
    rules, rulebook = BOOKS[1]  # whose window for F is P3M: 28, 29 and 30 November end together
    today, start = date(2026, 2, 20), date(2025, 10, 31)
    known = [
        OracleFact("completed", start + timedelta(days=day), count)
        for day, count in bookings.items()
    ]
    digest = digest_of(known)
    answer = assess(digest, rulebook, today, ZONE)
    assert [tuple(line) for line in answer.explanation[:3]] == oracle.explanation(
        rules, known, today
    )
    coming = answer.next_transition
    expected = oracle.next_transition(rules, known, today, ZONE)
    assert (coming and (coming.on, coming.at, coming.from_tier, coming.to_tier)) == expected


@given(situations(future=40), st.integers(1, 5))
def test_nothing_after_today_counts(situation: Situation, later: int) -> None:
    _, rulebook, zone, today, known = situation
    digest, more = digest_of(known), digest_of(known)
    more.add("completed", today + timedelta(days=later), 3, 0)
    more.add("settled", today + timedelta(days=later), 0, 90_000)
    assert assess(digest, rulebook, today, zone)[:3] == assess(more, rulebook, today, zone)[:3]


def test_the_three_keys_of_c07_are_distinct() -> None:
    day = date(2025, 3, 1)
    assert on(Digest(), day).tier == "prospect"
    assert on(bought(day), day - timedelta(days=1)).tier == "prospect"
    assert on(bought(day, minor=100), day).tier == "bronze"
    assert on(bought(day), date(2026, 3, 1)).tier == "bronze"
    assert on(bought(day), date(2026, 3, 2)).tier == "iron"


def test_only_paid_for_is_not_yet_bought() -> None:
    digest = Digest()
    digest.add("settled", date(2026, 3, 1), 0, 50_000)
    assert on(digest, date(2026, 3, 1)).tier == "prospect"


def test_a_downgrade_is_forecast_for_the_day_after_the_clamped_month_end() -> None:
    digest = bought(date(2025, 11, 30), minor=5_000)
    coming = next_transition(digest, RULEBOOK, date(2025, 12, 30), ZONE)
    assert coming is not None
    assert (coming.from_tier, coming.to_tier) == ("silver", "bronze")
    assert coming.on == date(2026, 3, 1)
    assert coming.at == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert coming.because == ("recency.within_P3M", "last_completed_on")


def test_a_loss_is_blamed_on_the_window_that_emptied() -> None:
    digest = bought(date(2025, 3, 1), date(2026, 2, 10), date(2026, 2, 11), minor=3_500)
    coming = next_transition(digest, RULEBOOK, date(2026, 2, 20), ZONE)
    assert coming is not None
    assert (coming.from_tier, coming.to_tier, coming.on) == ("gold", "silver", date(2026, 3, 2))
    assert coming.because == ("monetary.at_least_10000", "settled_less_refunded_minor")


def test_a_transition_by_a_fact_known_before_its_day_is_an_upgrade_by_what_it_brings() -> None:
    today = date(2026, 3, 1)
    coming = next_transition(bought(today + timedelta(days=2), minor=10_000), RULEBOOK, today, ZONE)
    assert coming is not None
    assert (coming.from_tier, coming.to_tier, coming.direction) == (
        "prospect",
        "silver",
        "upgraded",
    )
    assert coming.because == ("recency.within_P1M", "last_completed_on")


def test_who_has_nothing_to_lose_has_no_transition() -> None:
    assert next_transition(Digest(), RULEBOOK, date(2026, 3, 1), ZONE) is None
    assert next_transition(bought(date(2020, 1, 1)), RULEBOOK, date(2026, 3, 1), ZONE) is None


def test_an_explanation_says_what_earned_what_until_when_and_what_is_missing() -> None:
    digest = bought(date(2026, 1, 31), date(2025, 6, 15), minor=2500)
    answer = on(digest, date(2026, 2, 28))
    assert answer.explanation == (
        Line("recency.within_P1M", "last_completed_on", "2026-01-31", 100, date(2026, 2, 28)),
        Line("frequency.at_least_2", "completed_count", "2", 40, date(2026, 6, 15)),
        Line(
            "monetary.at_least_5000", "settled_less_refunded_minor", "5000", 50, date(2026, 6, 15)
        ),
        Line("next_tier.gold", "completed_count", "+2", 80, None),
        Line("next_tier.gold", "settled_less_refunded_minor", "+5000", 75, None),
    )
    assert answer.tier == "silver"
    assert score_decimal(answer.score) == Decimal("61.50")


@pytest.mark.parametrize(
    ("day", "tier"), [(date(2026, 2, 28), "gold"), (date(2026, 3, 1), "silver")]
)
def test_within_a_month_includes_the_day(day: date, tier: str) -> None:
    digest = bought(date(2026, 1, 29), date(2026, 1, 30), date(2026, 1, 31), minor=4000)
    assert on(digest, day).tier == tier
