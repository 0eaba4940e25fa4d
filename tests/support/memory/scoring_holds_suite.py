"""What each adapter of scoring's `Holds` must do, and what holds do to who is due."""

from collections.abc import Collection, Mapping
from datetime import datetime

from scoring_service.domain.practice_days import HeldPractice
from scoring_service.ports import ClientKey, Hold, PracticePlace
from tests.support.memory.scoring_suite import (
    ADA,
    BEN,
    FOREIGN,
    HOUR,
    NOON,
    StoreAdapter,
    assessed,
    keys,
    new_client,
)

DUE = NOON + HOUR
HARBOUR, LAKESIDE = PracticePlace(0, "harbour"), PracticePlace(0, "lakeside")


def a_hold(
    hold_id: str = "h1",
    since: datetime = NOON,
    place: PracticePlace = HARBOUR,
    incarnation: str | None = "0a1b2c3d",
) -> Hold:
    return Hold(place.practice_id, place.partition, hold_id, "deferred", incarnation, since)


class HoldsSuite:
    """`Holds`, and `Clients.due` of practices that are held."""

    def begin(self, adapter: StoreAdapter, *holds: Hold) -> None:
        with adapter.stores.open() as store:
            for hold in holds:
                store.holds.save(hold)

    def end(self, adapter: StoreAdapter, hold: Hold) -> None:
        with adapter.stores.open() as store:
            store.holds.end(hold)

    def sweep(self, adapter: StoreAdapter, until: datetime) -> None:
        """As at the end of a sweep of partition 0."""
        with adapter.stores.open() as store:
            store.holds.settle({0: until})
            store.mark_swept({0: until})

    def find(
        self, adapter: StoreAdapter, *places: PracticePlace
    ) -> Mapping[PracticePlace, HeldPractice]:
        with adapter.stores.open() as store:
            return store.holds.find(places or [HARBOUR])

    def due(self, adapter: StoreAdapter, until: datetime, limit: int = 10) -> list[str]:
        with adapter.stores.open() as store:
            return sorted(keys(store.clients.due({0: until}, limit)))

    def save(
        self,
        adapter: StoreAdapter,
        held_at: datetime | None,
        clients: Collection[ClientKey] = (ADA, BEN),
    ) -> None:
        """Clients who are due at DUE."""
        states = [new_client(key) for key in clients]
        for state in states:
            assessed(state, DUE)
            state.held_at = held_at
        with adapter.stores.open() as store:
            store.clients.save(states)

    def test_a_hold_is_of_one_practice_in_one_partition(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, a_hold())
        elsewhere = PracticePlace(1, "harbour")
        found = self.find(adapter, HARBOUR, LAKESIDE, elsewhere)
        assert found == {HARBOUR: HeldPractice(NOON, is_assessed=True)}
        assert self.find(adapter, elsewhere) == {}

    def test_a_hold_moves_on_and_never_back(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, a_hold(), a_hold(since=NOON + HOUR), a_hold(since=NOON - HOUR))
        assert self.find(adapter)[HARBOUR].stands_at == NOON + HOUR

    def test_a_practice_stands_at_the_earliest_of_its_open_holds(
        self, adapter: StoreAdapter
    ) -> None:
        self.begin(adapter, a_hold(), a_hold("h2", NOON + HOUR))
        assert self.find(adapter)[HARBOUR].stands_at == NOON
        self.end(adapter, a_hold())
        assert self.find(adapter)[HARBOUR].stands_at == NOON + HOUR
        self.end(adapter, a_hold("h2"))
        self.end(adapter, a_hold("h3"))
        assert self.find(adapter) == {}

    def test_a_hold_that_is_told_again_after_its_end_is_open(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, a_hold())
        self.end(adapter, a_hold())
        self.begin(adapter, a_hold(since=NOON + HOUR))
        assert self.find(adapter)[HARBOUR].stands_at == NOON + HOUR

    def test_a_practice_that_stands_before_the_first_watermark_is_not_assessed(
        self, adapter: StoreAdapter
    ) -> None:
        with adapter.stores.open() as store:
            store.await_first_assessment(0, NOON + HOUR)
        self.begin(adapter, a_hold(), a_hold(place=LAKESIDE, since=NOON + HOUR))
        found = self.find(adapter, HARBOUR, LAKESIDE)
        assert [found[place].is_assessed for place in (HARBOUR, LAKESIDE)] == [False, True]

    def test_holds_of_another_database_of_the_sender_end(self, adapter: StoreAdapter) -> None:
        later = PracticePlace(1, "harbour")
        self.begin(
            adapter,
            a_hold("of before"),
            a_hold("of now", NOON + HOUR, incarnation="4e5f6a7b"),
            a_hold("of after", NOON + 2 * HOUR, incarnation="5e5f6a7b"),
            a_hold("of nobody", NOON + 3 * HOUR, incarnation=None),
            a_hold(place=later),
        )
        with adapter.stores.open() as store:
            store.holds.end_others({0: "4e5f6a7b"})
            store.holds.end_others({})
        assert self.find(adapter)[HARBOUR].stands_at == NOON + HOUR
        assert self.find(adapter, later)[later].stands_at == NOON
        self.end(adapter, a_hold("of now"))
        assert self.find(adapter)[HARBOUR].stands_at == NOON + 3 * HOUR

    def test_who_is_set_aside_is_not_due(self, adapter: StoreAdapter) -> None:
        self.begin(adapter, a_hold())
        self.save(adapter, NOON)
        self.save(adapter, None, [FOREIGN])
        assert self.due(adapter, DUE) == ["ada"]
        with adapter.stores.open() as store:
            assert store.clients.load([BEN])[BEN].held_at == NOON

    def test_who_waits_for_a_first_assessment_is_not_due_once_set_aside(
        self, adapter: StoreAdapter
    ) -> None:
        with adapter.stores.open() as store:
            store.await_first_assessment(0, NOON)
        self.begin(adapter, a_hold(since=NOON - HOUR))
        waits = new_client()
        with adapter.stores.open() as store:
            store.clients.save([waits])
        assert self.due(adapter, NOON) == ["ada"]
        waits.held_at = NOON - HOUR
        with adapter.stores.open() as store:
            store.clients.save([waits])
            assert store.clients.load([ADA])[ADA].review_at == NOON
        assert self.due(adapter, NOON) == []

    def test_who_was_set_aside_follows_when_the_practice_moves_on(
        self, adapter: StoreAdapter
    ) -> None:
        """And no sooner than their time comes there, so that nobody is looked at in vain."""
        later, cy = NOON + 2 * HOUR, ClientKey("harbour", "cy")
        self.begin(adapter, a_hold())
        self.save(adapter, NOON, [ADA, BEN, cy])
        assert self.due(adapter, later) == []
        self.begin(adapter, a_hold(since=NOON + HOUR / 2))
        assert self.due(adapter, later) == []
        self.begin(adapter, a_hold(since=DUE))
        assert self.due(adapter, later) == ["ada", "ben", "cy"]
        assert len(self.due(adapter, later, limit=1)) == 1
        with adapter.stores.open() as store:
            ada = store.clients.load([ADA])[ADA]
            ada.review_at = later
            store.clients.save([ada])
        assert self.due(adapter, later) == ["ben", "cy"]

    def test_all_who_were_set_aside_come_back_after_the_last_hold(
        self, adapter: StoreAdapter
    ) -> None:
        self.begin(adapter, a_hold(), a_hold("h2"))
        self.save(adapter, NOON)
        self.end(adapter, a_hold())
        assert self.due(adapter, DUE) == []
        self.end(adapter, a_hold("h2"))
        assert self.due(adapter, DUE) == ["ada", "ben"]

    def test_an_answer_is_as_of_where_the_practice_stood_at_the_last_sweep(
        self, adapter: StoreAdapter
    ) -> None:
        """So no answer is of a day to which nobody has brought the client."""
        self.save(adapter, None)
        self.begin(adapter, a_hold())
        seen = [self.as_of(adapter)]
        adapter.pass_watermark(0, NOON + 3 * HOUR)
        self.sweep(adapter, NOON + 3 * HOUR)
        seen.append(self.as_of(adapter))
        self.begin(adapter, a_hold(since=NOON + HOUR))
        seen.append(self.as_of(adapter))
        self.sweep(adapter, NOON + 4 * HOUR)
        seen.append(self.as_of(adapter))
        self.end(adapter, a_hold())
        seen.append(self.as_of(adapter))
        self.sweep(adapter, NOON + 5 * HOUR)
        seen.append(self.as_of(adapter))
        hours = (None, 0, 0, 1, 1, 5)
        assert seen == [None if hour is None else NOON + hour * HOUR for hour in hours]

    def as_of(self, adapter: StoreAdapter) -> datetime | None:
        """Of one client, and the same of all."""
        (ada,) = adapter.tiers.of_clients("harbour", ["ada"])
        as_of, _ = adapter.tiers.counts("harbour")
        assert as_of == ada.as_of
        return as_of
