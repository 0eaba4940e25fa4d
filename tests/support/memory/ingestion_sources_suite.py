"""Declared sources: what can be declared, and what is fixed when something of them is known."""

from typing import Any

import pytest

from ingestion_service.domain.errors import Conflict, Unknown, Unreadable
from ingestion_service.domain.facts import Details, IdentityKey
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.domain.sources import MOST_SOURCES, PERSONAL, Source, SourceKey, as_itself
from ingestion_service.door import accept_sent
from ingestion_service.handlers import (
    accept,
    register_client,
    register_practice,
)
from ingestion_service.parked_facts import accept_met
from ingestion_service.ports import Stores
from ingestion_service.ports.secrets import Token, Webhook
from ingestion_service.ports.sources import Undeclared
from ingestion_service.relating import paid_for, relate_payer
from ingestion_service.undeclared import UndeclaredRecords
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_awaited_suite import DESK, PAY, AwaitedSuite
from tests.support.memory.ingestion_world import (
    HARBOUR,
    LAKESIDE,
    LI_NA,
    WANG_FANG,
    StoreWorld,
    fact,
)

TILL = Source(LAKESIDE.practice_id, "till", "The till", "payment", "desk", currency="CNY")
CAL = Source(LAKESIDE.practice_id, "cal", "Calendar", "booking", "cal", "personal")


