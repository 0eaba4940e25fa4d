"""While a source of a practice is silent no midnight lowers a tier, and what is kept takes effect
once, when the hold ends (ADR 53)."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring_service.domain import walk
from scoring_service.handlers import TierAssessor
from scoring_service.ports import ChangeRow, ClientKey, HeldBy
from tests.support.generators.held_logs import (
    ADA,
    DAY,
    HELD,
    HOUR,
    QUIET,
    START,
    ZONE,
    HeldLog,
    Marker,
    Record,
    Told,
    held_logs,
    visit,
)
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores, MemoryTiers
from tests.support.oracles.tiers import local_day
from tests.unit.scoring_service.test_holds import read

_SILENT = Marker(START, is_held=True, reason="silent", source="moon-gate-pay")


def midnight(at: datetime) -> datetime:
    """The beginning of the local day of an instant; no clocks change at a midnight there."""
    return datetime.combine(local_day(at, ZONE), time(), ZoneInfo(ZONE)).astimezone(UTC)


def begins(at: datetime, hold_id: str = "hold-1") -> Marker:
    return _SILENT._replace(since=midnight(at), hold_id=hold_id)


def ends(at: datetime, hold_id: str = "hold-1") -> Marker:
    return begins(at, hold_id)._replace(is_held=False)


def history(stores: MemoryStores, client: ClientKey) -> list[ChangeRow]:
    return stores.rows.history.get(client, [])


def falls(lines: Sequence[ChangeRow]) -> list[ChangeRow]:
    return [line for line in lines if line.reason == "elapsed_time"]


def facts(client: ClientKey, at: datetime, sequence: int, amount: int = 0) -> list[Record]:
    return visit(client, at, sequence, amount).told()


def gold(client: ClientKey = ADA) -> list[Record]:
    """A client who comes and pays at START: gold, for a while."""
    return [START, *facts(client, START, 1), *facts(client, START, 2, 30_000), START + HOUR]


def answer(stores: MemoryStores, client: ClientKey) -> object:
    (stored,) = MemoryTiers(stores).of_clients(client.practice_id, [client.client_id])
    return TierAssessor(lambda: [RULEBOOK]).tier(stored)


def first_fall() -> datetime:
    """The midnight at which the client falls first, if nothing is held."""
    (first, *_) = falls(history(read([*gold(), START + 400 * DAY]), ADA))
    return first.effective_at


@pytest.mark.parametrize("mutant", [False, True])
def test_nobody_falls_while_a_source_is_silent(
    monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    if mutant:
        monkeypatch.setattr(walk, "loses", lambda _state, _step: False)
    fall = first_fall()
    stores = read([*gold(), *gold(QUIET)[1:], begins(fall), fall + HOUR, fall + 9 * DAY])
    assert falls(history(stores, QUIET)) != []
    survives = falls(history(stores, ADA)) == []
    assert survives is not mutant
    if survives:
        tier = answer(stores, ADA)
        assert tier.assessment.tier == "gold"  # type: ignore[attr-defined]  # a ClientTier
        held = [HeldBy("silent", "moon-gate-pay", midnight(fall))]
        assert tier.held == held  # type: ignore[attr-defined]
        coming = tier.assessment.next_transition  # type: ignore[attr-defined]
        assert coming.at == fall


def test_what_was_held_takes_effect_once_on_the_day_of_the_release() -> None:
    fall = first_fall()
    end = fall + 400 * DAY
    stores = read([*gold(), begins(fall), fall + HOUR, end - DAY, ends(end), end + HOUR])
    (line,) = falls(history(stores, ADA))
    assert (line.from_tier, line.to_tier) == ("gold", "iron")
    assert line.effective_at == midnight(end)
    assert line.due_on is not None
    assert local_day(fall, ZONE) <= line.due_on < local_day(end, ZONE)


def test_an_end_that_is_said_before_its_day_holds_until_then() -> None:
    fall = first_fall()
    end = fall + 5 * DAY
    log = [*gold(), begins(fall - 2 * DAY), fall - DAY, ends(end), fall - HOUR, fall + HOUR]
    (line,) = falls(history(read([*log, end + HOUR], [1], [True]), ADA))
    assert (line.effective_at, line.due_on) == (midnight(end), local_day(fall, ZONE))


def test_nobody_falls_who_would_not_have_fallen() -> None:
    """The silent days' visits come behind the first event that the source says again."""
    fall = first_fall()
    back = fall + 6 * DAY
    log = [*gold(), begins(fall), fall + HOUR, back]
    late = [*facts(ADA, fall - DAY, 3), *facts(ADA, back, 4, 30_000)]
    stores = read([*log, *late, back + HOUR, ends(back + DAY), back + DAY + HOUR])
    assert falls(history(stores, ADA)) == []
    assert answer(stores, ADA).assessment.tier == "gold"  # type: ignore[attr-defined]


