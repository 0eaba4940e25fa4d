"""What clients said, told in any order: each adapter lets messages go where the oracle does."""

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    Subscription,
    WayOut,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.preferences import save_consents, save_contacts, withdraw_by_link
from outreach_service.ports.records import ContactKey
from tests.support.doubles.open_cipher import OpenCipher
from tests.support.generators.client_words import (
    BEGAN,
    CHANNELS,
    CLIENTS,
    PURPOSES,
    Arrival,
    History,
    histories,
)
from tests.support.memory.harbour import StoreAdapter
from tests.support.oracles.client_word import Told, may_go_to

Ways = dict[tuple[str, str, str], str]
"""Where messages may go: (client, channel, purpose) -> address."""


def faults(adapter: StoreAdapter, practice_id: str, history: History) -> Iterator[str]:
    """Tell a history as it comes, and compare twice on its way where messages may go."""
    practice = {"practice_id": practice_id, "name": "H", "zone": "UTC", "currency": "GBP"}
    with adapter.stores.open() as store:
        store.inputs.save_practice(
            {**practice, "region": None, "discreet_name": None, "said_at": BEGAN}
        )
    arrivals = history.arrivals
    looks = {arrivals[len(arrivals) // 2].at, arrivals[-1].at}
    for arrival, after in pairwise([*arrivals, None]):
        assert arrival is not None
        adapter.read_up_to(arrival.at)
        _tell(adapter, practice_id, arrival)
        if arrival.at in looks and (after is None or after.at != arrival.at):
            goes, may = _ways(adapter, practice_id), _expected(history, arrival)
            yield from (f"{way} goes to {goes[way]}" for way in goes if may.get(way) != goes[way])
            yield from (f"{way} does not go to {may[way]}" for way in may if way not in goes)


def _tell(adapter: StoreAdapter, practice_id: str, arrival: Arrival) -> None:
    fact, channel = arrival.fact, Channel(arrival.fact.channel)
    if isinstance(fact, Told):
        since = fact.at if fact.dated else None
        update = ContactUpdate(fact.client, channel, str(fact.address), "A", "en", since)
        save_contacts(adapter.api_stores, OpenCipher(), practice_id, [update])
        return
    purpose = Purpose(fact.purpose)
    if arrival.is_click:
        link = Subscription(practice_id, fact.client, channel, purpose)
        withdraw_by_link(adapter.api_stores, WayOut(link, f"{practice_id}/{fact.address}"))
        return
    about = (fact.client, channel, purpose, fact.granted, "form", "1")
    statement = ConsentStatement(f"s{arrival.number}", fact.at, *about)
    assert save_consents(adapter.api_stores, practice_id, [statement], "k1") == {}


def _ways(adapter: StoreAdapter, practice_id: str) -> Ways:
    with adapter.stores.open() as store:
        found = store.clients.reachable([(practice_id, client) for client in CLIENTS])
        keys = {
            (client, channel, purpose): ContactKey(practice_id, client, channel)
            for (_, client), ways in found.items()
            for channel, purpose in ways
        }
        recipients = store.clients.recipients(list(keys.values()))
    return {
        (client, str(channel), str(purpose)): recipients[key].sealed_address
        for (client, channel, purpose), key in keys.items()
    }


def _expected(history: History, last: Arrival) -> Ways:
    told, said = history.facts(last.at)
    ways = {
        way: may_go_to(told, said, *way)
        for way in ((a, b, c) for a in CLIENTS for b in CHANNELS for c in PURPOSES)
    }
    return {way: address for way, address in ways.items() if address is not None}


class ClientWordSuite:
    """Random histories, of which each adapter plays so many."""

    HISTORIES: ClassVar[int]

    def test_messages_go_where_the_client_said_in_whatever_order_it_came(
        self, adapter: StoreAdapter
    ) -> None:
        for number, history in enumerate(histories(seed=17, count=self.HISTORIES)):
            found = list(faults(self.fresh(adapter), f"practice-{number}", history))
            assert found == [], history.arrivals

    def fresh(self, adapter: StoreAdapter) -> StoreAdapter:
        """The adapter for the next history, each of which has a practice of its own."""
        return adapter
