"""Events of sources that create no clients: they wait until their client is known."""

from datetime import timedelta

import pytest

from ingestion_service.declaring import SourceSaved, declare_source
from ingestion_service.domain.facts import IdentityKey, SourceFact
from ingestion_service.domain.sources import Source
from ingestion_service.door import accept_sent
from ingestion_service.handlers import advance_clock, register_practice
from ingestion_service.parked_facts import accept_met, end_terms
from ingestion_service.ports import Stores
from ingestion_service.registering import Person, register_person
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, WANG_FANG, StoreWorld, fact

DESK = Source(LAKESIDE.practice_id, "desk", "The desk", "booking", "desk")
PAY = Source(LAKESIDE.practice_id, "pay", "Pay", "payment", "pay", creates_clients=False)


class AwaitedSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture
    def stores(self, world: StoreWorld) -> Stores:
        """The world's stores with two practices, and the clock at noon."""
        with world.stores.open_for_operator() as store:
            for practice in (LAKESIDE, HARBOUR):
                register_practice(practice._replace(undeclared_sources="wait"), store)
            advance_clock(NOON, store)
        return world.stores

    def declare(self, stores: Stores, source: Source, *unsaid: str) -> SourceSaved:
        """What the API does."""
        with stores.open(source.practice_id) as store:
            return declare_source(source, store, unsaid)

    def send(self, stores: Stores, *facts: SourceFact) -> list[str]:
        """What `POST /v1/events` does; of each fact why it was rejected, or else its status."""
        with stores.open(LAKESIDE.practice_id) as store:
            return [result.reason or result.status for result in accept_sent(facts, store)]

    def register(self, stores: Stores, *keys: IdentityKey) -> Person:
        """What `PUT /v1/clients` does."""
        with stores.open(LAKESIDE.practice_id) as store:
            return register_person(keys, store)

    def test_what_names_a_client_whom_nobody_knows_waits_for_it(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        for source in (DESK, PAY):
            self.declare(stores, source)
        paid = fact("settled", "e1", source="pay", external_id="cus_1")
        other = paid._replace(amount_minor=7)
        abroad = paid._replace(event_id="e2", currency="EUR")
        assert self.send(stores, paid, other, abroad) == [
            "parked",
            "conflicting-duplicate",
            "currency-mismatch",
        ]
        assert self.send(stores, paid, other) == ["parked", "conflicting-duplicate"]
        assert self.send(stores, fact("created", "e1")) == ["accepted"]
        with world.worker() as store:
            assert accept_met(LAKESIDE.practice_id, 9, store).facts == 0
        with stores.open(LAKESIDE.practice_id) as store:
            known = store.identities([WANG_FANG, paid.client._replace(namespace="pay")])
            assert list(known) == [WANG_FANG]
            store.attach([paid.client], known[WANG_FANG])
            store.parking.meet_clients([paid.client])
        with world.worker() as store:
            assert accept_met(LAKESIDE.practice_id, 9, store).facts == 1
        (client,) = world.reads.list_clients(LAKESIDE.practice_id, "", 9)
        assert client.identities == [WANG_FANG, paid.client]
        again = paid._replace(event_id="e9", external_object_id="s9")
        assert self.send(stores, again, paid, other) == [
            "accepted",
            "duplicate",
            "conflicting-duplicate",
        ]
        assert len(world.reads.list_clients(LAKESIDE.practice_id, "", 9)) == 1

    def test_what_still_waits_after_its_turn_is_left_until_more_is_known(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, PAY)
        paid = fact("settled", "e1", source="pay", external_id="cus_1", namespace="pay")
        assert self.send(stores, paid, paid._replace(event_id="e2", external_id="cus_2")) == [
            "parked",
            "parked",
        ]
        self.register(stores, paid.client)
        turns = []
        for _ in range(4):
            with world.worker() as store:
                turns.append(accept_met(LAKESIDE.practice_id, 9, store).facts)
        assert turns[-1] == 0
        assert len(world.facts()) == 1

    def test_what_waits_takes_no_payment_from_its_client(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, PAY)
        paid = fact("settled", "e1", source="pay", external_id="cus_1", namespace="pay")
        self.register(stores, paid.client)
        assert self.send(stores, paid) == ["accepted"]
        assert self.send(stores, paid._replace(event_id="e2", external_id="cus_2")) == ["parked"]
        refund = paid._replace(kind="refunded", event_id="e3", external_id=None)
        assert self.send(stores, refund) == ["accepted"]
        with world.worker() as store:
            assert end_terms(NOON + timedelta(days=1), 9, store).facts == 1
        with world.worker() as store:
            assert store.lock_objects({paid.object_key: None})[paid.object_key].owner == paid.client
