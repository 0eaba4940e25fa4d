"""Declared sources: what can be declared, and what is fixed when something of them is known."""

from typing import Any

import pytest

from ingestion_service.declaring import SourceSaved, declare_source
from ingestion_service.domain.errors import Conflict, Unknown
from ingestion_service.domain.sources import MOST_SOURCES, Source, SourceKey
from ingestion_service.handlers import accept, advance_clock, register_client, register_practice
from ingestion_service.ports import Stores
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, StoreWorld, fact

DESK = Source(LAKESIDE.practice_id, "desk", "The desk", "booking", "desk")
TILL = Source(LAKESIDE.practice_id, "till", "The till", "payment", "desk", currency="CNY")
PAY = Source(LAKESIDE.practice_id, "pay", "Pay", "payment", "pay", creates_clients=False)


class SourceSuite:
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    @pytest.fixture
    def stores(self, world: StoreWorld) -> Stores:
        """The world's stores with two practices, and the clock at noon."""
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
            register_practice(HARBOUR, store)
            advance_clock(NOON, store)
        return world.stores

    def declare(self, stores: Stores, source: Source, *unsaid: str) -> SourceSaved:
        """What the API does."""
        with stores.open(source.practice_id) as store:
            return declare_source(source, store, unsaid)

    def test_a_source_is_declared_and_listed(self, world: StoreWorld, stores: Stores) -> None:
        assert self.declare(stores, TILL) == (TILL, True)
        assert self.declare(stores, DESK) == (DESK, True)
        assert self.declare(stores, DESK) == (DESK, False)
        assert world.reads.declared_sources(LAKESIDE.practice_id) == [DESK, TILL]
        assert world.reads.declared_sources(HARBOUR.practice_id) == []
        assert world.reads.declared_source(TILL.key) == TILL
        assert world.reads.declared_source(PAY.key) is None
        with world.worker() as store:
            keys = [TILL.key, PAY.key, SourceKey(HARBOUR.practice_id, "till")]
            assert store.sources(keys) == {TILL.key: TILL}

    def test_what_is_not_said_stays(self, stores: Stores) -> None:
        self.declare(stores, TILL)
        renamed = Source(LAKESIDE.practice_id, "till", "Till 2", "payment", "till")
        saved = self.declare(stores, renamed, "namespace", "currency")
        assert saved.source == TILL._replace(title="Till 2")

    def test_nothing_is_fixed_before_something_is_known(self, stores: Stores) -> None:
        self.declare(stores, PAY)
        changed = PAY._replace(namespace="desk", client_key="personal", creates_clients=True)
        assert self.declare(stores, changed).source == changed

    @pytest.mark.parametrize("why", ["an event", "a client"])
    @pytest.mark.parametrize(
        ("field", "value"),
        [("namespace", "other"), ("client_key", "personal"), ("creates_clients", False)],
    )
    def test_what_decides_who_a_client_is_is_fixed_then(
        self, world: StoreWorld, stores: Stores, why: str, field: str, value: Any
    ) -> None:
        self.declare(stores, DESK)
        with stores.open(LAKESIDE.practice_id) as store:
            if why == "an event":
                store.fix_sources([DESK.key])
            else:
                register_client(fact("settled", "e1").client, store)
        with pytest.raises(Conflict) as refused:
            self.declare(stores, DESK._replace(**{field: value}))
        assert refused.value.field == f"/{field}"
        renamed = self.declare(stores, DESK._replace(title="Desk 2", zone="Asia/Shanghai")).source
        assert (renamed.title, renamed.zone, renamed.is_fixed) == (
            "Desk 2",
            "Asia/Shanghai",
            why == "an event",
        )

    def test_sources_of_a_namespace_agree_on_its_clients(self, stores: Stores) -> None:
        self.declare(stores, DESK)
        for field, value in {"client_key": "personal", "creates_clients": False}.items():
            with pytest.raises(Conflict) as refused:
                self.declare(stores, TILL._replace(**{field: value}))
            assert (refused.value.reason, refused.value.field) == ("namespace-differs", f"/{field}")
        of_harbour = TILL._replace(practice_id=HARBOUR.practice_id, client_key="personal")
        assert self.declare(stores, of_harbour).is_new

    def test_a_source_that_sent_before_it_was_declared_keeps_its_namespace(
        self, stores: Stores
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            accept([fact("settled", "e1")], store)
            assert store.counted([DESK.key, PAY.key]) == {DESK.key}
        with pytest.raises(Conflict):
            self.declare(stores, DESK._replace(namespace="crm"))
        assert self.declare(stores, DESK) == (DESK._replace(is_fixed=True), True)

    def test_a_practice_declares_so_many_at_most(self, stores: Stores) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            for number in range(MOST_SOURCES):
                store.save_source(DESK._replace(source=f"s{number}"))
        assert not self.declare(stores, DESK._replace(source="s7", title="New")).is_new
        with pytest.raises(Conflict, match="too-many-sources"):
            self.declare(stores, DESK)

    def test_a_practice_that_is_not_registered_declares_none(self, stores: Stores) -> None:
        with pytest.raises(Unknown):
            self.declare(stores, DESK._replace(practice_id="nowhere"))
