"""What every store of ingestion must do for rebuilds (ADR 48): for memory and for Postgres."""

import pytest

from ingestion_service.domain.activities import ActivityOwner
from ingestion_service.domain.errors import Conflict, Unknown
from ingestion_service.domain.facts import ClientId
from ingestion_service.handlers import (
    accept,
    advance_clock,
    open_generation,
    register_client,
    register_practice,
)
from ingestion_service.ports import ClientKey, Opening, Progress, Scope
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import (
    HARBOUR,
    LAKESIDE,
    LI_NA,
    WANG_FANG,
    Said,
    StoreWorld,
    fact,
)

ALL, OF_LAKESIDE = Scope(), Scope(LAKESIDE.practice_id)
NOBODY = ClientKey(LAKESIDE.practice_id, ClientId("nobody"))


class RebuildSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture
    def clients(self, world: StoreWorld) -> list[ClientKey]:
        """Wang Fang, who booked and came and paid, and Li Na, who is registered alone; and one at
        Harbour; in the order of their keys."""
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            register_practice(HARBOUR, store)
            advance_clock(NOON, store)
        with world.worker() as store:
            register_client(WANG_FANG, store)
            register_client(LI_NA, store)
            facts = [
                fact("created", "e1"),
                fact("settled", "e2", external_object_id="p1"),
                fact("completed", "e3", occurred_at=NOON),
            ]
            accept(facts, store)
            elsewhere = {"practice_id": HARBOUR.practice_id, "external_id": "ben"}
            accept([fact("completed", "e1", **elsewhere)], store)
            return store.rebuilds.next_clients(ALL, None, 10)

    def whose(self, world: StoreWorld) -> ClientKey:
        found = world.reads.client_ids(LAKESIDE.practice_id, {WANG_FANG})
        return ClientKey(LAKESIDE.practice_id, found[WANG_FANG])

    def test_clients_come_in_the_order_of_their_keys(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        assert (len(clients), clients) == (3, sorted(clients))
        with world.worker() as store:
            rebuilds = store.rebuilds
            assert rebuilds.next_clients(ALL, clients[0], 1) == clients[1:2]
            assert rebuilds.next_clients(ALL, clients[-1], 1) == []
            of_lakeside = [key for key in clients if key.practice_id == LAKESIDE.practice_id]
            assert rebuilds.next_clients(OF_LAKESIDE, None, 10) == of_lakeside
            assert rebuilds.next_clients(OF_LAKESIDE, of_lakeside[0], 10) == of_lakeside[1:]
            one = Scope(*of_lakeside[1])
            assert rebuilds.next_clients(one, None, 10) == of_lakeside[1:]
            assert rebuilds.next_clients(one, of_lakeside[1], 10) == []
            assert rebuilds.next_clients(Scope(*NOBODY), None, 10) == []

    def test_a_rebuild_goes_on_where_it_was_until_it_ends(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        for done in (None, *clients[:2]):
            with world.worker() as store:
                store.rebuilds.begin(ALL)
                if done is not None:
                    store.rebuilds.move(ALL, done)
        with world.worker() as store:
            assert store.rebuilds.lock(ALL) == Progress(clients[1], 2)
            assert store.rebuilds.lock(OF_LAKESIDE) is None
            store.rebuilds.end(ALL)
            assert store.rebuilds.lock(ALL) is None

    def test_what_was_published_is_said_anew_behind_its_opening(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        whose = self.whose(world)
        before = [each for each in world.said() if each.client_id == whose.client_id]
        with world.worker() as store:
            number = open_generation(whose, store, "rebuild")
            generation = store.rebuilds.lock_client(whose)
        assert generation is not None
        assert number == len(before) == generation.last_sequence
        opening, *again = world.said()[-number - 1 :]
        assert opening == Said(whose.client_id, generation.generation, None, None, number)
        assert again == [each._replace(generation=generation.generation) for each in before]

    def test_live_facts_go_on_in_the_new_generation(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        whose = self.whose(world)
        with world.worker() as store:
            number = open_generation(whose, store, "rebuild")
        with world.worker() as store:
            accept([fact("settled", "e9", external_object_id="p9")], store)
        opening, *_, last = world.said()[-number - 2 :]
        assert (last.generation, last.sequence) == (opening.generation, number + 1)
        activities = world.reads.activities(whose.practice_id, whose.client_id, 0, 100)
        assert activities is not None
        assert {each.owner.generation for each in activities} == {opening.generation}
        assert [each.sequence for each in activities] == list(range(1, number + 2))

    def test_each_generation_has_a_higher_number(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        whose = self.whose(world)
        for _ in range(3):
            with world.worker() as store:
                open_generation(whose, store, "rebuild")
        numbers = [each.generation for each in world.said() if each.facts is not None]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        with world.worker() as store:
            minutes = store.real_time().timestamp() / 60
        assert minutes - 60 < numbers[0] <= minutes

    def test_a_client_that_there_is_not_is_refused(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        with pytest.raises(Unknown, match="no such client"), world.worker() as store:
            open_generation(NOBODY, store, "rebuild")

    def test_a_ledger_that_does_not_tell_all_is_refused(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        whose = self.whose(world)
        with world.worker() as store:
            store.save_sequences({whose: 100})
        said = world.said()
        with pytest.raises(Conflict, match="100 were published"), world.worker() as store:
            open_generation(whose, store, "rebuild")
        assert world.said() == said

    def test_a_generation_of_nothing_is_an_opening_alone(
        self, world: StoreWorld, clients: list[ClientKey]
    ) -> None:
        whose = self.whose(world)
        owner = ActivityOwner(*whose, 7, LAKESIDE.zone, LAKESIDE.currency)
        with world.worker() as store:
            store.rebuilds.open(Opening(owner, "erasure", 0, NOON), [])
        assert world.said()[-1] == Said(whose.client_id, 7, None, None, 0)
