"""A payment feed falls silent while bookings go on: no tier falls and no message is planned, and
when it speaks again what was held is told once (ADR 53). All three services in memory.

The three sources name clients by the same numbers. Ben and Cy paid once, a year ago, on paper, and
have come every other day of late. So both are to
fall on one midnight, when that money is a year old; but Ben pays again on a day on which the till
is silent, and what it says of it comes behind its first event.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from outreach_service.builtin import builtin_playbook
from rapport_contracts.canonical import HoldChanged
from rapport_contracts.codec import decode
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.stream.batch import Batch, PartitionBatch
from rapport_runtime.stream.positions import Position
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.worlds.settled import SettledEvents
from tests.unit.test_silent_feed import HARBOUR, WatchedEvents, midnight, noon, said

pytestmark = pytest.mark.slow
BEGINS, ENDS = 342, 380
"""Days after the first, on which something comes each day."""
FALL = 366
"""The day at whose midnight what was paid on the first one is a year old."""
SILENT = range(FALL - 5, FALL + 6)
"""The days on which the till says nothing; the hold begins on the fourth of them."""
HELD = SILENT.start + 3
WATCHED = ("ben", "cy")


class Planned(NamedTuple):
    """A message that is planned for a client."""

    play: str
    at: datetime


class House(WatchedEvents, SettledEvents):
    """Outreach hears of holds as well, before the time that they lead up to."""

    def planned(self, client: str) -> list[Planned]:
        """What is planned for a client from the silence on."""
        whose = self._key(client)
        rows = [each.planned for each in self.outreach.rows.messages.values()]
        found = [
            Planned(each.play.key, each.due_at) for each in rows if each.change.client == whose
        ]
        return sorted(each for each in found if each.at >= midnight(SILENT.start))

    def _fact(self, document: Mapping[str, Any]) -> Any:
        """Of one namespace, as the door makes it where the sources are declared so (ADR 49)."""
        return super()._fact(document)._replace(namespace="desk")

    def _append(self, record: Outgoing) -> None:
        super()._append(record)
        event = decode(record.topic, record.key, record.value)
        if isinstance(event, HoldChanged):
            place = TopicPartition(record.topic, record.partition)
            before = Position(0, "", self.outreach.business_time)
            self._planner.handle(None, Batch([PartitionBatch(place, before, [], [event], 1)]))


def lived(silent: Sequence[int] = SILENT, *, is_watched: bool = True, until: int = ENDS) -> House:
    """The house at the end of so many days. What the till has to say of the silent ones it says
    behind its first event after them."""
    house = House(HARBOUR, RULEBOOK, builtin_playbook())
    house.is_watched = is_watched
    house.step(noon(0), [said(client, 0, 50_000, "paper") for client in WATCHED])
    waiting: list[dict[str, Any]] = []
    for day in range(BEGINS, until):
        told = [said("walk-in", day, amount) for amount in (100, 200)]
        if day == SILENT.start + 1:
            told.append(said("ben", day, 50_000))
        if day in silent:
            waiting += told
            told = []
        elif waiting:
            told, waiting = [*told, *waiting], []
        came = [said(client, day, source="desk") for client in WATCHED if day % 2 == 0]
        house.step(noon(day) - timedelta(hours=11), [])
        house.step(noon(day), [*told, *came, said("walk-in", day, source="desk")])
    return house


@pytest.fixture(scope="module")
def never_silent() -> House:
    return lived(())


def test_of_a_till_that_speaks_one_falls_and_one_does_not(never_silent: House) -> None:
    """So the days below are those that count."""
    (fall,) = never_silent.falls("cy")
    assert (fall.effective_at, fall.to_tier) == (midnight(FALL), "silver")
    assert [each.play for each in never_silent.planned("cy")] == ["check-in"]
    assert (never_silent.falls("ben"), never_silent.planned("ben")) == ([], [])
    assert never_silent.holds() == []


def test_while_it_is_silent_nobody_falls_and_nobody_is_written_to() -> None:
    house = lived(until=SILENT.stop)
    (hold,) = house.holds()
    assert (hold.source, hold.since, hold.is_held) == ("till", midnight(HELD), True)
    for client in WATCHED:
        assert (house.falls(client), house.planned(client)) == ([], [])
        assessment = house.answer(client).assessment
        assert assessment is not None
        assert assessment.tier == "gold"


def test_without_a_hold_both_fall_and_are_written_to() -> None:
    """Ben is asked whether all is well though he has paid."""
    house = lived(is_watched=False, until=SILENT.stop)
    for client in WATCHED:
        assert [each.to_tier for each in house.falls(client)] == ["silver"]
        assert [each.play for each in house.planned(client)] == ["check-in"]


def test_when_it_speaks_again_what_was_held_happens_once(never_silent: House) -> None:
    house = lived()
    begun, ended = house.holds()
    assert (ended.hold_id, ended.is_held) == (begun.hold_id, False)
    (fall,) = house.falls("cy")
    assert (fall.effective_at, fall.due_on) == (ended.since, noon(FALL).date())
    (told,) = house.planned("cy")
    assert told.play == "check-in"
    assert told.at >= ended.since
    assert (house.falls("ben"), house.planned("ben")) == ([], [])
    for client in (*WATCHED, "walk-in"):
        ours, theirs = house.answer(client).assessment, never_silent.answer(client).assessment
        assert ours is not None
        assert theirs is not None
        assert ours.tier == theirs.tier
