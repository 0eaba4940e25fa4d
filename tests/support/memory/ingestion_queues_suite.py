"""What the queues of every `Store` of ingestion must do: a suite for memory and for Postgres."""

from datetime import timedelta

import pytest

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.handlers import advance_clock, register_practice
from ingestion_service.ports import Hold, Stores
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, StoreWorld

LAKE, HARB = LAKESIDE.practice_id, HARBOUR.practice_id
LATER = NOON + timedelta(hours=1)


def record(offset: int, value: bytes | None = b"{}") -> SourceRecord:
    """A record of a source topic, with everything that one can have."""
    headers = (("trace", b"\x00\xff"), ("empty", b""))
    return SourceRecord("source.payments.v1", 3, offset, b"wang-fang", value, headers, 1_700_000)


class QueueSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture
    def stores(self, world: StoreWorld) -> Stores:
        """The world's stores, with two practices, and the clock at noon."""
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            register_practice(HARBOUR, store)
            advance_clock(NOON, store)
        return world.stores

    @pytest.mark.usefixtures("stores")
    def test_a_queue_is_opened_once_and_found_by_its_practice(self, world: StoreWorld) -> None:
        with world.worker() as store:
            assert store.count_queues() == 0
            first = store.open_queues({LAKE}, NOON)[LAKE]
            assert (first.is_new, first.is_announced, first.stands_at) == (True, True, NOON)
        with world.worker() as store:
            again = store.open_queues({LAKE, HARB}, LATER)
            assert again[LAKE] == first._replace(is_new=False)
            assert (again[HARB].is_new, again[HARB].stands_at) == (True, LATER)
            assert again[HARB].hold_id != first.hold_id
        with world.worker() as store:
            found = store.lock_queues({LAKE, PracticeId("nobody")})
            assert found == {LAKE: again[LAKE]}
            assert store.try_lock_queue(LAKE) == again[LAKE]
            assert store.try_lock_queue(PracticeId("nobody")) is None
            assert store.count_queues() == 2

    def test_a_practice_sees_its_own_queue_alone(self, world: StoreWorld, stores: Stores) -> None:
        with world.worker() as store:
            store.open_queues({LAKE, HARB}, NOON)
        with stores.open(LAKE) as store:
            assert store.lock_queues({LAKE}).keys() == {LAKE}

    @pytest.mark.usefixtures("stores")
    def test_records_wait_as_they_were_in_the_order_in_which_they_came(
        self, world: StoreWorld
    ) -> None:
        with world.worker() as store:
            store.open_queues({LAKE, HARB}, NOON)
            store.defer([(LAKE, record(9)), (HARB, record(1)), (LAKE, record(4))], NOON)
        with world.worker() as store:
            store.lock_queues({LAKE})
            store.defer([(LAKE, record(10, None))], LATER)
        with world.worker() as store:
            waiting = store.deferred(LAKE, 10)
            assert [each.record for each in waiting] == [record(9), record(4), record(10, None)]
            assert [each.deferred_at for each in waiting] == [NOON, NOON, LATER]
            assert not any(each.is_paused for each in waiting)
            assert store.deferred(LAKE, 2) == waiting[:2]
            assert [each.record for each in store.deferred(HARB, 10)] == [record(1)]

    @pytest.mark.usefixtures("stores")
    def test_a_turn_takes_the_first_records_and_moves_the_time_of_the_practice(
        self, world: StoreWorld
    ) -> None:
        with world.worker() as store:
            store.open_queues({LAKE, HARB}, NOON)
            store.defer([(LAKE, record(n)) for n in range(4)] + [(HARB, record(7))], NOON)
        with world.worker() as store:
            second = store.deferred(LAKE, 2)[-1]
            store.save_turn(LAKE, last=second.deferred_id, taken=2, stands_at=LATER)
        with world.worker() as store:
            assert store.lock_queues({LAKE})[LAKE].stands_at == LATER
            assert [each.record.offset for each in store.deferred(LAKE, 10)] == [2, 3]
            assert len(store.deferred(HARB, 10)) == 1

    @pytest.mark.usefixtures("stores")
    def test_who_had_its_turn_longest_ago_is_next(self, world: StoreWorld) -> None:
        with world.worker() as store:
            store.open_queues({LAKE}, NOON)
            store.defer([(LAKE, record(1)), (LAKE, record(2))], NOON)
        with world.worker() as store:
            store.open_queues({HARB}, NOON)
            store.defer([(HARB, record(3))], NOON)
        with world.worker() as store:
            assert store.next_queues(10) == [LAKE, HARB]
            assert store.next_queues(1) == [LAKE]
            store.save_turn(
                LAKE, last=store.deferred(LAKE, 1)[0].deferred_id, taken=1, stands_at=NOON
            )
        with world.worker() as store:
            assert store.next_queues(10) == [HARB, LAKE]
            store.pass_turn(HARB)
        with world.worker() as store:
            assert store.next_queues(10) == [LAKE, HARB]

    @pytest.mark.usefixtures("stores")
    def test_a_queue_that_is_closed_is_gone_with_its_records(self, world: StoreWorld) -> None:
        with world.worker() as store:
            store.open_queues({LAKE, HARB}, NOON)
            store.defer([(LAKE, record(1)), (HARB, record(2))], NOON)
            store.close_queue(LAKE)
        with world.worker() as store:
            assert store.lock_queues({LAKE, HARB}).keys() == {HARB}
            assert store.deferred(LAKE, 10) == []
            assert len(store.deferred(HARB, 10)) == 1
            assert store.next_queues(10) == [HARB]

    @pytest.mark.usefixtures("stores")
    def test_holds_are_published_and_announced_anew_after_a_restore(
        self, world: StoreWorld
    ) -> None:
        held = Hold(LAKE, "h1", is_held=True, since=NOON)
        released = Hold(HARB, "h2", is_held=False, since=LATER)
        with world.worker() as store:
            store.open_queues({LAKE, HARB}, NOON)
            store.announce_holds([held, released])
            assert store.unannounced_queues() == []
        world.restore()
        with world.worker() as store:
            assert sorted(store.unannounced_queues()) == [HARB, LAKE]
            assert not store.lock_queues({LAKE})[LAKE].is_announced
            store.note_announced([LAKE])
            assert store.lock_queues({LAKE})[LAKE].is_announced
        with world.worker() as store:
            assert store.unannounced_queues() == [HARB]
        assert world.holds() == [held, released]

    @pytest.mark.usefixtures("stores")
    def test_an_exception_undoes_what_was_deferred(self, world: StoreWorld) -> None:
        def defer_and_fail() -> None:
            with world.worker() as store:
                store.open_queues({LAKE}, NOON)
                store.defer([(LAKE, record(1))], NOON)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            defer_and_fail()
        with world.worker() as store:
            assert store.count_queues() == 0
            assert store.deferred(LAKE, 10) == []