def test_an_upgrade_by_an_event_does_not_wait() -> None:
    log: list[Record] = [START, *facts(ADA, START, 1), START + HOUR]
    (fall,) = falls(history(read([*log, START + 400 * DAY]), ADA))
    at = fall.effective_at + 3 * DAY
    log += [begins(at - 3 * DAY), at, *facts(ADA, at, 2, 30_000), at + HOUR]
    stores = read(log)
    last = history(stores, ADA)[-1]
    assert (last.reason, last.direction, last.effective_at) == ("activity", "upgraded", at)
    told = answer(stores, ADA).assessment  # type: ignore[attr-defined]
    assert (told.tier, told.explanation != ()) == (last.to_tier, True)


def test_of_two_silent_sources_the_last_one_counts() -> None:
    fall = first_fall()
    log = [*gold(), begins(fall), begins(fall + DAY, "hold-2"), fall + 2 * DAY]
    log += [ends(fall + 5 * DAY), fall + 6 * DAY]
    assert falls(history(read(log), ADA)) == []
    end = fall + 9 * DAY
    (line,) = falls(history(read([*log, ends(end, "hold-2"), end + HOUR]), ADA))
    assert (line.effective_at, line.due_on) == (midnight(end), local_day(fall, ZONE))


@st.composite
def silent_logs(draw: st.DrawFn) -> tuple[HeldLog, list[Record]]:
    """A log of several practices, and it with a silence of one from one of its days to another."""
    log = draw(held_logs())
    records = [r for r in log.plain() if not isinstance(r, Marker)]
    places = [place for place, r in enumerate(records) if isinstance(r, datetime)]
    first = draw(st.integers(1, len(places)))
    last = draw(st.integers(first, len(places)))
    told: list[Record] = []
    for number, (begin, end) in enumerate(zip([0, *places], [*places, len(records)], strict=True)):
        told += records[begin:end]
        if end < len(records):
            at = records[end]
            assert isinstance(at, datetime)
            told += [begins(at)] if number == first else []
            told += [ends(at)] if number == last else []
    return log, told


@settings(deadline=None, max_examples=20)
@given(silent_logs(), st.sampled_from([[1], [3], [9]]))
def test_whatever_comes_nobody_falls_meanwhile_and_all_is_well_after(
    logs: tuple[HeldLog, list[Record]], sizes: list[int]
) -> None:
    """The tier after the release is that of the oracle, which knows of no silence; the history is
    the same in batches of any size, and with sweeps that come late."""
    log, told = logs
    stores = read(told, sizes)
    others = [read(told, [2], sweeps) for sweeps in ([True], [False, False, True])]
    marks = [record for record in told if isinstance(record, Marker)]
    for client in {r.client for r in told if isinstance(r, Told)}:
        lines = history(stores, client)
        assert [line.version for line in lines] == list(range(1, len(lines) + 1))
        if client.practice_id == HELD and len(marks) == 2:
            since, until = (mark.since for mark in marks)
            lowered = [line for line in falls(lines) if line.direction == "downgraded"]
            assert not [line for line in lowered if since < line.effective_at < until]
        if len(marks) != 1:
            expected = log.history(client)
            assert (lines[-1].to_tier if lines else None) == (expected[-1][2] if expected else None)
        assert [history(other, client) for other in others] == [lines, lines]
