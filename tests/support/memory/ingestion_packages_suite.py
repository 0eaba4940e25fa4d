"""Packages: what is left of one, and for whom the money counts that was paid for it."""

from collections import Counter
from datetime import timedelta
from typing import Any

from ingestion_service.declaring import declare_source
from ingestion_service.domain.facts import Details, IdentityKey, SourceFact
from ingestion_service.domain.packages import MOST_PAYMENTS, KnownPackage
from ingestion_service.domain.sources import Source
from ingestion_service.domain.standings import Standing
from ingestion_service.door import accept_sent
from ingestion_service.handlers import accept, open_generation, register_practice
from ingestion_service.parked_facts import accept_met
from ingestion_service.ports import ClientKey, Stores
from ingestion_service.ports.freshness import SourceKey
from ingestion_service.registering import register_person
from ingestion_service.zone_changes import turn
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import LAKESIDE, PracticeSuite, StoreWorld, fact

MOTHER = "her-mother"
CARD: Any = (("package_id", "card"),)
TEN: Any = (("package_id", "card"), ("units", 10))
BOUGHT = fact("settled", "p1", external_id=MOTHER, external_object_id="p1", attributes=TEN)
REFUNDED = fact(
    "refunded", "r1", external_id=MOTHER, external_object_id="p1", amount_minor=1000
)._replace(attributes=(("units", 2),))
CREATED = fact("created", "b1", attributes=CARD)
COMPLETED = fact("completed", "b2")
OF_A_SISTER = fact("created", "b3", external_id="li-na", external_object_id="s2", attributes=CARD)

PAY = Source(LAKESIDE.practice_id, "pay", "Pay", "payment", "pay", creates_clients=False)


