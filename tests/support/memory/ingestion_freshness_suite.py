"""What every store of ingestion must do for the freshness of sources (ADR 53): for memory and for
Postgres. A desk speaks each day at noon UTC, which is evening in Shanghai."""

from datetime import date, datetime, timedelta

import pytest

from ingestion_service.domain.errors import Unknown
from ingestion_service.domain.freshness import midnight
from ingestion_service.handlers import accept, advance_clock, register_practice
from ingestion_service.ports import Hold, SourceRecord
from ingestion_service.ports.freshness import Decision, SourceKey, SpokenDay
from ingestion_service.silences import announce_silences_again, end_hold, look_at_sources
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, StoreWorld, fact

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DESK = SourceKey(LAKESIDE.practice_id, "desk")
BY_ANN = Decision("key ann", "they have left that system")
SPOKE = 30
"""On so many days, the last of which is the day 29."""


def at(day: float) -> datetime:
    """Noon UTC of a day, the first of which is 0."""
    return NOON + day * DAY


def begins(day: int) -> datetime:
    """When the day begins at Lakeside."""
    return midnight(date(2024, 6, 1) + day * DAY, LAKESIDE.zone)


class FreshnessSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture
    def spoken(self, world: StoreWorld) -> StoreWorld:
        """A desk that has spoken daily for thirty days."""
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            register_practice(HARBOUR, store)
            advance_clock(at(0), store)
        for day in range(SPOKE):
            self.speak(world, day)
        return world

    def speak(self, world: StoreWorld, day: float, **changes: object) -> None:
        """An event on a day; it happened just then, unless `changes` differ."""
        with world.stores.open_for_operator() as store:
            advance_clock(at(day), store)
        said = {"occurred_at": at(day), "external_object_id": f"b{day}", **changes}
        with world.worker() as store:
            (result,) = accept([fact("completed", f"e{day}", **said)], store)
            assert result.status == "accepted"

    def look(self, world: StoreWorld, through: datetime) -> list[Hold]:
        """What a look announces."""
        before = len(world.holds())
        with world.worker() as store:
            announce_silences_again(store)
            look_at_sources(store, through)
        return world.holds()[before:]

    def silence(self, world: StoreWorld) -> Hold:
        """Let the source be silent; the hold that this opens."""
        (hold,) = self.look(world, begins(33))
        return hold

    def test_days_are_counted_where_the_practice_is(self, spoken: StoreWorld) -> None:
        self.speak(spoken, 29.1)
        late = {"occurred_at": at(2), "backfill": True}
        self.speak(spoken, 29.2, **late)  # type: ignore[arg-type]  # two fields of the fact
        with spoken.worker() as store:
            found = store.freshness.days([DESK], date(2024, 6, 29))
        assert found == {
            DESK: [
                SpokenDay(DESK, date(2024, 6, 29), 1, at(28)),
                SpokenDay(DESK, date(2024, 6, 30), 2, at(29.1)),
            ]
        }

    def test_after_three_silent_days_the_practice_is_held(self, spoken: StoreWorld) -> None:
        assert self.look(spoken, begins(33) - HOUR) == []
        (hold,) = self.look(spoken, begins(33))
        practice_id = LAKESIDE.practice_id
        assert hold == Hold(practice_id, hold.hold_id, True, begins(33), "silent", "desk")  # noqa: FBT003  # a tuple
        assert self.look(spoken, begins(34)) == []

    def test_it_goes_on_at_the_midnight_after_the_newest_event(self, spoken: StoreWorld) -> None:
        held = self.silence(spoken)
        self.speak(spoken, 36)
        assert self.look(spoken, begins(37) - HOUR) == []
        assert self.look(spoken, begins(37)) == [held._replace(is_held=False, since=begins(37))]

    def test_old_news_do_not_end_the_silence(self, spoken: StoreWorld) -> None:
        """The feed speaks of the silent days first, and comes to today two days later."""
        held = self.silence(spoken)
        self.speak(spoken, 36, occurred_at=at(30))
        assert self.look(spoken, begins(37)) == []
        self.speak(spoken, 37)
        assert self.look(spoken, begins(38)) == [held._replace(is_held=False, since=begins(38))]

    def test_history_does_not_speak(self, spoken: StoreWorld) -> None:
        self.speak(spoken, 32, backfill=True)
        assert self.silence(spoken).is_held

    def test_nothing_is_judged_while_records_wait(self, spoken: StoreWorld) -> None:
        record = SourceRecord("source.bookings.v1", 0, 1, None, b"{}", (), 0)
        with spoken.worker() as store:
            store.open_queues([LAKESIDE.practice_id], at(32))
            store.defer([(LAKESIDE.practice_id, record)], at(32))
        assert self.look(spoken, begins(33)) == []
        with spoken.worker() as store:
            store.lock_queues([LAKESIDE.practice_id])
            store.close_queue(LAKESIDE.practice_id)
        assert self.look(spoken, begins(33) + HOUR) != []

    def test_a_hold_is_announced_again_after_a_restore(self, spoken: StoreWorld) -> None:
        held = self.silence(spoken)
        spoken.restore()
        assert self.look(spoken, begins(33) + HOUR) == [held]
        assert self.look(spoken, begins(33) + HOUR) == []

    def test_what_an_operator_ends_is_not_begun_again_before_it_speaks(
        self, spoken: StoreWorld
    ) -> None:
        held = self.silence(spoken)
        with spoken.worker() as store:
            end_hold(held.hold_id, store, at(34), BY_ANN)
        assert spoken.holds()[-1] == held._replace(is_held=False, since=at(34))
        assert [self.look(spoken, begins(day)) for day in range(35, 40)] == [[]] * 5
        self.speak(spoken, 40)
        assert [self.look(spoken, begins(day)) for day in range(41, 63)] == [[]] * 22
        (again,) = self.look(spoken, begins(63))  # its longest gap is eleven days by now
        assert (again.is_held, again.since) == (True, begins(63))
        assert again.hold_id != held.hold_id

    def test_what_an_operator_ended_is_watched_again_after_old_news_too(
        self, spoken: StoreWorld
    ) -> None:
        held = self.silence(spoken)
        with spoken.worker() as store:
            end_hold(held.hold_id, store, at(34), BY_ANN)
        self.speak(spoken, 40, occurred_at=at(30))
        assert [self.look(spoken, begins(day)) for day in range(41, 63)] == [[]] * 22
        assert [each.is_held for each in self.look(spoken, begins(63))] == [True]

    def test_a_hold_ends_once(self, spoken: StoreWorld) -> None:
        held = self.silence(spoken)
        with spoken.worker() as store:
            end_hold(held.hold_id, store, at(34), BY_ANN)
            with pytest.raises(Unknown):
                end_hold(held.hold_id, store, at(34), BY_ANN)

    def test_only_what_is_due_is_looked_at(self, spoken: StoreWorld) -> None:
        with spoken.worker() as store:
            assert look_at_sources(store, at(29)) == 1
            assert look_at_sources(store, begins(33) - HOUR) == 0
            assert store.freshness.due(begins(33), 0) == []
