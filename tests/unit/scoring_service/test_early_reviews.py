"""A review that a fact leaves as it was: never late, and moved on when it was too early."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring_service import translate
from scoring_service.domain.assess import next_transition, standing
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Fact
from scoring_service.domain.periods import local_day, midnight
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import fold, review
from scoring_service.handlers import sweep
from scoring_service.ports import ClientKey
from tests.support.generators.tier_histories import (
    RULEBOOK,
    as_domain,
    digest_of,
    facts,
    noon,
    situations,
)
from tests.support.memory.scoring import MemoryStores
from tests.support.oracles.tiers import OracleFact, Rules

ZONE = "Asia/Shanghai"
DAY = date(2026, 3, 2)


def as_fact(given: OracleFact, zone: str, sequence: int) -> Fact:
    """The fact, accepted at noon of its day."""
    at = noon(given.on)
    name = {"sequence": sequence, "activity_id": f"act-{sequence}"}
    return as_domain(replace(given, **name, occurred_at=at, accepted_at=at), zone)


def reviewed_client(
    known: list[OracleFact], rulebook: Rulebook, zone: str, today: date
) -> ClientState:
    """A client who was assessed on `today` by those facts, and reviewed."""
    now = standing(digest_of(known), rulebook, today)
    state = ClientState("harbour", "ada", 0, zone, digest=digest_of(known))
    state.last_sequence, state.assessed_on, state.version = len(known), today, 1
    state.tier, state.score = now.tier, now.score
    state.effective_at = midnight(today, zone)
    review(state, rulebook)
    return state


@settings(max_examples=200, deadline=None)
@given(situations(future=40), st.data())
def test_a_reminder_that_a_fact_leaves_standing_is_never_later_than_the_next_change(
    situation: tuple[Rules, Rulebook, str, date, list[OracleFact]], data: st.DataObject
) -> None:
    _, rulebook, zone, today, known = situation
    state = reviewed_client(known, rulebook, zone, today)
    given = data.draw(facts(zone, today, future=2))
    fold(state, as_fact(given, zone, len(known) + 1), rulebook, today)
    coming = next_transition(state.digest, rulebook, today, zone)
    if state.reviewed and coming is not None:
        assert state.review_at is not None
        assert state.review_at <= coming.at


def test_more_of_the_same_leaves_the_reminder_and_a_refund_does_not() -> None:
    state = reviewed_client([OracleFact("completed", DAY, 1, 0)], RULEBOOK, ZONE, DAY)
    reminder = state.review_at
    paid, refunded = (OracleFact(kind, DAY, 1, 500) for kind in ("settled", "refunded"))
    assert fold(state, as_fact(paid, ZONE, 2), RULEBOOK, DAY) is None
    assert (state.reviewed, state.review_at) == (True, reminder)
    assert fold(state, as_fact(refunded, ZONE, 3), RULEBOOK, DAY) is None
    assert not state.reviewed


def test_a_sweep_that_a_reminder_called_too_early_changes_nothing_and_moves_it_on() -> None:
    visits = OracleFact("completed", DAY, 2, 0)
    state = reviewed_client([visits], RULEBOOK, ZONE, DAY)
    early = state.review_at
    assert early is not None
    again = OracleFact("completed", DAY + timedelta(days=10), 1, 0)
    state.assessed_on = again.on
    assert fold(state, as_fact(again, ZONE, 2), RULEBOOK, again.on) is None
    assert state.review_at == early
    stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
    stores.rows.processed[state.partition] = early
    with stores.open() as store:
        store.clients.save([state])
    with stores.open() as store:
        assert sweep(store, RULEBOOK, [state.partition]).is_done
    assert stores.rows.outbox == []
    coming = next_transition(state.digest, RULEBOOK, local_day(early, ZONE), ZONE)
    assert coming is not None
    assert stores.rows.clients[ClientKey("harbour", "ada")].review_at == coming.at > early
