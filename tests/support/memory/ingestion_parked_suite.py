"""Events that name no client: they wait until their booking or payment is known."""

import json
from datetime import timedelta
from typing import Any

import pytest

from ingestion_service import translate
from ingestion_service.domain.facts import Details, SourceFact
from ingestion_service.domain.parked import MOST_OF_AN_OBJECT, TERM
from ingestion_service.handlers import accept, advance_clock, register_practice
from ingestion_service.parked_facts import OF_AN_OBJECT, Cleared, accept_met, end_terms
from ingestion_service.ports import SourceProgress, Stores
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, PracticeSuite, StoreWorld, fact

LATER = NOON + timedelta(hours=1)
SETTLED = fact("settled", "e1")
REFUNDED = fact("refunded", "e2", external_id=None, amount_minor=1200)
LOST = fact("charged_back", "e3", external_id=None, amount_minor=300)


class ParkedSuite(PracticeSuite):
    """Inherit it as `TestX` where a fixture `world` gives a `StoreWorld`."""

    def send(self, stores: Stores, *facts: SourceFact) -> list[str]:
        """Accept a batch by the API; of each fact why it was rejected, or else its status."""
        with stores.open(LAKESIDE.practice_id) as store:
            return [result.reason or result.status for result in accept(facts, store)]

    def clear(self, world: StoreWorld) -> Cleared:
        """What a worker does between two batches, of the practice whose turn is next."""
        with world.worker() as store:
            practice_id = store.parking.next_met(None)
            return Cleared(0, []) if practice_id is None else accept_met(practice_id, 10, store)

    def accept_met(self, world: StoreWorld) -> int:
        """How many it looked at."""
        return self.clear(world).facts

    def end_terms(self, world: StoreWorld, days: int, limit: int = 10) -> list[str]:
        """What it does when so many days are over; the ids and reasons of the letters."""
        with world.worker() as store:
            letters = end_terms(NOON + timedelta(days=days) - TERM, limit, store).letters
        return [f"{json.loads(each.record.value)['id']} {each.error.reason}" for each in letters]

    def told(self, world: StoreWorld) -> list[tuple[str, int, int]]:
        return [(each.kind, each.number, each.amount_minor) for each in world.published()]

    def test_what_names_no_client_is_of_the_client_of_its_payment(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        assert self.send(stores, SETTLED) == ["accepted"]
        assert self.send(stores, REFUNDED, REFUNDED) == ["accepted", "duplicate"]
        assert self.told(world) == [("settled", 1, 5000), ("refunded", 1, 1200)]
        assert [each.external_id for each in world.facts()] == ["wang-fang", "wang-fang"]

    def test_it_waits_while_that_is_not_known_and_counts_when_it_is(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        assert self.send(stores, REFUNDED) == ["parked"]
        assert self.send(stores, REFUNDED, LOST) == ["parked", "parked"]
        assert (self.told(world), self.accept_met(world)) == ([], 0)
        assert world.reads.sources(LAKESIDE.practice_id) == [
            SourceProgress("desk", 0, None, None, parked=2, parked_since=NOON)
        ]
        assert self.send(stores, SETTLED) == ["accepted"]
        assert self.told(world) == [("settled", 1, 5000)]
        assert (self.accept_met(world), self.accept_met(world)) == (2, 0)
        assert self.told(world)[0] == ("settled", 1, 5000)
        assert sum(amount for kind, _, amount in self.told(world) if kind == "refunded") == 1500
        (desk,) = world.reads.sources(LAKESIDE.practice_id)
        assert (desk.events, desk.parked, desk.parked_since) == (3, 0, None)

    def test_in_one_batch_the_order_does_not_matter(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        assert self.send(stores, REFUNDED, SETTLED) == ["accepted", "accepted"]
        assert sum(amount for _, _, amount in self.told(world)) == 6200

    def test_it_may_be_sent_again_with_its_client(self, world: StoreWorld, stores: Stores) -> None:
        assert self.send(stores, REFUNDED) == ["parked"]
        named = REFUNDED._replace(external_id="wang-fang")
        assert self.send(stores, named, SETTLED) == ["accepted", "accepted"]
        assert self.send(stores, REFUNDED) == ["duplicate"]
        assert self.accept_met(world) == 1
        (desk,) = world.reads.sources(LAKESIDE.practice_id)
        assert (desk.events, desk.parked) == (2, 0)

    def test_what_contradicts_its_payment_when_that_comes_becomes_a_dead_letter(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        failed = fact("refund_failed", "e4", external_id=None, details=Details(part_id="r1"))
        assert self.send(stores, failed) == ["parked"]
        assert self.send(stores, fact("refunded_total", "e5", amount_minor=70)) == ["accepted"]
        (letter,) = self.clear(world).letters
        assert (letter.error.reason, letter.practice) == ("other-refunds", LAKESIDE.practice_id)
        again = translate.decode(letter.partition.topic, letter.record.key, letter.record.value)
        assert again == failed
        assert self.accept_met(world) == 0
        (desk,) = world.reads.sources(LAKESIDE.practice_id)
        assert (desk.events, desk.parked) == (1, 0)

    def test_a_booking_of_which_only_this_was_told_belongs_to_nobody_yet(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        missed = fact("no_show", "e1", external_id=None)
        assert self.send(stores, missed) == ["parked"]
        assert self.send(stores, fact("created", "e2", external_id="li-na")) == ["accepted"]
        assert self.send(stores, fact("created", "e3")) == ["other-client"]
        assert self.accept_met(world) == 1
        assert [each.external_id for each in world.facts()] == ["li-na", "li-na"]

    @pytest.mark.parametrize("in_one_batch", [True, False])
    @pytest.mark.parametrize("why", ["other-client", "conflicting-duplicate"])
    def test_a_refused_event_tells_nobody_whose_booking_it_is(
        self, world: StoreWorld, stores: Stores, why: str, *, in_one_batch: bool
    ) -> None:
        of_s2: dict[str, Any] = {"external_object_id": "s2"}
        replaced = {"details": Details(replaces="s1")} if why == "other-client" else {}
        refused_id = "e2" if why == "other-client" else "e1"
        refused = fact("rescheduled", refused_id, external_id="li-na", **of_s2, **replaced)
        missed = fact("no_show", "e3", external_id=None, **of_s2)
        assert self.send(stores, fact("created", "e1")) == ["accepted"]
        batches = [(refused, missed)] if in_one_batch else [(refused,), (missed,)]
        assert [one for batch in batches for one in self.send(stores, *batch)] == [why, "parked"]
        assert self.accept_met(world) == 0
        corrected = refused._replace(event_id="e4", external_id="wang-fang")
        assert self.send(stores, corrected) == ["accepted"]
        assert self.accept_met(world) == 1
        assert self.send(stores, fact("completed", "e5", external_id=None, **of_s2)) == ["accepted"]
        assert {each.external_id for each in world.facts()} == {"wang-fang"}

    @pytest.mark.parametrize("in_one_batch", [True, False])
    @pytest.mark.parametrize("about", ["s1", "s2"])
    def test_an_id_that_waits_is_refused_with_other_content(
        self, world: StoreWorld, stores: Stores, about: str, *, in_one_batch: bool
    ) -> None:
        other = REFUNDED._replace(amount_minor=900, external_object_id=about)
        batches = [(REFUNDED, other)] if in_one_batch else [(REFUNDED,), (other,)]
        found = [one for batch in batches for one in self.send(stores, *batch)]
        assert found == ["parked", "conflicting-duplicate"]
        assert self.send(stores, fact("settled", "e4", external_object_id="s2")) == ["accepted"]
        assert self.send(stores, other, REFUNDED) == ["conflicting-duplicate", "parked"]
        assert self.send(stores, SETTLED) == ["accepted"]
        assert self.accept_met(world) == 1
        assert sum(amount for kind, _, amount in self.told(world) if kind == "refunded") == 1200
        assert self.send(stores, other, REFUNDED) == ["conflicting-duplicate", "duplicate"]

    def test_of_one_booking_or_payment_so_many_wait_and_no_more(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        many = [REFUNDED._replace(event_id=f"r{n}") for n in range(MOST_OF_AN_OBJECT + 1)]
        assert set(self.send(stores, *many[:-1])) == {"parked"}
        refused = "too-many-parked"
        assert self.send(stores, *many[-2:], LOST) == ["parked", refused, refused]
        other = REFUNDED._replace(event_id="other", external_object_id="s2")
        assert self.send(stores, other) == ["parked"]
        named = many[-1]._replace(external_id="wang-fang")
        assert self.send(stores, named, SETTLED) == ["accepted", "accepted"]
        assert self.send(stores, LOST) == ["accepted"]

    def test_of_a_practice_so_many_wait_and_no_more(
        self, world: StoreWorld, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingestion_service.domain.parked.MOST_OF_A_PRACTICE", 2)
        some = [REFUNDED._replace(event_id=f"r{n}", external_object_id=f"s{n}") for n in range(3)]
        assert self.send(stores, *some) == ["parked", "parked", "too-many-parked"]
        assert self.send(stores, *some) == ["parked", "parked", "too-many-parked"]
        assert self.send(stores, fact("settled", "e1", external_object_id="s0")) == ["accepted"]
        assert self.send(stores, some[2]) == ["too-many-parked"]
        assert self.accept_met(world) == 1
        assert self.send(stores, some[2]) == ["parked"]
        assert self.send(stores, fact("settled", "e2", external_object_id="s2")) == ["accepted"]

    def test_a_turn_takes_so_many_of_one_object(self, world: StoreWorld, stores: Stores) -> None:
        many = [REFUNDED._replace(event_id=f"r{n}") for n in range(OF_AN_OBJECT + 5)]
        other = REFUNDED._replace(event_id="other", external_object_id="s2")
        self.send(stores, *many, other)
        self.send(stores, SETTLED, fact("settled", "e9", external_object_id="s2"))
        with world.worker() as store:
            turn = accept_met(LAKESIDE.practice_id, 10 * OF_AN_OBJECT, store)
        assert turn.facts == OF_AN_OBJECT + 1
        assert [self.accept_met(world), self.accept_met(world)] == [5, 0]

    def test_the_practices_stand_in_a_ring(self, world: StoreWorld, stores: Stores) -> None:
        with world.stores.open_for_operator() as store:
            register_practice(HARBOUR, store)
        self.send(stores, REFUNDED, LOST)
        of_harbour = {"practice_id": HARBOUR.practice_id, "currency": "GBP"}
        with stores.open(HARBOUR.practice_id) as store:
            accept([REFUNDED._replace(**of_harbour)], store)
        with world.worker() as store:
            assert store.parking.next_met(None) is None
            accept([SETTLED, SETTLED._replace(**of_harbour)], store)
        with world.worker() as store:
            ring = [store.parking.next_met(each) for each in (None, "harbour", "kew", "lakeside")]
        assert ring == ["harbour", "lakeside", "lakeside", "harbour"]

    def test_what_is_never_met_becomes_a_dead_letter(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        assert self.send(stores, REFUNDED) == ["parked"]
        self.advance(world, 10)
        other = fact("no_show", "e8", external_id=None, external_object_id="s8")
        assert self.send(stores, LOST, other) == ["parked", "parked"]
        assert self.end_terms(world, 90) == []
        assert self.end_terms(world, 91) == ["e2 never-met"]
        assert self.end_terms(world, 99) == []
        assert self.end_terms(world, 101, limit=1) != []
        assert self.end_terms(world, 101) != []
        assert self.end_terms(world, 400) == []
        assert world.reads.sources(LAKESIDE.practice_id) == []

    def test_what_is_replayed_after_its_term_waits_again(
        self, world: StoreWorld, stores: Stores
    ) -> None:
        self.send(stores, REFUNDED)
        assert self.end_terms(world, 91) == ["e2 never-met"]
        assert self.send(stores, REFUNDED) == ["parked"]
        assert self.send(stores, SETTLED) == ["accepted"]
        assert self.end_terms(world, 400) == []
        assert self.accept_met(world) == 1

    def advance(self, world: StoreWorld, days: int) -> None:
        with world.stores.open_for_operator() as store:
            advance_clock(NOON + timedelta(days=days), store)
