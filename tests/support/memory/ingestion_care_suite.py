"""What each store of ingestion must do with signals, and with those of care (ADR 52)."""

from datetime import timedelta
from typing import Any

from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import (
    accept,
    open_generation,
)
from ingestion_service.ports import ClientKey, Stores
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import LAKESIDE, PracticeSuite, StoreWorld, fact

LATER = NOON - timedelta(hours=1)


def signal(kind: Any, event_id: str, /, **changes: Any) -> SourceFact:
    return fact(kind, event_id, object_kind="signal", **changes)


def care(kind: Any, event_id: str, /, **changes: Any) -> SourceFact:
    return fact(kind, event_id, object_kind="care", **changes)


class CareSuite(PracticeSuite):
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    def send(self, stores: Stores, *facts: SourceFact) -> list[str]:
        with stores.open(LAKESIDE.practice_id) as store:
            return [result.reason or result.status for result in accept(facts, store)]

    def test_a_state_of_a_signal_takes_the_place_of_the_one_before(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        opened = signal("case_opened", "e1", attributes=(("service_code", "a"),))
        ended = (("outcome", "completed"),)
        closed = signal("case_closed", "e2", occurred_at=LATER, attributes=ended)
        assert self.send(stores, opened) == ["accepted"]
        assert self.send(stores, closed, opened) == ["accepted", "duplicate"]
        told = [(each.kind, each.number, each.attributes) for each in world.published()]
        assert told == [
            ("case_opened", 1, {"service_code": "a"}),
            ("case_opened", -1, {"service_code": "a"}),
            ("case_closed", 1, {"outcome": "completed"}),
        ]

    def test_care_has_numbers_of_its_own_and_the_ledger_none_of_its_values(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        marks = (("mark", 3), ("scale", 10))
        mood = care("mood_reported", "e1", external_object_id="m1", attributes=marks)
        noted = care("risk_noted", "e2", external_object_id="r1")
        cleared = care("risk_cleared", "e3", external_object_id="r1", occurred_at=LATER)
        late = care("risk_noted", "e4", external_object_id="r1")
        assert self.send(stores, mood, noted) == ["accepted", "accepted"]
        assert self.send(stores, cleared, mood) == ["accepted", "duplicate"]
        assert self.send(stores, late._replace(occurred_at=NOON - timedelta(days=2))) == [
            "accepted"
        ]
        assert world.care() == [
            ("mood_reported", 1, "e1", dict(marks)),
            ("risk_noted", 2, "e2", {}),
            ("risk_cleared", 3, "e3", {}),
        ]
        assert world.published() == []
        assert {each.attributes for each in world.facts()} == {()}

    def test_a_generation_says_signals_anew_and_nothing_of_care(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, care("risk_noted", "e1"), signal("consulted", "e2"))
        (told,) = world.said()
        with world.worker() as store:
            assert open_generation(ClientKey(LAKESIDE.practice_id, told.client_id), store, "x") == 1
        assert [each.sequence for each in world.said()] == [1, None, 1]
        assert len(world.care()) == 1

    def test_what_is_rejected_takes_no_number(self, world: StoreWorld, stores: Stores) -> None:
        other = care("risk_noted", "e2", external_id="li-wei")
        assert self.send(stores, care("risk_noted", "e1"), other) == ["accepted", "other-client"]
        assert self.send(stores, care("risk_noted", "e3", occurred_at=LATER)) == ["accepted"]
        assert [sequence for _, sequence, *_ in world.care()] == [1, 2]
