"""Nothing that tells who a client is comes out where it does not belong (S7).

A small run at DEBUG: marked names, phones, addresses, openids and keys go in by REST and by
the bus; then logs, metrics, refusals, dead letters as shown, tables and topics are searched.
"""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from psycopg import sql

from ingestion_service import bootstrap as ingestion
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.settings import IngestionSettings
from outreach_service.bootstrap import build_api
from outreach_service.domain.terms import Channel
from outreach_service.settings import OutreachSettings
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from tests.support.access_matrix.world import (
    PRACTICE,
    ApiWorld,
    common_settings,
    every_key,
    running,
)
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.worlds.outreach import KEY, OutreachWorld, playbook

pytestmark = pytest.mark.integration
PHONE, EMAIL = "+8613912345678", "kanari.lin@practice.com"
OPENID, NAME = "oKanariKanariKanariKanari2", "Kanari Vogelsang"
CONTACTS = {"sms": PHONE, "email": EMAIL, "wechat": OPENID}
CANARIES = ("13912345678", "kanari.lin", "Kanari", "Vogelsang")
CLIENT = "c" * 32
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STATED = {"stated_at": "2024-06-01T12:00:00Z"}
MakeDatabase = Callable[[str], ServiceDatabase]
Start = Callable[[FastAPI], FastAPI]


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts an app; all of them end with the test."""
    with ExitStack() as apps:
        yield lambda app: apps.enter_context(running(app))


def assert_no_canary(where: str, text: str, *more: str) -> None:
    assert text, where
    found = [canary for canary in (*CANARIES, *more) if canary in text]
    assert not found, (where, found)


def dump(url: str, *tables: str) -> str:
    """Every column of these tables, as text."""
    with psycopg.connect(url) as connection:
        queries = [sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(n)) for n in tables]
        rows = [connection.execute(one).fetchall() for one in queries]
    return str(rows)


def published(bus: MemoryBus) -> str:
    """Keys, values and headers of all topics but those that sources write."""
    records = [
        (record.key, record.value, record.headers)
        for partition, records in bus.logs.items()
        if not partition.topic.startswith("source.")
        for record in records
    ]
    return str(records)


def test_outreach_keeps_its_contacts_to_itself(
    service_database: MakeDatabase, started: Start, log: io.StringIO
) -> None:
    urls, provider = service_database("outreach"), RecordingProvider()
    book = playbook(directions=["entered"])
    world = OutreachWorld(urls, book, dict.fromkeys(Channel, provider))
    world.now_is(NOON)
    keys = {"contact_keys": {"k1": KEY}, "contact_active_key": "k1", "contact_index_key": KEY}
    app = started(build_api(OutreachSettings(**common_settings(urls), **keys)))
    api = ApiWorld("outreach", app, urls, keys=every_key(app, urls))
    answers = [_tell(api, channel, address) for channel, address in CONTACTS.items()]
    world.moved(CLIENT, 1, NOON)
    world.now_is(NOON.replace(hour=13))
    world.dispatch()
    assert len(provider.sent) == 1  # the way to the provider is the only one out
    assert any(canary in provider.sent[0].recipient for canary in CANARIES)
    world.loop.turn(threading.Event())
    lists = ("messages", f"clients/{CLIENT}/preferences", "channels", "dead-letters")
    answers += [api.call("GET", f"/v1/{name}", api.keys["practice"]).text for name in lists]
    refused = _refusals(api)
    secrets = (KEY, *api.keys.values(), *(key.split("_", 2)[2] for key in api.keys.values()))
    assert_no_canary("answers", "".join(answers), *secrets)
    assert_no_canary("refusals", refused, *secrets)
    assert_no_canary("bus", published(world.bus), *secrets)
    assert_no_canary("metrics", generate_latest().decode(), *secrets)
    assert_no_canary("tables", dump(urls.worker_url, "contact", "message", "attempt", "outbox"))
    world.close()
    assert_no_canary("log", log.getvalue(), *secrets)
    assert "request_answered" in log.getvalue()


def _tell(api: ApiWorld, channel: str, address: str) -> str:
    contact = {"channel": channel, "address": address, "name": NAME, "language": "en"}
    consent = {"channel": channel, "purpose": "care", "granted": True}
    proof = {"evidence": "form 118", "text_version": "1", "id": channel}
    answer = api.put("practice", f"/v1/clients/{CLIENT}/contacts", contact)
    return str(answer) + str(
        api.put("practice", f"/v1/clients/{CLIENT}/consents", {**consent, **proof, **STATED})
    )


def _refusals(api: ApiWorld) -> str:
    """Contact details where they are wrong: in the address, the body, the key, the header."""
    bad = {"channel": "sms", "address": f"{PHONE}{EMAIL}", "name": NAME, "language": NAME}
    body = {"items": [bad | {"client_id": OPENID}, NAME, [PHONE]]}
    broken = json.dumps(bad).encode()[:-1]
    key, path = api.keys["practice"], f"/v1/clients/{CLIENT}/contacts"
    headers = {"Content-Type": "application/json"}
    answers = [
        api.call("PUT", path, key, json=bad),
        api.call("PUT", path, key, content=broken, headers=headers),
        api.call("POST", "/v1/contacts", key, json=body),
        api.call("PUT", f"/v1/clients/{EMAIL}/contacts", key, json=bad),
        api.call("GET", f"/v1/messages?client_id={PHONE}&cursor={NAME}", key),
        api.call("GET", f"/v1/{NAME}", key),
        api.call("GET", "/v1/messages", NAME, headers={"X-Request-ID": EMAIL}),
    ]
    assert all(one.status_code in {207, 401, 404} or one.status_code >= 400 for one in answers)
    return "".join(f"{one.text}{dict(one.headers)}" for one in answers)


def test_ingestion_passes_on_no_more_than_what_counts(
    service_database: MakeDatabase, started: Start, log: io.StringIO
) -> None:
    urls = service_database("ingestion")
    bus = _bus()
    settings = IngestionSettings(**common_settings(urls))
    app = started(ingestion.build_api(settings))
    api = ApiWorld("ingestion", app, urls, keys=every_key(app, urls))
    body = {"name": "Harbour", "zone": "Europe/London", "currency": "GBP"}
    api.put("operator", f"/v1/practices/{PRACTICE}", body)
    api.put("practice", "/v1/sources/desk", {"title": "The desk", "kind": "booking"})
    api.put("operator", "/v1/clock", {"now": NOON.isoformat()})
    _send(bus)
    _read(bus, urls, settings)
    letters = [
        letter
        for holder in ("practice", "operator")
        for letter in _json(api, "/v1/dead-letters", holder)["items"]
    ]
    assert {one["reason"] for one in letters} >= {"unknown-practice", "not-json", "invalid-field"}
    shown = [
        str(_json(api, f"/v1/dead-letters/{one['id']}", holder))
        for holder in ("practice", "operator")
        for one in _json(api, "/v1/dead-letters", holder)["items"]
    ]
    assert "activity.recorded" in published(bus)
    assert_no_canary("bus", published(bus))
    assert_no_canary("letters", str(letters) + str(shown))
    assert_no_canary("metrics", generate_latest().decode())
    assert_no_canary("log", log.getvalue())


def _bus() -> MemoryBus:
    bus = MemoryBus()
    for topic in topics.TOPICS:
        bus.create(topic.name, topic.partitions)
    return bus


def _send(bus: MemoryBus) -> None:
    """A good event with more than it needs, and bad ones that are full of canaries."""
    extra = {"name": NAME, "phone": PHONE, "email": EMAIL, "openid": OPENID}
    good = _event("e1", {"booking_id": "b1", "starts_at": NOON.isoformat(), **extra}) | extra
    wrong = _event(NAME, {"booking_id": "b2", "starts_at": PHONE, **extra})
    values = (
        json.dumps(good).encode(),
        json.dumps(wrong).encode(),
        json.dumps(good | {"practiceid": "nobody", "id": "e3"}).encode(),
        json.dumps(good).encode()[:-1],
    )
    for value in values:
        headers = (("traceparent", EMAIL.encode()), ("x", PHONE.encode()))
        bus.append(topics.SOURCE_BOOKINGS.name, 0, b"c-1042", value, headers)


def _event(event_id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "desk",
        "type": "rapport.booking.created.v1",
        "practiceid": PRACTICE,
        "subject": "c-1042",
        "time": NOON.isoformat(),
        "data": data,
    }


def _read(bus: MemoryBus, urls: ServiceDatabase, settings: IngestionSettings) -> None:
    database = Database(urls.worker_url, application_name="test-worker")
    publish = ingestion.build_relay(database, bus).drain
    handler = ingestion.build_consumer(settings, database, publish)
    consumer = bus.consumer(GROUP, [topic.name for topic in TOPICS])
    options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0, retry_seconds=0.01)
    loop = BatchLoop(consumer, database, handler, options, DeadLetterLimit())
    for _ in range(4):
        loop.turn(threading.Event())
    database.close()


def _json(api: ApiWorld, path: str, holder: str) -> Any:
    answer = api.call("GET", path, api.keys[holder])
    assert answer.status_code == 200, answer.text
    return answer.json()
