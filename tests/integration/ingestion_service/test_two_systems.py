"""A person who books in one system and pays in another is one client, however the events come."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestion_service.importing import running
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.ops.operators import Refused
from tests.support.worlds.door import WAYS, Door, booked, door, paid

pytestmark = pytest.mark.integration
VISIT_AND_PAYMENT = {"completed": 1, "settled": 8000}
EACH_WAY = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def sources(
    service_database: Callable[[str], ServiceDatabase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Door]:
    """Of a practice of which nothing was said but its name, zone and currency."""
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    with door(service_database("ingestion"), tmp_path) as made:
        yield made


@EACH_WAY
def test_who_books_and_pays_in_systems_with_numbers_of_their_own_is_one_client(
    sources: Door, way: str
) -> None:
    sources.declare("desk")
    sources.declare("till")
    person = sources.register(("desk", "c-1"), ("till", "cus_9"))
    sources.send(way, booked("desk", "c-1"), paid("till", "cus_9"))
    (client,) = sources.clients()
    assert client["client_id"] == person
    assert [(one["namespace"], one["external_id"]) for one in client["identities"]] == [
        ("desk", "c-1"),
        ("till", "cus_9"),
    ]
    assert sources.did(person) == VISIT_AND_PAYMENT


@EACH_WAY
def test_the_same_number_in_two_systems_is_of_two_clients_unless_they_share_a_namespace(
    sources: Door, way: str
) -> None:
    sources.declare("desk")
    sources.declare("till")
    sources.declare("shop", namespace="desk")
    sources.send(way, booked("desk", "17"), paid("till", "17"), paid("shop", "17", "p2"))
    found = {
        one["identities"][0]["namespace"]: sources.did(one["client_id"])
        for one in sources.clients()
    }
    assert found == {"desk": VISIT_AND_PAYMENT, "till": {"settled": 8000}}


def test_on_the_bus_what_is_of_no_declared_source_waits_and_counts_once_it_is_declared(
    sources: Door,
) -> None:
    sources.declare("desk")
    sources.send("bus", paid("till", "cus_9"), paid("till", "cus_9", "p2"))
    assert sources.clients() == []
    waits = sources.source("till")
    assert (waits["declared"], waits["waiting"], waits["events"]) == (None, 2, 0)
    assert sources.get("/v1/dead-letters")["items"] == []
    sources.declare("till", namespace="desk")
    (client,) = sources.clients()
    assert client["identities"] == [{"namespace": "desk", "external_id": "cus_9"}]
    assert sources.did(client["client_id"]) == {"settled": 16000}
    counts = sources.source("till")
    assert (counts["waiting"], counts["events"]) == (0, 2)


def test_by_rest_what_is_of_no_declared_source_is_refused_and_taken_once_it_is_declared(
    sources: Door,
) -> None:
    refused = sources.post(paid("till", "cus_9"))
    assert (refused.status_code, refused.json()["reason"]) == (422, "unknown-source")
    assert refused.json()["errors"][0]["pointer"] == "/source"
    assert "PUT /v1/sources/{source}" in refused.text
    assert (sources.clients(), sources.get("/v1/sources")["items"]) == ([], [])
    sources.declare("till")
    sources.send("REST", paid("till", "cus_9"))
    (client,) = sources.clients()
    assert sources.did(client["client_id"]) == {"settled": 8000}


def test_a_file_of_no_declared_source_is_refused_whole_and_taken_once_it_is_declared(
    sources: Door,
) -> None:
    with pytest.raises(Refused, match="nothing was written: unknown-source"):
        sources.send("file", paid("till", "cus_9"))
    assert (sources.clients(), sources.get("/v1/sources")["items"]) == ([], [])
    sources.declare("till")
    sources.send("file", paid("till", "cus_9"))
    (client,) = sources.clients()
    assert sources.did(client["client_id"]) == {"settled": 8000}


@EACH_WAY
@pytest.mark.parametrize("order", ["payment first", "identity first"])
def test_a_payment_before_or_after_its_identity_is_attached_is_of_the_one_client(
    sources: Door, way: str, order: str
) -> None:
    sources.declare("desk")
    sources.declare("till", creates_clients=False)
    sources.send(way, booked("desk", "c-1"))
    (known,) = sources.clients()
    if order == "payment first":
        sources.send(way, paid("till", "cus_9"))
        assert sources.source("till")["parked"] == 1
    assert sources.register(("desk", "c-1"), ("till", "cus_9")) == known["client_id"]
    if order == "identity first":
        sources.send(way, paid("till", "cus_9"))
    (client,) = sources.clients()
    assert client["client_id"] == known["client_id"]
    assert sources.did(known["client_id"]) == VISIT_AND_PAYMENT
    assert sources.source("till")["parked"] == 0


def test_a_snapshot_of_clients_known_by_e_mail_cancels_what_vanished_and_repeats_nothing(
    sources: Door,
) -> None:
    """Each booking is of the client whose hash the ledger has, however the file spells the id."""
    sources.declare("calendar", client_key="personal")
    header, hour = "client_id,starts_at,status,id\n", "2026-03-04 10:00,booked"
    two = f"ann.lee@example.org,{hour},b1\nbo@example.org,{hour},b2\n"
    words = ("--as", "snapshot", "--first-day", "2026-03-03", "--last-day", "2026-03-09")
    sources.give_text("calendar", header + two, *words, "--taken-at", "2026-03-02T11:00Z")
    later = (*words, "--vanishing-is-right", "--taken-at", "2026-03-02T11:30Z")
    told = sources.give_text("calendar", f"{header}Ann.Lee@Example.org,{hour},b1\n", *later)
    assert told[-1].startswith("accepted: 1 events;")
    sources.work()
    did = [sources.did(one["client_id"]) for one in sources.clients()]
    assert sorted(each["booked"] for each in did) == [0, 1]
