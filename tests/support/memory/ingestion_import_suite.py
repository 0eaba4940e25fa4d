"""What every store of ingestion must do for imports (ADR 51): for memory and for Postgres."""

from datetime import datetime, timedelta

import pytest

from ingestion_service.domain.facts import SourceObjectKey
from ingestion_service.domain.imports import About, Counts, ImportHold, ImportKey
from ingestion_service.handlers import accept, advance_clock, register_client, register_practice
from ingestion_service.import_holds import end_import, hold_practice, tend_imports
from ingestion_service.ports import Store
from ingestion_service.ports.imports import PlannedAt
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import (
    HARBOUR,
    LAKESIDE,
    LI_NA,
    WANG_FANG,
    StoreWorld,
    fact,
)

LAKE = LAKESIDE.practice_id
KEY = ImportKey(LAKE, "job-1")
ABOUT = About("desk", "ab12", "{}")
LATER = NOON + timedelta(hours=1)
MONTH = timedelta(days=30)


def begin(store: Store, key: ImportKey = KEY) -> None:
    """Begin an import, whose practice stands still from now on."""
    store.imports.begin(key, ABOUT)
    job = store.imports.lock(key)
    assert job is not None
    hold_practice(job, store)


def end(store: Store, key: ImportKey = KEY) -> None:
    job = store.imports.lock(key)
    assert job is not None
    end_import(job, store)


def accepted_at(world: StoreWorld) -> dict[str | None, datetime]:
    """When each source event was accepted that caused an activity; None: a registration."""
    found = {}
    for key in (WANG_FANG, LI_NA, WANG_FANG._replace(practice_id=HARBOUR.practice_id)):
        client_id = world.reads.client_ids(key.practice_id, {key})[key]
        for each in world.reads.activities(key.practice_id, client_id, 0, 10) or []:
            found[each.cause and each.cause.event_id] = each.accepted_at
    return found


class ImportSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture(autouse=True)
    def at_noon(self, world: StoreWorld) -> None:
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            register_practice(HARBOUR, store)
            advance_clock(NOON, store)

    def later(self, world: StoreWorld) -> None:
        with world.stores.open_for_operator() as store:
            advance_clock(LATER, store)

    def test_an_import_goes_on_where_it_was_until_it_ends(self, world: StoreWorld) -> None:
        with world.worker() as store:
            assert store.imports.lock(KEY) is None
            begin(store)
        with world.worker() as store:
            store.imports.begin(KEY, About("other", "cd34", "[]"))
            job = store.imports.lock(KEY)
            assert job is not None
            assert (job.about, job.position, job.counts) == (ABOUT, 0, Counts())
            store.imports.move(KEY, 7, Counts(4, 1, 0, 2))
        with world.worker() as store:
            job = store.imports.lock(KEY)
            assert job is not None
            assert (job.position, job.counts) == (7, Counts(4, 1, 0, 2))
            end(store)
        with world.worker() as store:
            assert store.imports.lock(KEY) is None

    def test_what_comes_of_the_practice_is_accepted_where_it_stands(
        self, world: StoreWorld
    ) -> None:
        with world.worker() as store:
            begin(store)
        self.later(world)
        with world.worker() as store:
            accept([fact("completed", "e1"), fact("settled", "e2", **_OF_HARBOUR)], store)
        with world.stores.open(LAKE) as store:
            register_client(LI_NA, store)
        with world.worker() as store:
            end(store)
            accept([fact("completed", "e3", external_object_id="s3")], store)
        assert accepted_at(world) == {"e1": NOON, "e2": LATER, None: NOON, "e3": LATER}

    def test_a_hold_is_announced_once_and_ended_with_its_import(self, world: StoreWorld) -> None:
        with world.worker() as store:
            begin(store)
        self.later(world)
        with world.worker() as store:
            begin(store)
            tend_imports(store)
            end(store)
        begun, ended = world.holds()
        assert (begun.practice_id, begun.is_held, begun.since) == (LAKE, True, NOON)
        assert (begun.reason, begun.source) == ("import", "desk")
        assert ended == begun._replace(is_held=False, since=LATER)

    def test_of_two_imports_the_earlier_says_where_the_practice_stands(
        self, world: StoreWorld
    ) -> None:
        other = ImportKey(LAKE, "job-2")
        with world.worker() as store:
            begin(store)
        self.later(world)
        with world.worker() as store:
            begin(store, other)
            assert store.imports.stand_at({LAKE, HARBOUR.practice_id}) == {LAKE: NOON}
            end(store)
            assert store.imports.stand_at({LAKE}) == {LAKE: LATER}

    def test_after_a_restore_a_hold_is_announced_again(self, world: StoreWorld) -> None:
        with world.worker() as store:
            begin(store)
        world.restore()
        with world.worker() as store:
            (job,) = store.imports.held()
            assert job.hold is not None
            assert not job.hold.is_announced
            tend_imports(store)
            tend_imports(store)
        first, again = world.holds()
        assert again == first

    def test_what_has_stood_still_for_long_is_forgotten_when_it_holds_nobody(
        self, world: StoreWorld
    ) -> None:
        other = ImportKey(LAKE, "job-2")
        with world.worker() as store:
            begin(store)
            store.imports.begin(other, ABOUT)
            now = store.real_time()
        with world.worker() as store:
            store.imports.forget(now - MONTH)
            assert store.imports.lock(other) is not None
            store.imports.forget(now + MONTH)
            assert store.imports.lock(other) is None
            assert store.imports.lock(KEY) is not None
            store.imports.release(KEY)
            assert store.imports.held() == []
            store.imports.forget(now + MONTH)
            assert store.imports.lock(KEY) is None

    def test_planned_hours_are_found_in_their_order(self, world: StoreWorld) -> None:
        hours = [NOON + timedelta(hours=each) for each in (3, 1, 2, 2)]
        keys = [SourceObjectKey(LAKE, "desk", "booking", f"b{each}") for each in range(4)]
        begin_at = PlannedAt(LAKE, "desk", NOON, "")
        with world.worker() as store:
            store.imports.plan(dict(zip(keys, hours, strict=True)))
            store.imports.plan({keys[1]._replace(source="other"): NOON + timedelta(hours=1)})
        with world.worker() as store:
            found = store.imports.planned(begin_at, hours[0], 10)
            assert [each.booking_id for each in found] == ["b1", "b2", "b3"]
            assert store.imports.planned(begin_at, hours[0], 1) == found[:1]
            assert store.imports.planned(found[1], hours[0], 10) == found[2:]
            store.imports.plan({keys[1]: None, keys[2]: hours[0]})
            assert store.imports.planned(begin_at, hours[0], 10) == found[2:]
            store.imports.forget_planned(LAKE, "desk", hours[0])
            left = store.imports.planned(begin_at, hours[0] + timedelta(hours=1), 10)
            assert [each.booking_id for each in left] == ["b0", "b2"]

    def test_bookings_are_read_as_they_stand(self, world: StoreWorld) -> None:
        known = SourceObjectKey(LAKE, "desk", "booking", "s1")
        unknown = known._replace(external_id="s2")
        with world.worker() as store:
            accept([fact("created", "e1")], store)
            found = store.imports.objects({known, unknown})
            assert found.keys() == {known}
            assert found[known].owner == WANG_FANG
            assert found[known].standing.created is not None

    def test_a_hold_that_is_noted_is_whole(self, world: StoreWorld) -> None:
        with world.worker() as store:
            store.imports.begin(KEY, ABOUT)
            store.imports.hold(KEY, ImportHold("h1", NOON, is_announced=True))
            job = store.imports.lock(KEY)
            assert job is not None
            assert job.hold == ImportHold("h1", NOON, is_announced=True)


_OF_HARBOUR = {"practice_id": HARBOUR.practice_id, "currency": "GBP"}
