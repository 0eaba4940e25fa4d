"""What each adapter of scoring's ports must do with generations of clients' facts (ADR 48)."""

from typing import Protocol

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Fact, Skipped
from scoring_service.domain.next_generation import NextGeneration, begin, hear
from tests.support.memory.scoring_suite import (
    ADA,
    BEN,
    DAY,
    FOREIGN,
    NOON,
    StoreAdapter,
    new_client,
)


class AgingAdapter(StoreAdapter, Protocol):
    """One whose generations a test can let age."""

    def let_generations_age(self) -> None:
        """Make every generation that is folded beside another two hours older."""


def a_next_generation() -> NextGeneration:
    """One of Ada's of which something has come, with gaps."""
    beside = begin(new_client(), 28_000_000)
    for sequence in (1, 4):
        hear(beside, a_fact(sequence, 28_000_000))
    hear(beside, Skipped(28_000_000, 9, "0a1b2c3d", is_last_of_cause=False))
    return beside


def a_fact(sequence: int, generation: int) -> Fact:
    return Fact(
        *(f"act-{sequence}", generation, sequence, "completed", DAY, "Europe/London", 1, 0),
        *(NOON, NOON),
    )


class GenerationsSuite:
    """`Clients.load_next` and `save_next`, and what the API reads of them."""

    def save(self, adapter: StoreAdapter, *states: ClientState) -> None:
        with adapter.stores.open() as store:
            store.clients.save(states)

    def load(self, adapter: StoreAdapter) -> ClientState:
        with adapter.stores.open() as store:
            return store.clients.load([ADA])[ADA]

    def test_a_later_generation_may_bring_another_zone(self, adapter: StoreAdapter) -> None:
        self.save(adapter, new_client())
        other = new_client(zone="Europe/London")
        other.generation = 2
        self.save(adapter, other)
        loaded = self.load(adapter)
        assert (loaded.zone, loaded.generation) == ("Europe/London", 2)

    def test_a_generation_beside_is_loaded_as_it_was_saved_until_it_is_removed(
        self, adapter: StoreAdapter
    ) -> None:
        self.save(adapter, new_client(), new_client(BEN))
        beside = a_next_generation()
        for facts in (None, 12):
            beside.facts, beside.opened_at = facts, facts and NOON
            with adapter.stores.open() as store:
                store.clients.save_next({ADA: beside})
            with adapter.stores.open() as store:
                assert store.clients.load_next([ADA, BEN, FOREIGN]) == {ADA: beside}
                assert store.zones_of(0) >= {"Europe/London"}
        with adapter.stores.open() as store:
            store.clients.save_next({ADA: None, BEN: None})
            assert store.clients.load_next([ADA, BEN]) == {}

    def test_a_client_who_is_rebuilt_says_so_and_what_is_overdue(
        self, adapter: AgingAdapter
    ) -> None:
        tiers = adapter.tiers
        self.save(adapter, new_client())
        (before,) = tiers.of_clients("harbour", ["ada"])
        with adapter.stores.open() as store:
            store.clients.save_next({ADA: a_next_generation()})
        (ada,) = tiers.of_clients("harbour", ["ada"])
        assert ada == before._replace(is_rebuilding=True)
        adapter.let_generations_age()
        (ada,) = tiers.of_clients("harbour", ["ada"])
        assert ada == before._replace(is_rebuilding=True, first_overdue_sequence=2)
        with adapter.stores.open() as store:  # its age stays when more of it comes
            store.clients.save_next({ADA: begin(new_client(), 28_000_001)})
        (ada,) = tiers.of_clients("harbour", ["ada"])
        assert (ada.is_rebuilding, ada.first_overdue_sequence) == (True, 1)
        with adapter.stores.open() as store:
            store.clients.save_next({ADA: None})
        assert tiers.of_clients("harbour", ["ada"]) == [before]