class PackagesSuite(PracticeSuite):
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    def send(self, stores: Stores, *facts: SourceFact) -> list[str]:
        """Accept each by itself; of each why it was rejected, or else its status."""
        found = []
        for each in facts:
            with stores.open(LAKESIDE.practice_id) as store:
                found += [result.reason or result.status for result in accept([each], store)]
        return found

    def sums(self, world: StoreWorld, external_id: str) -> dict[str, tuple[int, int]] | None:
        """What a client's activity adds up to, by kind; None where there is no such client."""
        client_id = self.client_id(world, external_id)
        if client_id is None:
            return None
        numbers, amounts = Counter[str](), Counter[str]()
        for each in world.reads.activities(LAKESIDE.practice_id, client_id, 0, 100) or []:
            numbers[each.delta.kind] += each.delta.number
            amounts[each.delta.kind] += each.delta.amount_minor
        return {kind: (numbers[kind], amounts[kind]) for kind in numbers if numbers[kind]}

    def client_id(self, world: StoreWorld, external_id: str) -> Any:
        key = IdentityKey(LAKESIDE.practice_id, "desk", external_id)
        return world.reads.client_ids(LAKESIDE.practice_id, {key}).get(key)

    def days(self, world: StoreWorld, external_id: str) -> set[tuple[str, str, int]]:
        """In which zone, on which days how many settlements of a client count."""
        client_id, numbers = self.client_id(world, external_id), Counter[tuple[str, str]]()
        for each in world.reads.activities(LAKESIDE.practice_id, client_id, 0, 100) or []:
            if each.delta.kind == "settled":
                numbers[each.owner.zone, str(each.delta.on)] += each.delta.number
        return {(*place, number) for place, number in numbers.items()}

    def card(self, world: StoreWorld) -> KnownPackage | None:
        return world.reads.package(LAKESIDE.practice_id, "desk", "card")

    def test_it_tells_what_was_bought_used_and_refunded(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        assert self.card(world) is None
        self.send(stores, CREATED, BOUGHT, REFUNDED)
        whose = self.client_id(world, "wang-fang")
        assert self.card(world) == KnownPackage(whose, bought=10, used=0, refunded=2)
        self.send(stores, COMPLETED)
        assert self.card(world) == KnownPackage(whose, bought=10, used=1, refunded=2)
        failed = fact("failed", "p9", external_id=MOTHER, external_object_id="p1")
        self.send(stores, failed._replace(occurred_at=NOON - timedelta(days=2)))
        assert self.card(world) == KnownPackage(whose, bought=10, used=1, refunded=2)
        late = NOON - timedelta(hours=1)
        self.send(stores, COMPLETED._replace(kind="no_show", event_id="b9", occurred_at=late))
        self.send(stores, failed._replace(event_id="p8", occurred_at=late))
        assert self.card(world) == KnownPackage(whose, bought=0, used=0, refunded=0)

    def test_what_was_paid_before_the_hour_moves_to_whose_hour_it_is(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, BOUGHT, REFUNDED)
        money = {"settled": (1, 5000), "refunded": (1, 1000)}
        assert self.sums(world, MOTHER) == money
        self.send(stores, CREATED)
        assert self.sums(world, MOTHER) == {}
        assert self.sums(world, "wang-fang") == {"booked": (1, 0), **money}
        assert self.send(stores, CREATED, BOUGHT) == ["duplicate", "duplicate"]
        (desk,) = world.reads.sources(LAKESIDE.practice_id)
        assert desk.events == 3

    def test_what_is_paid_after_the_hour_is_of_whose_hour_it_is_at_once(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, CREATED, REFUNDED, BOUGHT)
        assert self.sums(world, "wang-fang") == {
            "booked": (1, 0),
            "settled": (1, 5000),
            "refunded": (1, 1000),
        }

    def test_the_earliest_hour_decides_in_each_order(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        later = OF_A_SISTER._replace(occurred_at=NOON)
        assert self.send(stores, BOUGHT, later, CREATED) == ["accepted"] * 3
        assert self.sums(world, MOTHER) == {}
        assert self.sums(world, "li-na") == {"booked": (1, 0)}
        assert self.sums(world, "wang-fang") == {"booked": (1, 0), "settled": (1, 5000)}

    def test_a_payment_that_names_nobody_is_of_who_paid(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        paid = BOUGHT._replace(external_id=None, details=Details(payer=MOTHER))
        back = REFUNDED._replace(external_id=None)
        assert self.send(stores, paid, back, paid) == ["accepted", "accepted", "duplicate"]
        assert self.sums(world, MOTHER) == {"settled": (1, 5000), "refunded": (1, 1000)}
        self.send(stores, CREATED)
        assert self.sums(world, MOTHER) == {}

    def test_who_paid_and_is_not_known_yet_is_waited_for(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        """Where the source creates no clients."""
        paid = BOUGHT._replace(source="pay", external_id=None, details=Details(payer=MOTHER))
        with stores.open(LAKESIDE.practice_id) as store:
            declare_source(PAY, store, ())
            assert [each.status for each in accept_sent([paid], store)] == ["parked"]
        key = IdentityKey(LAKESIDE.practice_id, "pay", MOTHER)
        assert world.reads.client_ids(LAKESIDE.practice_id, {key}) == {}
        with stores.open(LAKESIDE.practice_id) as store:
            client_id = register_person([key], store).client_id
        with world.worker() as store:
            assert accept_met(LAKESIDE.practice_id, 10, store).facts == 1
        told = world.reads.activities(LAKESIDE.practice_id, client_id, 0, 100) or []
        assert [each.delta.kind for each in told] == ["registered", "settled"]

    def test_a_payment_that_is_for_another_package_moves_too(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, BOUGHT, CREATED)
        other: Any = (("package_id", "voucher"), ("units", 1))
        corrected = BOUGHT._replace(event_id="p2", occurred_at=NOON, attributes=other)
        self.send(stores, corrected)
        assert self.sums(world, "wang-fang") == {"booked": (1, 0)}
        assert self.sums(world, MOTHER) == {"settled": (1, 5000)}
        known = self.card(world)
        assert known is not None
        assert known.bought == 0

    def test_a_payment_that_is_for_another_package_now_is_no_concern_of_the_first(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        other: Any = (("package_id", "voucher"), ("units", 1))
        corrected = BOUGHT._replace(event_id="p2", occurred_at=NOON, attributes=other)
        assert self.send(stores, BOUGHT, corrected, CREATED) == ["accepted"] * 3
        assert self.sums(world, MOTHER) == {"settled": (1, 5000)}

    def test_an_hour_under_its_second_id_is_used_once(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        before = NOON - timedelta(days=2)
        moved = fact("rescheduled", "b9", external_object_id="s9", attributes=CARD)
        moved = moved._replace(occurred_at=before, details=Details(replaces="s1"))
        assert self.send(stores, CREATED, COMPLETED, moved) == ["accepted"] * 3
        known = self.card(world)
        assert known is not None
        assert known.used == 1

    def test_money_that_moves_is_no_word_of_its_source(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, BOUGHT, REFUNDED, CREATED)
        desk = SourceKey(LAKESIDE.practice_id, "desk")
        with world.worker() as store:
            days = store.freshness.days([desk], NOON.date() - timedelta(days=9))
        assert [each.events for each in days[desk]] == [3]

    def test_a_package_has_so_many_payments_and_no_more(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        many = [
            BOUGHT._replace(event_id=f"p{n}", external_object_id=f"p{n}")
            for n in range(MOST_PAYMENTS + 1)
        ]
        with stores.open(LAKESIDE.practice_id) as store:
            results = accept(many, store)
        assert [each.status for each in results[:-1]] == ["accepted"] * MOST_PAYMENTS
        assert self.send(stores, many[-1]) == [results[-1].reason] == ["too-many-payments"]
        again = many[0]._replace(event_id="again", occurred_at=NOON)
        assert self.send(stores, again, CREATED) == ["accepted", "accepted"]
        assert self.sums(world, MOTHER) == {}

    def test_what_the_release_before_took_in_is_counted_from_its_next_event_on(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, BOUGHT)
        key, card = BOUGHT.object_key, BOUGHT.package_key
        assert card is not None
        with world.worker() as store:
            known = store.lock_objects({key: None})[key].standing
            before = known._replace(is_in_package=False)
            store.save_standings({key: before, card: Standing()})
        later = BOUGHT._replace(kind="failed", event_id="p8", occurred_at=NOON, attributes=())
        self.send(stores, later._replace(amount_minor=None, currency=None))
        again = BOUGHT._replace(event_id="p9", occurred_at=NOON + timedelta(hours=1))
        self.send(stores, again, CREATED)
        whose = self.client_id(world, "wang-fang")
        assert self.card(world) == KnownPackage(whose, bought=10, used=0, refunded=0)
        assert self.sums(world, MOTHER) == {}

    def test_each_client_is_told_in_its_own_zone(self, world: StoreWorld, stores: Stores) -> None:
        """The mother has followed her practice into another zone, the child has not yet."""
        self.send(stores, BOUGHT, CREATED._replace(attributes=()))
        with world.stores.open_for_operator() as store:
            register_practice(LAKESIDE._replace(zone="Pacific/Kiritimati"), store)
        with world.worker() as store:
            turning: Any = store
            turn(ClientKey(LAKESIDE.practice_id, self.client_id(world, MOTHER)), turning)
        self.send(stores, CREATED._replace(event_id="b8"))
        assert self.days(world, MOTHER) == {("Pacific/Kiritimati", "2024-06-01", 0)}
        assert self.days(world, "wang-fang") == {("Asia/Shanghai", "2024-05-31", 1)}

    def test_a_refused_event_names_no_package(self, world: StoreWorld, stores: Stores) -> None:
        self.send(stores, fact("created", "b1"))
        refused = fact("rescheduled", "b2", external_id="li-na", attributes=CARD)
        assert self.send(stores, refused) == ["other-client"]
        assert self.card(world) is None

    def test_both_clients_can_be_rebuilt(self, world: StoreWorld, stores: Stores) -> None:
        self.send(stores, BOUGHT, CREATED)
        for external_id in (MOTHER, "wang-fang"):
            key = ClientKey(LAKESIDE.practice_id, self.client_id(world, external_id))
            with world.worker() as store:
                assert open_generation(key, store, "to see that it is whole") == 2
