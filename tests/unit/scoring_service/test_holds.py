"""A practice whose records wait has the history that it would have had without waiting."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rapport_contracts import topics
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import TopicPartition
from scoring_service import consumers, handlers, translate
from scoring_service.domain.practice_days import PracticeDays
from scoring_service.handlers import TierAssessor
from scoring_service.ports import ChangeRow, ClientKey, PracticePlace
from tests.support.generators.held_logs import (
    ADA,
    CLIENTS,
    DAY,
    HELD,
    HOUR,
    QUIET,
    START,
    YEAR,
    HeldLog,
    Marker,
    Record,
    Step,
    encoded,
    flood,
    flood_before_first_watermark,
    held_logs,
    long_flood,
    visit,
)
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores, MemoryTiers
from tests.support.worlds.arrivals import read_in_batches

ACTIVITY = TopicPartition(topics.CLIENT_ACTIVITY.name, 0)
PLACE = PracticePlace(0, HELD)
SIZES = ([1], [2], [3], [9])


def read(
    log: Sequence[Record], sizes: Sequence[int] = (9,), sweeps: Sequence[bool] = (True,)
) -> MemoryStores:
    """The stores after the log was read in batches of these sizes."""
    bus = MemoryBus()
    bus.create(ACTIVITY.topic, 1)
    for value in encoded(log):
        bus.append(ACTIVITY.topic, 0, b"key", value)
    stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
    read_in_batches(bus, ACTIVITY, stores, sizes, sweeps)
    return stores


def history(stores: MemoryStores, client: ClientKey) -> list[tuple[object, ...]]:
    """A client's changes, in the oracle's form."""
    return [_row(line) for line in stores.rows.history.get(client, [])]


def _row(line: ChangeRow) -> tuple[object, ...]:
    told = (line.reason, line.origin, line.effective_at, line.score, line.activity_id)
    return (line.version, line.from_tier, line.to_tier, *told)


class Told(NamedTuple):
    """What the API says."""

    as_of: datetime | None
    tier: str | None


def tier(stores: MemoryStores, client: ClientKey) -> Told:
    """A client's tier by the API, which must be the last of its history."""
    (stored,) = MemoryTiers(stores).of_clients(client.practice_id, [client.client_id])
    told = TierAssessor(lambda: [RULEBOOK]).tier(stored)
    assert told.assessment is not None
    assert told.assessment.tier == history(stores, client)[-1][2]
    return Told(told.as_of, told.assessment.tier)


def test_months_of_waiting_change_no_history() -> None:
    log = long_flood()
    for sizes in SIZES:
        stores = read(log.held(), sizes)
        assert {c: history(stores, c) for c in CLIENTS} == {c: log.history(c) for c in CLIENTS}


@settings(max_examples=60)
@given(
    held_logs(),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=5),
)
@example(flood_before_first_watermark(), [1], [False])
def test_a_history_is_the_same_as_if_no_record_had_waited(
    log: HeldLog, sizes: list[int], sweeps: list[bool]
) -> None:
    stores = read(log.held(), sizes, sweeps)
    plain = read(log.plain())
    for client in CLIENTS:
        assert history(stores, client) == history(plain, client) == log.history(client)
    assert stores.rows.holds == {}
    reached = stores.rows.swept[0]
    for state in stores.rows.clients.values():
        assert (state.held_at, state.open_cause) == (None, None)
        assert state.review_at is None or state.review_at > reached


# --- a flood of a year, by hand ----------------------------------------------------------------


def _all_at_once(events: Sequence[object]) -> int:
    return len(events)


def _nobody_held(*_arguments: object) -> dict[str, object]:
    return {}


MUTANTS = {
    "a hold ends no batch": (consumers, "_end_of_one_time", _all_at_once),
    "facts are folded on the partition's day": (consumers, "held_in", _nobody_held),
    "the sweep goes on for the held": (handlers, "held_in", _nobody_held),
}


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_a_flood_changes_no_history(monkeypatch: pytest.MonkeyPatch, mutant: str | None) -> None:
    """Each mutant takes one of the protections out, and is noticed."""
    log = flood()
    if mutant:
        monkeypatch.setattr(*MUTANTS[mutant])
    stores = [read(log.held(), sizes) for sizes in SIZES]
    survives = all(history(each, ADA) == log.history(ADA) for each in stores)
    assert survives is (mutant is None)
    assert all(history(each, QUIET) == log.history(QUIET) for each in stores)


