"""A payment feed falls silent, and speaks again days later: nobody falls meanwhile, nobody falls
who would not have fallen, and what was held happens once (ADR 53). Ingestion and scoring in memory.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion_service import silences
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import advance_clock
from ingestion_service.ports import Hold
from ingestion_service.silences import look_at_sources
from ingestion_service.translate import records_of_hold
from scoring_service.ports import ChangeRow, HeldBy
from tests.support.worlds.arrivals import ArrivingEvents

ZONE = "Europe/London"
HARBOUR = Practice(PracticeId("harbour"), "Harbour", ZONE, "CNY")
DAY = timedelta(days=1)
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
LASTS = 130
"""Days, in which whoever comes and pays on the first of them falls, and falls again."""


class WatchedEvents(ArrivingEvents):
    """Ingestion looks at its sources before it publishes a watermark, as a worker does."""

    is_watched = True

    def step(
        self, now: datetime, documents: Sequence[Mapping[str, Any]], *, intake: int = 1_000
    ) -> list[IntakeResult]:
        with self.ingestion.open_for_operator() as store:
            advance_clock(now, store)
        before = len(self.holds())
        if self.is_watched:
            with self.ingestion.transaction() as tables:
                look_at_sources(self.ingestion.within(tables), now)
        for hold in self.holds()[before:]:
            for record in records_of_hold(hold):
                self._append(record)
        return super().step(now, documents, intake=intake)

    def holds(self) -> list[Hold]:
        """The holds announced so far."""
        return [hold for _, hold in self.ingestion.tables.queues.holds]

    def changes(self, client: str) -> list[ChangeRow]:
        """A client's changes."""
        return self.scoring.rows.history.get(self._key(client), [])

    def falls(self, client: str) -> list[ChangeRow]:
        """A client's changes by time alone."""
        return [each for each in self.changes(client) if each.reason == "elapsed_time"]


def noon(day: int) -> datetime:
    return START + day * DAY


def midnight(day: int) -> datetime:
    on = noon(day).date()
    return datetime.combine(on, time(), ZoneInfo(ZONE)).astimezone(UTC)


def said(client: str, day: int, amount: int = 0, source: str = "till") -> dict[str, Any]:
    """A visit, or a payment, of that day."""
    kind = "payment.settled" if amount else "booking.completed"
    name = f"{client}-{day}-{amount}"
    data = {"payment_id": name, "amount_minor": amount, "currency": "CNY"}
    return {
        "specversion": "1.0",
        "type": f"rapport.{kind}.v1",
        "id": name,
        "source": source,
        "practiceid": HARBOUR.practice_id,
        "subject": client,
        "time": noon(day).isoformat(),
        "data": data if amount else {"booking_id": name},
    }


def visits(client: str, day: int) -> list[dict[str, Any]]:
    return [said(client, day), said(client, day, 50_000)]


def lived(silent: range, *, is_watched: bool = True, until: int = LASTS) -> WatchedEvents:
    """The world after so many days, of which the till says nothing on some. Ada, Ben and Cy come on
    the first one; Ben comes again in the silence, and Cy never. What was said on the silent days
    comes behind the first event after them."""
    world = WatchedEvents(HARBOUR)
    world.is_watched = is_watched
    waiting: list[dict[str, Any]] = []
    for day in range(until):
        told = [said("filler", day)] + (visits("ben", day) if day == silent.start + 1 else [])
        if day == 0:
            told += [each for client in ("ben", "cy") for each in visits(client, day)]
        if day in silent:
            waiting += told
            told = []
        elif waiting:
            told, waiting = told + waiting, []
        world.step(noon(day) - timedelta(hours=11), [])
        world.step(noon(day), [*told, said("walk-in", day, source="desk")])
    world.read([500])
    return world


@pytest.fixture(scope="module")
def falls_on() -> int:
    """The day on which Cy falls first, if the till is never silent."""
    world = lived(range(0), is_watched=False)
    return (world.falls("cy")[0].effective_at - midnight(0)).days


def test_nobody_falls_by_a_silence(falls_on: int) -> None:
    silent = range(falls_on - 4, falls_on + 6)
    world = lived(silent, until=silent.stop)
    (hold,) = world.holds()
    assert (hold.source, hold.since) == ("till", midnight(silent.start + 3))
    assert world.falls("ben") + world.falls("cy") == []
    assert world.answer("cy").held == [HeldBy("silent", "till", hold.since)]
    world = lived(silent, is_watched=False, until=silent.stop)
    assert world.falls("cy") != []
    assert world.falls("ben") != []


def test_it_speaks_again(falls_on: int) -> None:
    silent = range(falls_on - 4, falls_on + 6)
    world = lived(silent, until=silent.stop + 2)
    (_, release) = world.holds()
    assert (release.is_held, release.since) == (False, midnight(silent.stop + 1))
    (fall,) = world.falls("cy")
    assert fall.effective_at == release.since
    assert fall.due_on == noon(falls_on).date()
    assert world.falls("ben") == []
    without = lived(range(0), is_watched=False, until=silent.stop + 2)
    for client in ("ben", "cy", "filler"):
        told, expected = world.answer(client).assessment, without.answer(client).assessment
        assert told is not None
        assert expected is not None
        assert told.tier == expected.tier


def test_a_mutant_that_releases_at_the_first_event_lets_those_fall_who_have_come(
    falls_on: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the tests above do not pass because nothing is held."""
    monkeypatch.setattr(silences, "_is_silent", lambda _known, _today: False)
    silent = range(falls_on - 4, falls_on + 6)
    assert lived(silent, until=silent.stop).falls("ben") != []
