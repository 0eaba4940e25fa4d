"""Moving clients: facts in their turn, time in its order, the same history however it is cut."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring_service.domain.assess import standing
from scoring_service.domain.client_state import MOST_GAPS, ClientState
from scoring_service.domain.facts import Fact, FactRefused
from scoring_service.domain.periods import midnight
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import first_assessment, fold, review, walk
from tests.support.generators.tier_histories import (
    RULEBOOK,
    Log,
    digest_of,
    judged,
    logs,
    noon,
    oracle_rows,
    replay,
    rows_of,
    situations,
)
from tests.support.oracles.tiers import OracleFact, Rules, exists

ZONE = "Asia/Shanghai"
DAY = date(2026, 3, 2)
DAYS = timedelta(days=1)


def client(zone: str = ZONE, **values: object) -> ClientState:
    return ClientState("harbour", "mirabel", 0, zone, **values)  # type: ignore[arg-type]  # by name


def fact(sequence: int = 1, kind: str = "completed", on: date = DAY, **more: object) -> Fact:
    """A fact that happened at noon of its day and was accepted at once, unless `more` differs."""
    at = noon(on)
    values: dict[str, object] = {
        "count": 1,
        "amount_minor": 0,
        "occurred_at": at,
        "accepted_at": at,
    }
    values |= {"zone": ZONE, "generation": 1, "activity_id": f"act-{sequence}"} | more
    return Fact(sequence=sequence, kind=kind, on=on, **values)  # type: ignore[arg-type]  # by name


# --- walking --------------------------------------------------------------------------------


def standing_client(
    known: list[OracleFact], rulebook: Rulebook, zone: str, today: date
) -> ClientState:
    """A client who was assessed on `today` with those facts, some of them yet to come."""
    now = standing(digest_of(known), rulebook, today)
    state = client(zone, digest=digest_of(known), last_sequence=len(known), version=1)
    state.assessed_on, state.tier, state.score = today, now.tier, now.score
    state.effective_at = midnight(today, zone)
    return state


@settings(deadline=None)
@given(situations(future=40), st.sets(st.integers(1, 500), max_size=8), st.booleans())
def test_a_walk_in_any_steps_gives_the_changes_of_one_walk(
    situation: tuple[Rules, Rulebook, str, date, list[OracleFact]],
    stops: set[int],
    reviewed: bool,  # noqa: FBT001 - drawn, not passed
) -> None:
    _, rulebook, zone, today, known = situation
    end = today + 501 * DAYS
    at_once = standing_client(known, rulebook, zone, today)
    in_steps = standing_client(known, rulebook, zone, today)
    expected = walk(at_once, rulebook, end)
    found = []
    for stop in sorted(stops):
        if reviewed and not in_steps.reviewed:
            review(in_steps, rulebook)
        day = today + stop * DAYS
        found += walk(in_steps, rulebook, day if exists(day, zone) else day + DAYS)
    found += walk(in_steps, rulebook, end)
    assert found == expected
    assert (in_steps.tier, in_steps.score) == (at_once.tier, at_once.score)
    assert at_once.score == standing(at_once.digest, rulebook, end).score


def test_time_takes_a_tier_at_midnight_and_says_so() -> None:
    state, day = client(), date(2025, 11, 30)
    fold(state, fact(1, on=day), RULEBOOK, day)
    fold(state, fact(2, "settled", day, amount_minor=5000), RULEBOOK, day)
    (change,) = walk(state, RULEBOOK, date(2026, 3, 1))
    assert (change.from_tier, change.to_tier) == ("silver", "bronze")
    assert (change.direction, change.reason, change.origin) == (
        "downgraded",
        "elapsed_time",
        "live",
    )
    assert change.effective_at == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert (change.happened_at, change.activity_id) == (None, None)
    assert (change.on_day, change.score) == (date(2026, 3, 1), 3950)
    assert change.explanation[0].line == "recency.within_P6M"


def test_a_day_known_beforehand_is_walked_first_without_its_facts_then_with_them() -> None:
    state = client()
    for number in range(3):
        before = date(2025, 6, 1)
        fold(state, fact(3 * number + 1, on=before), RULEBOOK, before)
        paid = fact(3 * number + 2, "settled", before, amount_minor=5000)
        fold(state, paid, RULEBOOK, before)
        fold(state, fact(3 * number + 3, "booked", before), RULEBOOK, before)
    lapse = date(2026, 6, 2)
    fold(state, fact(10, on=lapse), RULEBOOK, before)
    fold(state, fact(11, "settled", lapse, amount_minor=5000), RULEBOOK, before)
    lost, won = walk(state, RULEBOOK, lapse)[-2:]
    assert (lost.to_tier, lost.reason, lost.happened_at) == ("iron", "elapsed_time", None)
    assert (won.from_tier, won.to_tier, won.reason) == ("iron", "silver", "activity")
    assert lost.effective_at == won.effective_at == midnight(lapse, ZONE)
    assert lost.explanation[0].line == "recency.beyond_P1Y"
    assert won.explanation[0].line == "recency.within_P1M"


def test_nobody_is_walked_back_or_before_the_first_assessment() -> None:
    assert walk(client(), RULEBOOK, DAY) == []
    state = client()
    fold(state, fact(), RULEBOOK, DAY)
    before = state.score
    assert walk(state, RULEBOOK, DAY - 30 * DAYS) == []
    assert (state.assessed_on, state.score) == (DAY, before)


def test_a_review_announces_what_the_walk_then_does() -> None:
    state = client()
    fold(state, fact(on=DAY), RULEBOOK, DAY)
    fold(state, fact(2, "settled", amount_minor=2000), RULEBOOK, DAY)
    assert not state.reviewed
    coming = review(state, RULEBOOK)
    assert coming is not None
    assert state.reviewed
    assert state.review_at == coming.at
    assert walk(state, RULEBOOK, coming.on - DAYS) == []
    assert state.reviewed
    (change,) = walk(state, RULEBOOK, coming.on)
    assert (change.effective_at, change.to_tier) == (coming.at, coming.to_tier)
    assert not state.reviewed
    assert review(client(), RULEBOOK) is None


# --- folding --------------------------------------------------------------------------------


def test_the_first_fact_enters_a_client() -> None:
    state = client()
    change = fold(state, fact(kind="registered"), RULEBOOK, DAY)
    assert change is not None
    assert (change.version, change.from_tier, change.to_tier) == (1, None, "prospect")
    assert (change.direction, change.reason, change.origin) == ("entered", "activity", "live")
    assert change.happened_at == change.effective_at == noon(DAY)
    assert (change.activity_id, change.on_day) == ("act-1", DAY)


@pytest.mark.parametrize(
    ("age", "origin"),
    [(timedelta(days=7), "live"), (timedelta(days=7, microseconds=1), "backfill")],
)
def test_a_fact_accepted_more_than_7_days_late_is_backfill(age: timedelta, origin: str) -> None:
    change = fold(client(), fact(accepted_at=noon(DAY) + age), RULEBOOK, DAY + 8 * DAYS)
    assert change is not None
    assert change.origin == origin
    assert change.effective_at == midnight(DAY + 8 * DAYS, ZONE)
    assert change.happened_at == noon(DAY)


def test_a_fact_that_its_sender_reported_as_history_is_backfill() -> None:
    change = fold(client(), fact(backfill=True), RULEBOOK, DAY)
    assert change is not None
    assert change.origin == "backfill"


def test_a_correction_says_so_and_takes_effect_no_earlier_than_what_it_corrects() -> None:
    state = client()
    fold(state, fact(), RULEBOOK, DAY)
    earlier = noon(DAY) - timedelta(hours=1)
    undone = fact(2, count=-1, refers_to="act-1", occurred_at=earlier)
    change = fold(state, undone, RULEBOOK, DAY)
    assert change is not None
    assert (change.to_tier, change.direction, change.reason) == (
        "prospect",
        "downgraded",
        "correction",
    )
    assert change.effective_at == noon(DAY)
    assert change.happened_at == earlier


def test_a_fact_of_tomorrow_waits_for_tomorrow() -> None:
    state = client()
    change = fold(state, fact(on=DAY + DAYS), RULEBOOK, DAY)
    assert change is not None
    assert change.to_tier == "prospect"
    (won,) = walk(state, RULEBOOK, DAY + DAYS)
    assert (won.to_tier, won.reason, won.activity_id) == ("bronze", "activity", None)
    tomorrow = midnight(DAY + DAYS, ZONE)
    assert change.effective_at == tomorrow - timedelta(microseconds=1)
    assert won.effective_at == tomorrow


def test_a_client_must_be_brought_to_the_day_before_a_fact_is_folded() -> None:
    state = client()
    fold(state, fact(), RULEBOOK, DAY)
    with pytest.raises(ValueError, match="mirabel"):
        fold(state, fact(2), RULEBOOK, DAY + DAYS)


def test_before_the_first_watermark_facts_are_only_folded() -> None:
    state = client()
    assert fold(state, fact(), RULEBOOK, None) is None
    assert (state.tier, state.assessed_on, state.version) == (None, None, 0)
    assert review(state, RULEBOOK) is None
    change = first_assessment(state, RULEBOOK, DAY + 5 * DAYS)
    assert (change.to_tier, change.reason, change.origin) == ("bronze", "activity", "backfill")
    assert change.effective_at == midnight(DAY + 5 * DAYS, ZONE)
    with pytest.raises(ValueError, match="before"):
        first_assessment(state, RULEBOOK, DAY + 6 * DAYS)


def test_a_fact_of_another_zone_is_refused() -> None:
    with pytest.raises(FactRefused) as refusal:
        fold(client(), fact(zone="Asia/Tokyo"), RULEBOOK, DAY)
    assert refusal.value.field == "zone"
    assert isinstance(refusal.value, ValueError)


@given(st.lists(st.integers(1, 30), max_size=60))
def test_each_sequence_is_accepted_once_and_gaps_are_remembered(arriving: list[int]) -> None:
    state = client()
    seen: set[int] = set()
    for sequence in arriving:
        assert state.accepts(sequence, None) == (sequence not in seen)
        seen.add(sequence)
        assert state.last_sequence == max(seen)
        missing = [n for first, last in state.missing for n in range(first, last + 1)]
        assert missing == [n for n in range(1, max(seen)) if n not in seen]
        ends = [last for _, last in state.missing]
        assert all(
            first > end + 1 for end, (first, _) in zip(ends, state.missing[1:], strict=False)
        )
    assert state.first_skipped_sequence is None


def test_the_widest_gap_is_one_gap_and_can_be_filled() -> None:
    state = client()
    assert state.accepts(2**62, None)
    assert state.accepts(2**61, None)
    assert not state.accepts(2**61, None)
    assert state.missing == ((1, 2**61 - 1), (2**61 + 1, 2**62 - 1))


def test_of_too_many_gaps_the_oldest_is_given_up_and_the_client_says_so() -> None:
    """A sender who loses every second fact is not refused for ever."""
    state = client()
    for number in range(1, MOST_GAPS + 1):
        assert state.accepts(2 * number, None)
    assert (len(state.missing), state.first_skipped_sequence) == (MOST_GAPS, None)
    assert state.accepts(2 * MOST_GAPS + 2, None)
    assert (state.missing[0], len(state.missing)) == ((3, 3), MOST_GAPS)
    assert state.first_skipped_sequence == 1
    assert not state.accepts(1, None)


def test_a_duplicate_changes_nothing() -> None:
    state = client()
    fold(state, fact(), RULEBOOK, DAY)
    review(state, RULEBOOK)
    before = state.digest.to_bytes()
    assert fold(state, fact(), RULEBOOK, DAY) is None
    assert (state.digest.to_bytes(), state.reviewed) == (before, True)


# --- whole histories ------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(logs(), st.lists(st.booleans(), min_size=1, max_size=7))
def test_history_is_the_oracles_however_late_the_sweep_and_however_it_is_batched(
    logged: tuple[Rules, Rulebook, str, Log], sweeps: list[bool]
) -> None:
    rules, rulebook, zone, log = logged
    changes = replay(rulebook, zone, log, sweeps)
    assert rows_of(changes) == oracle_rows(judged(rules, zone, log))
    assert [c.version for c in changes] == list(range(1, len(changes) + 1))
    assert all(now.from_tier == then.to_tier for then, now in pairwise(changes))


def test_a_change_of_utc_offset_moves_no_boundary() -> None:
    """Sao Paulo had no 00:00 on 15 October 2017: the day begins at 01:00, 03:00 UTC."""
    zone, day = "America/Sao_Paulo", date(2017, 9, 14)
    state = client(zone)
    for sequence, kind in enumerate(("completed", "settled"), start=1):
        fold(state, fact(sequence, kind, day, zone=zone, amount_minor=3_500), RULEBOOK, day)
    changes = walk(state, RULEBOOK, date(2017, 10, 15))
    assert [change.effective_at for change in changes] == [datetime(2017, 10, 15, 3, tzinfo=UTC)]


def test_a_refused_fact_leaves_its_sequence_missing_so_that_a_replay_can_fold_it() -> None:
    state = client()
    fold(state, fact(), RULEBOOK, None)
    with pytest.raises(FactRefused):
        fold(state, fact(2, zone="Asia/Tokyo"), RULEBOOK, None)
    assert (state.last_sequence, state.missing) == (2, ((2, 2),))
    fold(state, fact(3), RULEBOOK, None)
    assert state.missing == ((2, 2),)
    fold(state, fact(2), RULEBOOK, None)
    assert (state.last_sequence, state.missing, state.digest.completed) == (3, (), [3])