@settings(max_examples=60)
@given(held_logs(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_end_of_an_import_tells_what_its_midnights_would_have_told_without_it(
    log: HeldLog, sizes: list[int]
) -> None:
    """And of the facts themselves, which are history, nothing is live."""
    log = replace(log, steps=[_imported(step) for step in log.steps])
    told = [r._replace(reason="import") if isinstance(r, Marker) else r for r in log.held()]
    stores = read(told, sizes)
    for client in CLIENTS:
        assert history(stores, client) == log.history(client)
    changes = [each for client in CLIENTS[:2] for each in stores.rows.history.get(client, [])]
    live = [each.reason for each in changes if each.origin == "live"]
    assert set(live) <= {"elapsed_time"}


def _imported(step: Step) -> Step:
    """With what is of the held practice as history."""
    return replace(
        step,
        arrivals=[
            each._replace(facts=tuple(replace(fact, backfill=True) for fact in each.facts))
            if each.client.practice_id == HELD
            else each
            for each in step.arrivals
        ],
    )


def test_who_is_held_falls_only_when_the_practice_is_released() -> None:
    """One practice's backlog holds its own clients' time alone."""
    log = flood()
    until_drained = next(i for i, r in enumerate(log.held()) if r == START + YEAR) + 1
    stores = read(log.held()[:until_drained])
    assert [row[2] for row in history(stores, QUIET)] == ["bronze", "iron"]
    assert [row[2] for row in history(stores, ADA)] == ["bronze", "gold"]
    told = history(read(log.held()), ADA)
    assert [row[2] for row in told] == ["bronze", "gold", "silver", "iron", "bronze"]
    assert [row[3] for row in told] == ["activity"] * 2 + ["elapsed_time"] * 2 + ["activity"]


@pytest.mark.parametrize("mutant", [False, True])
def test_a_source_event_without_its_end_ends_when_the_practice_moves_on(
    monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """No watermark may lie between. Mutant: only a watermark ends it."""
    if mutant:
        closed = handlers.is_closed_by
        monkeypatch.setattr(handlers, "is_closed_by", lambda s, time, _day: closed(s, time, None))
    cut = visit(ADA, START + HOUR, 2, 30_000)
    cut = cut._replace(facts=(replace(cut.facts[0], is_last=False),))
    later = START + 91 * DAY
    log = HeldLog(
        [
            Step(START, [visit(ADA, START, 1)], [False]),
            Step(START + HOUR, [cut], [True]),
            Step(later, [visit(ADA, later, 3)], [True]),
            Step(later + 2 * DAY, drained=2),
        ]
    )
    survives = history(read(log.held()), ADA) == log.history(ADA)
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_who_is_held_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, *, mutant: bool) -> None:
    """Watermarks go on while a practice is held. Mutant: nobody is set aside, so that each sweep
    looks at the same clients again, and a step that is full of them never ends."""
    if mutant:
        monkeypatch.setattr(PracticeDays, "set_aside", lambda *_arguments: None)
    stores = read([*flood().held()[:6], START + YEAR])
    assert stores.holds().find([PLACE]) != {}
    with stores.open() as store:
        due = store.clients.due({0: START + 2 * YEAR}, 10)
    survives = [state.practice_id for state in due] == []
    assert survives is not mutant


def test_a_held_practice_is_told_as_of_where_it_stands() -> None:
    log = flood().held()
    at = START + HOUR
    deferred = [log.index(Marker(at, is_held=True)) + 1, log.index(START + YEAR) + 1]
    for length in (deferred[1], len(log) - 3):
        answer = tier(read(log[:length]), ADA)
        assert (answer.as_of, answer.tier) == (at, "gold")
    assert tier(read(log[: deferred[1]]), QUIET) == (START + YEAR, "iron")
    assert tier(read(log), ADA) == (START + YEAR + 2 * HOUR, "bronze")
