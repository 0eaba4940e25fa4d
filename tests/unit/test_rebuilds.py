"""Clients are rebuilt from the ledger while their sources go on: what was right stays as it is,
what was lost comes back, and who begins with a rebuild knows as much as who has read everything."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.worlds.arrivals import ArrivingEvents
from tests.unit.test_arrivals import HARBOUR, Step, arrivals, clients_of, seen

REBUILD = "rebuild"
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=3)


def replayed(
    steps: Sequence[Step],
    rebuilds: Sequence[bool],
    sizes: Sequence[int] = (1_000,),
    lost: Sequence[bool] = (False,),
    *,
    from_last_rebuild: bool = False,
) -> ArrivingEvents:
    """The services after these steps. Before some of them, and in any case before the last, all
    clients are rebuilt; of the activities some are `lost`."""
    world, number, begins = ArrivingEvents(HARBOUR), 0, None

    def loses(_activity: Any) -> bool:
        nonlocal number
        number += 1
        return lost[number % len(lost)]

    world.loses = loses
    for place, (now, documents) in enumerate(steps):
        is_last = place == len(steps) - 1
        if place and (is_last or rebuilds[place % len(rebuilds)]):
            begins = world.rebuild()
        world.step(now, documents)
    world.read(sizes, begins=begins if from_last_rebuild else None)
    return world


def is_rebuilt(world: ArrivingEvents, client: str) -> bool:
    answer = world.answer(client)
    incomplete = (answer.first_missing_sequence, answer.first_skipped_sequence)
    return incomplete == (None, None) and not answer.is_rebuilding


def stands_as(world: ArrivingEvents, steps: Sequence[Step], client: str) -> bool:
    """Whether a client stands where the oracle sees them, and for the same causes."""
    before = replayed(steps, [False]).answer(client)
    history = seen(steps, client)
    tier = history[-1][2] if history else None
    answer = world.answer(client)
    assert answer.assessment is not None
    return answer.assessment.tier == tier and answer.assessment == before.assessment


@settings(max_examples=40, deadline=None)
@given(arrivals(), st.lists(st.booleans(), min_size=1), SIZES)
def test_a_history_that_was_right_stays_as_it_is(
    steps: list[Step], rebuilds: list[bool], sizes: list[int]
) -> None:
    world = replayed(steps, rebuilds, sizes)
    for client in clients_of(steps):
        assert world.history(client) == seen(steps, client)
        assert is_rebuilt(world, client)


@settings(max_examples=40, deadline=None)
@given(
    arrivals(),
    st.lists(st.booleans(), min_size=1),
    SIZES,
    st.lists(st.booleans(), min_size=1, max_size=7),
)
def test_what_was_lost_comes_back_by_one_change_a_rebuild(
    steps: list[Step], rebuilds: list[bool], sizes: list[int], lost: list[bool]
) -> None:
    """The last step brings no source events, so all that was lost was lost before the last
    rebuild."""
    world = replayed(steps, rebuilds, sizes, lost)
    for client in clients_of(steps):
        history = world.history(client)
        assert [change[0] for change in history] == list(range(1, len(history) + 1))
        assert stands_as(world, steps, client)
        assert is_rebuilt(world, client)
        told = [change for change in history if change[3] == REBUILD]
        assert {change[4] for change in told} <= {"backfill"}
        assert len(told) <= len(steps)


@settings(max_examples=40, deadline=None)
@given(arrivals(), SIZES)
def test_who_begins_with_a_rebuild_stands_where_who_read_everything_stands(
    steps: list[Step], sizes: list[int]
) -> None:
    """As when the bus has forgotten all that was before it."""
    world = replayed(steps, [False], sizes, from_last_rebuild=True)
    for client in clients_of(steps):
        assert stands_as(world, steps, client)
        assert is_rebuilt(world, client)
