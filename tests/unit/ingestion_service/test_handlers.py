"""Use cases on a store in memory: clients and their activities, practices, the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestion_service.domain.errors import Conflict, NotYet, Unknown
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.handlers import (
    Registration,
    accept,
    advance_clock,
    look_up_clients,
    register_client,
    register_practice,
)
from tests.support.memory.ingestion import NOON, MemoryReads, MemoryStores
from tests.support.memory.ingestion_world import CODES, LAKESIDE, LI_NA, WANG_FANG, fact


def register(stores: MemoryStores) -> Registration:
    with stores.open(LAKESIDE.practice_id) as store:
        return register_client(WANG_FANG, store)


def advance(stores: MemoryStores, now: datetime) -> None:
    with stores.open_for_operator() as store:
        advance_clock(now, store)


def kinds(stores: MemoryStores) -> list[tuple[str, int]]:
    """Kind and sequence of each activity, oldest first."""
    return [(activity.delta.kind, activity.sequence) for activity in stores.tables.published]


class TestRegisterClient:
    def test_a_client_is_created_and_announced_once(self, stores: MemoryStores) -> None:
        first, again = register(stores), register(stores)
        assert (first.is_new, again.is_new) == (True, False)
        assert first.client_id == again.client_id
        assert kinds(stores) == [("registered", 1)]

    def test_a_registration_is_of_the_day_and_time_at_the_practice(
        self, stores: MemoryStores
    ) -> None:
        stores.real_time = datetime(2024, 6, 1, 17, tzinfo=UTC)  # 01:00 in Shanghai
        register(stores)
        [activity] = stores.tables.published
        assert activity.delta.on.isoformat() == "2024-06-02"
        assert (activity.occurred_at, activity.accepted_at, activity.cause) == (
            stores.real_time,
            stores.real_time,
            None,
        )

    def test_activities_go_on_behind_the_registration(self, stores: MemoryStores) -> None:
        register(stores)
        with stores.open(LAKESIDE.practice_id) as store:
            accept([fact("settled", "e1")], store)
        assert kinds(stores) == [("registered", 1), ("settled", 2)]

    def test_a_client_who_came_by_an_event_is_announced_when_registered(
        self, stores: MemoryStores
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            accept([fact("settled", "e1")], store)
        assert not register(stores).is_new
        assert kinds(stores) == [("settled", 1), ("registered", 2)]

    def test_a_client_of_an_unknown_practice_is_refused(self) -> None:
        stores = MemoryStores()
        with pytest.raises(Unknown):
            register(stores)
        assert stores.tables.clients == {}

    def test_nobody_is_registered_before_the_simulated_clock_is_set(self) -> None:
        stores = MemoryStores(is_simulated=True)
        with stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
        with pytest.raises(NotYet):
            register(stores)


class TestRegisterPractice:
    def test_a_practice_is_announced_when_it_is_new_or_renamed(self, stores: MemoryStores) -> None:
        renamed = LAKESIDE._replace(name="Clinic", region="CN", discreet_name="The Lake")
        for wanted in (LAKESIDE, renamed, renamed):
            with stores.open_for_operator() as store:
                assert register_practice(wanted, store) == (wanted, False)
        assert stores.tables.announced == [(LAKESIDE, NOON), (renamed, NOON)]
        assert stores.tables.practices == {"lakeside": renamed}

    def test_what_is_not_said_of_a_practice_stays_as_it_is(self, stores: MemoryStores) -> None:
        full = LAKESIDE._replace(region="CN", discreet_name="The Lake")
        nameless = full._replace(name="Clinic", discreet_name=None)
        saved = []
        for wanted, unsaid in (
            (full, ()),
            (LAKESIDE._replace(name="Clinic"), {"region", "discreet_name"}),
            (LAKESIDE._replace(name="Clinic"), {"region"}),
        ):
            with stores.open_for_operator() as store:
                saved.append(register_practice(wanted, store, unsaid).practice)
        assert saved == [full, full._replace(name="Clinic"), nameless]
        assert stores.tables.practices == {"lakeside": nameless}

    def test_what_is_not_said_of_a_new_practice_is_unknown(self) -> None:
        stores = MemoryStores()
        with stores.open_for_operator() as store:
            saved = register_practice(LAKESIDE, store, {"region", "discreet_name"})
        assert saved == (LAKESIDE, True)

    def test_the_currency_never_changes(self, stores: MemoryStores) -> None:
        with pytest.raises(Conflict), stores.open_for_operator() as store:
            register_practice(LAKESIDE._replace(currency="JPY"), store)
        assert stores.tables.practices == {"lakeside": LAKESIDE}
        assert len(stores.tables.announced) == 1

    def test_a_practice_is_new_also_before_the_simulated_clock_is_set(self) -> None:
        stores = MemoryStores(is_simulated=True)
        with stores.open_for_operator() as store:
            assert register_practice(LAKESIDE, store) == (LAKESIDE, True)


class TestLookUpClients:
    def test_ids_and_identities_are_answered_in_the_order_asked(self, stores: MemoryStores) -> None:
        first = register(stores).client_id
        with stores.open(LAKESIDE.practice_id) as store:
            second = register_client(LI_NA, store).client_id
        nobody = WANG_FANG._replace(external_id="nobody")
        wanted: list[ClientId | IdentityKey] = [second, WANG_FANG, nobody]
        wanted += [ClientId("unknown"), LI_NA, second]
        found = look_up_clients(LAKESIDE.practice_id, wanted, MemoryReads(stores))
        ids = [None if known is None else known.client_id for known in found]
        assert ids == [second, first, None, None, second, second]

    def test_a_client_of_another_practice_is_not_found(self, stores: MemoryStores) -> None:
        client_id = register(stores).client_id
        foreign = WANG_FANG._replace(practice_id=PracticeId("harbour"))
        found = look_up_clients(PracticeId("harbour"), [client_id, foreign], MemoryReads(stores))
        assert found == [None, None]


class TestAdvanceClock:
    def test_time_goes_forward(self) -> None:
        stores = MemoryStores(is_simulated=True)
        for now in (NOON, NOON, NOON + timedelta(days=1)):
            advance(stores, now)
            assert stores.tables.simulated_at == now

    def test_time_never_goes_back(self) -> None:
        stores = MemoryStores(is_simulated=True)
        advance(stores, NOON)
        with pytest.raises(Conflict):
            advance(stores, NOON - timedelta(microseconds=1))
        assert stores.tables.simulated_at == NOON


class TestClientActivities:
    def test_the_ledger_gives_the_published_activities_in_pages(self, stores: MemoryStores) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            accept([fact("refunded", "e1"), fact("created", "e2", attributes=CODES)], store)
        client_id = register(stores).client_id
        with stores.open(LAKESIDE.practice_id) as store:
            accept(
                [fact("settled", "e3", backfill=True), fact("cancelled", "e4", occurred_at=NOON)],
                store,
            )
        reads = MemoryReads(stores)
        published = stores.tables.published
        assert [activity.delta.kind for activity in published][:2] == ["registered", "booked"]
        assert len(published) == 6
        for after, limit in ((0, 100), (0, 2), (2, 2), (4, 2), (5, 2), (6, 2)):
            found = reads.activities("lakeside", client_id, after, limit)
            assert found == published[after : after + limit]

    def test_a_client_of_another_practice_has_none(self, stores: MemoryStores) -> None:
        client_id = register(stores).client_id
        reads = MemoryReads(stores)
        assert reads.activities("harbour", client_id, 0, 9) is None
        assert reads.activities("lakeside", "nobody", 0, 9) is None
