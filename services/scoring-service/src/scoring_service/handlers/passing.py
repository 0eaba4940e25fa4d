"""Lets time pass for one client, through the holds of its practice."""

from datetime import date

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.keeping import is_kept
from scoring_service.domain.periods import local_day, midnight
from scoring_service.domain.practice_days import KeptTiers, PracticeDays
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change, catch_up, take_effect


def advance_to_day(
    state: ClientState, rulebook: Rulebook, day: date | None, days: PracticeDays
) -> list[Change]:
    """Let time pass for a client up to `day`; the changes that time makes.

    A client whose facts came before the partition's first watermark is first assessed on that
    watermark's day: until then its `review_at` is that instant (`Store.await_first_assessment`).
    """
    if day is None:
        return []
    first_day = day
    if state.assessed_on is None and state.review_at is not None:
        first_day = local_day(state.review_at, state.zone)
    state.kept_since = days.kept_since(state)
    changes: list[Change] = []
    if state.kept_since is None:
        changes = _release(state, rulebook, (first_day, day), days.was_kept(state))
    return changes + catch_up(state, rulebook, first_day=first_day, to_day=day)


def _release(
    state: ClientState, rulebook: Rulebook, between: tuple[date, date], was: KeptTiers | None
) -> list[Change]:
    """Let what a client has kept take effect on the day on which its practice was released, which
    may be one to come. A sweep that comes late finds who would have been kept meanwhile."""
    (first_day, day), changes = between, []
    if was is not None:
        state.kept_since = was.since
        to_day = min(local_day(was.until, state.zone), day)
        changes = catch_up(state, rulebook, first_day=first_day, to_day=to_day)
        state.kept_since = None
    if is_kept(state):
        changes += take_effect(state, rulebook, was.until if was else midnight(day, state.zone))
    return changes
