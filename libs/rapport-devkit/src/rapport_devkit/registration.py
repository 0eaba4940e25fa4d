"""Registers a practice, its sources and clients, contacts and consents, before the first event."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from rapport_devkit.access import Access
from rapport_devkit.api_client import ApiClient
from rapport_devkit.clock import SimulatedClock, noon
from rapport_devkit.people import generate_people, tell_outreach
from rapport_devkit.sources.dataset import Dataset
from rapport_devkit.till import TILL, Numbers
from rapport_files.events import Origin

_AT_ONCE = 4
Identities = Sequence[dict[str, str]]


class Say(Protocol):
    """Tells what is being done: a text, and the values for the names in its braces."""

    def __call__(self, what: str, **values: object) -> None: ...


def register(
    access: Access,
    origin: Origin,
    dataset: Dataset,
    numbers: Numbers,
    *,
    name: str,
    say: Say,
) -> dict[str, str]:
    """Register everything in the order that simulated time needs; external id -> client id.

    The practice and its two sources; day 0; the first watermark of every partition; then clients,
    contacts, consents, which need a business time. Without outreach there are no contacts and
    consents.
    Raises ApiProblem, BarrierTimeout.
    """
    say("registering the practice")
    practice = {
        "name": name,
        "discreet_name": name,
        "zone": origin.zone,
        "currency": dataset.currency,
    }
    access.operator["ingestion"].put(f"/v1/practices/{origin.practice_id}", practice)
    desk, till = {"title": "Desk", "kind": "booking"}, {"title": "Till", "kind": "payment"}
    access.practice["ingestion"].put(f"/v1/sources/{origin.source}", desk)
    access.practice["ingestion"].put(f"/v1/sources/{TILL}", till | {"creates_clients": False})
    SimulatedClock(access.operator).step(noon(dataset.first_on, origin.zone))
    external_ids = dataset.clients()
    say("registering {clients:,} clients", clients=len(external_ids))
    client_ids = register_clients(access.practice["ingestion"], external_ids, numbers.known)
    if "outreach" in access.practice:
        say("sending names, addresses and consents, all invented; only the sandbox gets them")
        tell_outreach(access.practice["outreach"], generate_people(client_ids, origin.zone))
    return client_ids


def register_clients(
    ingestion: ApiClient, external_ids: Sequence[str], identities: Callable[[str], Identities]
) -> dict[str, str]:
    """Register clients, a few at a time, each by its `identities`; external id -> client id. Raises
    ApiProblem."""

    def put(external_id: str) -> tuple[str, str]:
        body = {"identities": identities(external_id)}
        return external_id, ingestion.put("/v1/clients", body)["client_id"]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(pool.map(put, external_ids))