class SourceSuite(AwaitedSuite):
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

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

    def test_whose_clients_a_source_speaks_of_is_declared(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, DESK)
        self.declare(stores, TILL)
        booked, paid = fact("created", "e1"), fact("settled", "e2", source="till")
        assert self.send(stores, booked, paid) == ["accepted", "accepted"]
        assert {each.namespace for each in world.facts()} == {"desk"}
        (client,) = world.reads.list_clients(LAKESIDE.practice_id, "", 9)
        assert client.identities == [booked.client]

    def test_a_source_that_is_not_declared_is_refused_and_fixes_nothing(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, DESK)
        refused = fact("settled", "e1", source="tyll")
        elsewhere = fact("settled", "e2", practice_id="nowhere")
        assert self.send(stores, refused, fact("settled", "e3", currency="EUR"), elsewhere) == [
            "unknown-source",
            "currency-mismatch",
            "unknown-practice",
        ]
        assert (world.facts(), world.reads.list_clients(LAKESIDE.practice_id, "", 9)) == ([], [])
        moved = DESK._replace(namespace="crm")
        assert self.declare(stores, moved).source == moved

    def test_a_practice_that_accepts_any_source_declares_it_by_its_first_event(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
        assert self.send(stores, fact("settled", "e1", currency="EUR")) == ["currency-mismatch"]
        assert self.declare(stores, DESK._replace(namespace="crm")).source.namespace == "crm"
        assert self.send(stores, fact("settled", "e2", source="till")) == ["accepted"]
        assert world.reads.declared_source(TILL.key) == as_itself(TILL.key)

    def test_a_source_that_its_event_declares_agrees_with_its_namespace(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, PAY._replace(namespace="till", client_key="personal"))
        with stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
        sent = fact("settled", "e1", source="till", external_id="wren@lantern-harbour.com")
        assert self.send(stores, sent) == ["parked"]
        declared = world.reads.declared_source(TILL.key)
        assert declared is not None
        assert (declared.client_key, declared.creates_clients) == ("personal", False)
        self.declare(stores, declared._replace(title="The till"))

    def test_events_declare_no_more_sources_than_a_practice_may(self, stores: Stores) -> None:
        with stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
        names = [f"s{number}" for number in range(MOST_SOURCES + 1)]
        sent = [fact("settled", name, external_object_id=name, source=name) for name in names]
        results = self.send(stores, *sent)
        assert (results.count("accepted"), results.count("unknown-source")) == (MOST_SOURCES, 1)
        self.declare(stores, as_itself(SourceKey(LAKESIDE.practice_id, "s1"))._replace(title="One"))

    def test_what_has_waited_moves_when_an_event_declares_its_source(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with world.worker() as store:
            store.await_declaration([(TILL.key, record(0))], NOON)
        with stores.open_for_operator() as store:
            register_practice(LAKESIDE, store)
        assert self.send(stores, fact("settled", "e2", source="till")) == ["accepted"]
        assert UndeclaredRecords(world.workers).run() == 1

    def test_clients_who_are_known_as_they_are_do_not_become_personal(self, stores: Stores) -> None:
        self.register(stores, IdentityKey(LAKESIDE.practice_id, "cal", "wren@lantern-harbour.com"))
        with pytest.raises(Conflict) as refused:
            self.declare(stores, CAL)
        assert (refused.value.reason, refused.value.field) == ("namespace-in-use", "/namespace")
        self.declare(stores, CAL._replace(namespace="calendar"))
        self.register(
            stores, IdentityKey(LAKESIDE.practice_id, "calendar", "wren@lantern-harbour.com")
        )
        self.declare(stores, CAL._replace(namespace="calendar", title="Our calendar"))

    def test_who_is_told_of_by_e_mail_in_webhooks_stays_personal(self, stores: Stores) -> None:
        self.declare(stores, CAL)
        with stores.open(LAKESIDE.practice_id) as store:
            store.secrets.save_webhook(CAL.key, Webhook("calcom", b"{}"), Token("t1", b"h"))
        with pytest.raises(Conflict) as refused:
            self.declare(stores, CAL._replace(client_key="opaque"))
        assert (refused.value.reason, refused.value.field) == ("client-key-opaque", "/client_key")
        with stores.open(LAKESIDE.practice_id) as store:
            store.secrets.end_webhook(CAL.key)
        assert self.declare(stores, CAL._replace(client_key="opaque")).source.client_key == "opaque"

    def test_what_was_accepted_fixes_the_declaration(self, stores: Stores) -> None:
        self.declare(stores, PAY)
        assert self.send(stores, fact("settled", "e1", source="pay")) == ["parked"]
        with pytest.raises(Conflict):
            self.declare(stores, PAY._replace(namespace="crm"))

    def test_a_source_that_sent_before_goes_on_as_itself(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with stores.open(LAKESIDE.practice_id) as store:
            accept([fact("settled", "e1")], store)
        assert self.send(stores, fact("created", "e2")) == ["accepted"]
        assert world.reads.declared_source(DESK.key) == as_itself(DESK.key)

    def test_records_wait_until_their_source_is_declared_and_move_in_order(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        keys = [DESK.key, TILL.key, DESK.key, SourceKey(HARBOUR.practice_id, "desk"), DESK.key]
        with world.worker() as store:
            store.await_declaration([(key, record(at)) for at, key in enumerate(keys)], NOON)
        assert world.reads.undeclared(LAKESIDE.practice_id) == [
            Undeclared("desk", 3, NOON),
            Undeclared("till", 1, NOON),
        ]
        records = UndeclaredRecords(world.workers)
        assert records.run() == 0
        self.declare(stores, DESK)
        with world.worker() as store:
            assert store.lock_declared() == DESK.key
            store.open_queues({LAKESIDE.practice_id}, NOON)
            assert store.move_undeclared(DESK.key, 2, NOON) == 2
        assert world.reads.undeclared(LAKESIDE.practice_id)[0].waiting == 1
        assert (records.run(), records.run()) == (1, 0)
        with world.worker() as store:
            moved = [each.record for each in store.deferred(LAKESIDE.practice_id, 9)]
        assert moved == [record(0), record(2), record(4)]
        assert [each.source for each in world.reads.undeclared(LAKESIDE.practice_id)] == ["till"]
        assert [each.source for each in world.reads.undeclared(HARBOUR.practice_id)] == ["desk"]

    def test_a_practice_of_which_records_move_is_held(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        with world.worker() as store:
            store.await_declaration([(DESK.key, record(0))], NOON)
        self.declare(stores, DESK)
        assert UndeclaredRecords(world.workers).run() == 1
        assert [(each.practice_id, each.is_held) for each in world.holds()] == [("lakeside", True)]

    @pytest.mark.parametrize("is_paid_first", [True, False])
    def test_a_payment_before_or_after_its_link_makes_no_second_client(
        self, world: StoreWorld, stores: Stores, *, is_paid_first: bool
    ) -> None:
        for source in (DESK, PAY):
            self.declare(stores, source)
        paid = fact("settled", "e1", source="pay", external_id="cus_1", namespace="pay")
        assert self.send(stores, fact("created", "e1")) == ["accepted"]
        if is_paid_first:
            assert self.send(stores, paid) == ["parked"]
        linked = self.register(stores, paid.client, WANG_FANG)
        again = self.register(stores, WANG_FANG, paid.client)
        assert (again.client_id, again.is_new) == (linked.client_id, False)
        if not is_paid_first:
            assert self.send(stores, paid) == ["accepted"]
        with world.worker() as store:
            assert accept_met(LAKESIDE.practice_id, 9, store).facts == is_paid_first
        (client,) = world.reads.list_clients(LAKESIDE.practice_id, "", 9)
        assert client.client_id == linked.client_id
        assert client.identities == [WANG_FANG, paid.client]
        assert sorted(each.kind for each in world.published()) == [
            "booked",
            "registered",
            "settled",
        ]

    def test_a_person_is_registered_by_several_identities_at_once(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        other = WANG_FANG._replace(namespace="crm")
        assert self.register(stores, WANG_FANG, other, WANG_FANG).is_new
        (client,) = world.reads.list_clients(LAKESIDE.practice_id, "", 9)
        assert client.identities == [other, WANG_FANG]

    def test_two_clients_are_not_joined_and_both_are_named(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        ids = [self.register(stores, key).client_id for key in (WANG_FANG, LI_NA)]
        new = WANG_FANG._replace(namespace="crm")
        with pytest.raises(Conflict) as refused:
            self.register(stores, WANG_FANG, new, LI_NA)
        assert all(each in refused.value.detail for each in ids)
        with stores.open(LAKESIDE.practice_id) as store:
            assert store.identities([new]) == {}
        assert len(world.reads.list_clients(LAKESIDE.practice_id, "", 9)) == 2

    def test_who_is_known_by_e_mail_or_phone_is_known_by_a_hash_alone(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, CAL)
        spellings = ["Wang.Fang@Example.org", " wang.fang@EXAMPLE.org", "WANG.FANG@example.org"]
        sent = [
            fact("created", f"e{number}", source="cal", external_id=text)
            for number, text in enumerate(spellings)
        ]
        payer = Details(payer="+86 138 0013 8000")
        paid = fact("settled", "e9", source="cal", external_id="+8613800138000", details=payer)
        assert self.send(stores, *sent, paid) == ["accepted"] * 4
        person = self.register(stores, paid.client._replace(namespace="cal"))
        assert not person.is_new
        clients = world.reads.list_clients(LAKESIDE.practice_id, "", 9)
        assert len(clients) == 2
        ids = [key.external_id for client in clients for key in client.identities]
        assert all(each.startswith(PERSONAL) for each in ids)
        assert world.facts()[-1].details.payer == world.facts()[-1].external_id
        held = world.held().lower()
        traces = ("fang", "example.org", "13800138000", "138 0013")
        assert [each for each in traces if each in held] == []

    def test_a_personal_id_that_cannot_be_read_is_refused_and_not_repeated(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, CAL)
        nobody = fact("created", "e1", source="cal", external_id="Wang Fang")
        unpaid = fact("settled", "e2", source="cal", external_id="a@b.org")
        unpaid = unpaid._replace(details=Details(payer="Wang Fang"))
        with stores.open(LAKESIDE.practice_id) as store:
            results = accept_sent([nobody, unpaid], store)
        assert [each.field for each in results] == ["/subject", "/data/payer"]
        assert "Wang" not in repr(results)
        with pytest.raises(Unreadable) as refused:
            self.register(stores, IdentityKey(LAKESIDE.practice_id, "cal", "Wang Fang"))
        assert "Wang" not in repr(refused.value)
        assert "Wang" not in world.held()

    def test_what_waits_for_a_personal_client_is_hashed_too(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, CAL._replace(creates_clients=False))
        sent = fact("created", "e1", source="cal", external_id="wang.fang@example.org")
        assert self.send(stores, sent) == ["parked"]
        assert "example.org" not in world.held()
        self.register(stores, IdentityKey(LAKESIDE.practice_id, "cal", "Wang.Fang@example.org"))
        with world.worker() as store:
            assert accept_met(LAKESIDE.practice_id, 9, store).facts == 1

    def test_who_pays_for_whom_is_stored_and_listed(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.declare(stores, CAL)
        self.register(stores, WANG_FANG)
        mother = IdentityKey(LAKESIDE.practice_id, "cal", "mother@example.org")
        nobody = IdentityKey(LAKESIDE.practice_id, "desk", "nobody")
        with stores.open(LAKESIDE.practice_id) as store:
            relation = relate_payer(mother, WANG_FANG, store)
            assert relate_payer(mother, WANG_FANG, store) == relation
            assert paid_for(mother, store) == [relation]
            assert store.payers([relation.payer, nobody]) == {relation.payer: [WANG_FANG]}
            with pytest.raises(Unknown):
                relate_payer(mother, nobody, store)
        assert "example.org" not in world.held()


def record(offset: int) -> SourceRecord:
    """A record of bookings."""
    return SourceRecord("source.bookings.v1", 0, offset, b"key", b"{}", (("h", b"v"),), 7)
