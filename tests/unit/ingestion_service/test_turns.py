"""Shares of a batch: nobody gets less than its share while it has records, and order is kept."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_service.domain import turns
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.turns import CAPACITY

PRACTICES = [PracticeId(f"p{number}") for number in range(6)]
SENDERS = st.lists(st.sampled_from(PRACTICES), max_size=60)
SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = datetime(2024, 6, 1, 16, tzinfo=UTC)
"""In Shanghai."""


@given(records=st.integers(0, 100_000), practices=st.integers(1, 10_000))
def test_the_shares_of_all_are_the_batch_and_never_nothing(records: int, practices: int) -> None:
    each = turns.share(records, practices)
    assert each >= 1
    assert each == 1 or each * practices <= max(records, CAPACITY)
    assert each * practices > max(records, CAPACITY) - practices


@given(records=st.integers(0, 100_000))
def test_a_practice_alone_has_all_of_it(records: int) -> None:
    assert turns.share(records, 1) >= records


@given(records=st.integers(0, 100_000), practices=st.integers(1, 10_000))
def test_what_drains_between_batches_is_never_less_than_the_share(
    records: int, practices: int
) -> None:
    assert turns.drained_share(records, practices) >= turns.share(records, practices)


@given(senders=SENDERS, waiting=st.sets(st.sampled_from(PRACTICES)), room=st.integers(0, 20))
def test_every_record_is_accepted_or_deferred_in_its_order(
    senders: list[PracticeId], waiting: set[PracticeId], room: int
) -> None:
    found = turns.places(senders, dict.fromkeys(waiting, room))
    assert sorted(found.accepted + found.deferred) == list(range(len(senders)))
    assert found.accepted == sorted(found.accepted)
    assert found.deferred == sorted(found.deferred)
    for practice in PRACTICES:
        own = [place for place, sender in enumerate(senders) if sender == practice]
        accepted = [place for place in found.accepted if senders[place] == practice]
        expected = own[:room] if practice in waiting else own
        assert accepted == expected


@given(
    counts=st.dictionaries(st.sampled_from(PRACTICES), st.integers(1, 20_000), min_size=1),
    elsewhere=st.integers(0, 50),
)
def test_only_who_has_more_than_its_share_waits_and_who_floods_does(
    counts: dict[PracticeId, int], elsewhere: int
) -> None:
    senders = Counter(counts)
    of_each = turns.share(senders.total(), len(senders) + elsewhere)
    flooding = turns.floods(senders, of_each)
    assert all(senders[practice] > of_each for practice in flooding)
    assert {each for each, count in counts.items() if count >= of_each + CAPACITY + 1} == flooding
    assert turns.may_flood(senders) or not flooding


def test_a_practice_alone_never_floods() -> None:
    senders = Counter({PRACTICES[0]: 10_000})
    assert turns.floods(senders, turns.share(10_000, 1)) == set()


@pytest.mark.parametrize(
    ("minutes", "expected"), [([-20, -10, 0], 2), ([-20, -1], 2), ([0, 10], 0), ([], 0)]
)
def test_a_turn_ends_at_the_midnight_of_the_practice(minutes: list[int], expected: int) -> None:
    instants = [MIDNIGHT + timedelta(minutes=each) for each in minutes]
    stands_at = MIDNIGHT - timedelta(minutes=20)
    assert turns.of_one_day(instants, stands_at, SHANGHAI) == expected


def test_a_record_that_was_deferred_by_a_slower_clock_does_not_turn_the_day_back() -> None:
    instants = [MIDNIGHT - timedelta(seconds=1), MIDNIGHT + timedelta(seconds=1)]
    assert turns.of_one_day(instants, MIDNIGHT, SHANGHAI) == 2


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [(-1, 1, True), (-120, -61, False), (-120, -60, True), (5, 4, False)],
)
def test_a_practice_moves_on_at_its_midnight_or_when_it_is_far_enough_behind(
    before: int, after: int, *, moves: bool
) -> None:
    stands_at, head = MIDNIGHT + timedelta(seconds=before), MIDNIGHT + timedelta(seconds=after)
    assert turns.stands_next(stands_at, head, SHANGHAI) == (head if moves else stands_at)
