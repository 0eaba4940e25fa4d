"""The door for webhooks on Postgres: verified, accepted whole, counted once."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

import httpx
import pytest
from fastapi import FastAPI

from ingestion_service.api.clock import clock_router
from ingestion_service.api.events import events_router
from ingestion_service.api.sources import sources_router
from ingestion_service.api.tries import tries_router
from ingestion_service.api.webhook_schemas import AdapterName
from ingestion_service.api.webhooks import DOOR, WebhookAddress, webhooks_router
from ingestion_service.bootstrap import build_stores
from ingestion_service.personal_keys import PersonalKeys
from ingestion_service.store.reads import PostgresReads
from ingestion_service.store.secrets import WebhookTokens
from rapport_adapters.catalogue import ADAPTERS
from rapport_runtime.database import Database, fetch
from rapport_runtime.http.app import Service, create_app
from tests.integration.ingestion_service.conftest import Holders
from tests.integration.ingestion_service.webhooks import MAPPING, SECRET, SYSTEMS, System
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.servers.app_calls import ask
from tests.unit.rapport_adapters import senders

pytestmark = pytest.mark.integration
Call = Callable[..., httpx.Response]
EACH = pytest.mark.parametrize("system", SYSTEMS.values(), ids=list(SYSTEMS))
_STORED = """
    SELECT event_id FROM ledger WHERE source = %(source)s
    UNION ALL SELECT event_id FROM parked WHERE source = %(source)s
    ORDER BY event_id
"""


@pytest.fixture
def app(api_database: Database) -> FastAPI:
    """Ingestion's API with the door, where an address has one guess a minute."""
    personal = PersonalKeys(bytes(range(32)))
    stores = build_stores(api_database, RECORD_KEYS, is_simulated=True, personal=personal)
    reads = PostgresReads(api_database)
    address = WebhookAddress(WebhookTokens(api_database), failed_per_minute=1)
    service = Service(
        title="t",
        version="0",
        description="t",
        keys=Holders(),
        cursor_key=bytes(range(32)),
        doors={DOOR: address.holder},
    )
    routers = [
        clock_router(stores, reads),
        events_router(stores),
        sources_router(stores, reads),
        webhooks_router(stores, address),
        tries_router(stores),
    ]
    return create_app(service, routers)


@pytest.fixture
def door(app: FastAPI, call: Call) -> "Door":
    assert call("PUT", "/v1/clock", key="operator", json={"now": "2030-01-01T00:00:00Z"})
    return Door(app, call)


class Door:
    """What a practice declares, and what its systems send."""

    def __init__(self, app: FastAPI, call: Call) -> None:
        self._app = app
        self.call = call

    def declare(
        self, system: System, source: str, key: str = "lakeside", **more: Any
    ) -> httpx.Response:
        client_key = "personal" if system.name == "calcom" else "opaque"
        declared = {"title": source, "kind": "desk", "client_key": client_key}
        assert self.call("PUT", f"/v1/sources/{source}", key, json=declared).is_success
        body = {"adapter": system.name, "settings": system.settings, **more}
        return self.call("POST", f"/v1/sources/{source}/webhook", key, json=body)

    def path(self, system: System, source: str, key: str = "lakeside") -> str:
        answer = self.declare(system, source, key)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["path"])

    def send(self, path: str, headers: senders.Headers, body: bytes) -> httpx.Response:
        plain = [(name, value) for name, value in headers if name != "Content-Type"]
        typed = [*plain, ("Content-Type", "application/json")]
        return ask(self._app, "POST", path, headers=typed, content=body)


def stored(database: Database, source: str) -> list[str]:
    with database.transaction() as tx:
        return [row.event_id for row in fetch(tx, _STORED, {"source": source})]


def test_every_adapter_can_be_declared_and_is_tried_here() -> None:
    assert set(get_args(AdapterName)) == set(SYSTEMS) == set(ADAPTERS)


@EACH
def test_every_sample_becomes_what_its_adapter_reads(
    system: System, door: Door, database: Database
) -> None:
    """Each sample is of a source of its own; what its events are, the adapter's own tests say."""
    are_accepted = False
    for number, body in enumerate(system.samples()):
        source = f"{system.name}-{number}"
        answer = door.send(door.path(system, source), system.headers(body), body)
        events, unreadable = system.reads(body, source)
        if unreadable is not None:
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == unreadable
            assert stored(database, source) == []
        elif {getattr(event.data, "currency", "CNY") for event in events} <= {"CNY"}:
            assert (answer.status_code, answer.content) == (204, b""), answer.text
            assert stored(database, source) == sorted(event.id for event in events)
            are_accepted = True
        else:
            assert (answer.status_code, answer.json()["reason"]) == (422, "currency-mismatch")
            assert stored(database, source) == []
    assert are_accepted


@EACH
def test_every_sample_becomes_what_its_adapters_table_says(
    system: System, door: Door, database: Database
) -> None:
    """In a practice with the sample's currency; what names no client is parked, and sealed."""
    for number, (body, events) in enumerate(system.table()):
        source = f"table-{number}"
        currencies = {each["data"].get("currency", "CNY") for each in events}
        practice = "harbour" if currencies == {"GBP"} else "lakeside"
        answer = door.send(door.path(system, source, practice), system.headers(body), body)
        if currencies <= {"CNY", "GBP"}:
            assert answer.status_code == 204, answer.text
            whole = Counter(told_by(each) for each in events if "subject" in each)
            assert whole <= known(database, source) <= Counter(map(told_by, events))
            assert len(stored(database, source)) == len(events)
            ids = {each["id"] for each in events if "id" in each}
            assert ids <= set(stored(database, source))
        else:
            assert answer.json()["reason"] == "currency-mismatch"


def told_by(event: dict[str, Any]) -> tuple[Any, ...]:
    """The kind of an event, its instants and its amount."""
    data = event["data"]
    instants = [event["time"], data.get("starts_at")]
    at, starts_at = (each and datetime.fromisoformat(each) for each in instants)
    kind = "assumed" if data.get("assumed") else event["type"].partition(".")[2]
    return (kind, at, starts_at, data.get("amount_minor"), data.get("currency"))


def known(database: Database, source: str) -> Counter[tuple[Any, ...]]:
    """The same of what the ledger has of a source."""
    statement = """
        SELECT kind, occurred_at, starts_at, amount_minor, currency FROM ledger
        WHERE source = %(source)s
    """
    with database.transaction() as tx:
        return Counter(tuple(row) for row in fetch(tx, statement, {"source": source}))


def first_events(system: System) -> bytes:
    """A sample that tells events in the practice's currency."""
    names = {
        "calcom": "created-for-two",
        "stripe": "refund-cancelled",
        "mapping": "a-day-of-the-desk",
    }
    if system.name == "wechat_pay":
        return senders.sealed("payment")
    return senders.sample(system.name, names[system.name])


@EACH
def test_a_webhook_sent_again_counts_once(system: System, door: Door, database: Database) -> None:
    body = first_events(system)
    path = door.path(system, "desk")
    assert door.send(path, system.headers(body), body).status_code == 204
    once = stored(database, "desk")
    assert once
    assert door.send(path, system.headers(body), body).status_code == 204
    assert stored(database, "desk") == once


@EACH
def test_a_forged_webhook_is_refused_before_it_is_read(
    system: System, door: Door, database: Database
) -> None:
    body = first_events(system)
    path = door.path(system, "desk")
    headers = system.headers(body)
    for forged in (body + b" ", b"\xff", b""):
        answer = door.send(path, headers, forged)
        assert (answer.status_code, answer.json()["reason"]) == (401, "mismatch")
    unsigned = door.send(path, [], body)
    assert (unsigned.status_code, unsigned.json()["reason"]) == (401, "missing")
    assert stored(database, "desk") == []


def test_a_webhook_is_accepted_whole_or_not_at_all(door: Door, database: Database) -> None:
    """Its other events pass with it once what stands in the way is mended."""
    system = SYSTEMS["mapping"]
    document = json.loads(senders.sample("mapping", "a-day-of-the-desk"))
    document["batch"]["rows"][3]["bill"]["sum"]["cur"] = "usd"
    body = json.dumps(document).encode()
    answer = door.send(door.path(system, "desk"), system.headers(body), body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "currency-mismatch")
    assert stored(database, "desk") == []


def test_a_guessed_address_is_paid_for_and_a_good_one_passes_all_the_same(
    door: Door, database: Database
) -> None:
    system = SYSTEMS["calcom"]
    body = first_events(system)
    path = door.path(system, "desk")
    wrong = path[:-1] + ("A" if path[-1] != "A" else "B")
    assert door.send(wrong, system.headers(body), body).status_code == 401
    assert door.send(wrong, system.headers(body), body).status_code == 429
    assert door.send(path, system.headers(body), body).status_code == 204
    assert stored(database, "desk")


def test_a_large_body_is_read_for_a_good_address_alone(door: Door) -> None:
    """No API key is asked for, and a body larger than the limit is refused."""
    system = SYSTEMS["mapping"]
    large = json.dumps({"batch": {"rows": []}, "more": "x" * 10_000}).encode()
    path = door.path(system, "desk")
    assert door.send(path, system.headers(large), large).status_code == 204
    assert door.send(DOOR + "nobody", system.headers(large), large).status_code == 401
    huge = b" " * (1024 * 1024 + 1)
    assert door.send(path, system.headers(huge), huge).status_code == 413


def test_an_address_stays_until_another_is_asked_for_or_it_ends(door: Door) -> None:
    system = SYSTEMS["mapping"]
    body = senders.sample("mapping", "nothing-but-notes")
    path = door.path(system, "desk")
    again = door.declare(system, "desk")
    assert (again.status_code, again.json()["path"]) == (200, None)
    assert door.send(path, system.headers(body), body).status_code == 204
    other = door.declare(system, "desk", new_address=True).json()["path"]
    assert door.send(other, system.headers(body), body).status_code == 204
    assert door.call("DELETE", "/v1/sources/desk/webhook").status_code == 204
    assert door.call("DELETE", "/v1/sources/desk/webhook").status_code == 404
    assert door.send(other, system.headers(body), body).status_code == 401


def test_secrets_are_sealed_and_never_shown(door: Door, database: Database) -> None:
    answer = door.declare(SYSTEMS["stripe"], "desk")
    assert SECRET not in answer.text
    assert door.call("POST", "/v1/sources/desk/signature", json={"secrets": [SECRET]}).is_success
    with database.transaction() as tx:
        rows = fetch(tx, "SELECT * FROM source_secret")
    assert len(rows) == 2
    token = answer.json()["path"].rpartition("_")[2]
    assert not any(each in repr(rows) for each in (SECRET, token))


@pytest.mark.parametrize(
    ("adapter", "settings", "pointer"),
    [
        ("stripe", {"secrets": ["short"]}, "/settings/secrets/0"),
        ("stripe", {"secrets": [SECRET], "zone": "UTC"}, "/settings/zone"),
        ("stripe", {"secrets": [SECRET], "source": "other"}, "/settings/source"),
        (
            "mapping",
            {**SYSTEMS["mapping"].settings, "mapping": {**MAPPING, "zone": "Moon"}},
            "/settings/mapping/zone",
        ),
        ("zapier", {}, "/adapter"),
    ],
)
def test_what_cannot_work_cannot_be_declared(
    door: Door, adapter: str, settings: Any, pointer: str
) -> None:
    body = {"adapter": adapter, "settings": settings}
    assert door.call("PUT", "/v1/sources/desk", json={"title": "d", "kind": "desk"}).is_success
    answer = door.call("POST", "/v1/sources/desk/webhook", json=body)
    assert answer.status_code == 422
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    assert SECRET not in answer.text


def test_a_system_that_knows_clients_by_e_mail_needs_a_source_that_says_so(door: Door) -> None:
    assert door.call("PUT", "/v1/sources/desk", json={"title": "d", "kind": "desk"}).is_success
    body = {"adapter": "calcom", "settings": {"secrets": [SECRET]}}
    answer = door.call("POST", "/v1/sources/desk/webhook", json=body)
    assert answer.status_code == 422
    assert [each["reason"] for each in answer.json()["errors"]] == ["client-key-opaque"]


def test_only_a_declared_source_of_ones_own_takes_webhooks(door: Door) -> None:
    body = {"adapter": "stripe", "settings": {"secrets": [SECRET]}}
    assert door.call("POST", "/v1/sources/desk/webhook", json=body).status_code == 404
    door.declare(SYSTEMS["stripe"], "desk")
    stranger = door.call("POST", "/v1/sources/desk/webhook", key="harbour", json=body)
    assert stranger.status_code == 404
    assert door.call("DELETE", "/v1/sources/desk/webhook", key="harbour").status_code == 404


def test_a_sample_is_tried_and_nothing_is_stored(door: Door, database: Database) -> None:
    sample = json.loads(senders.sample("mapping", "a-day-of-the-desk"))
    sample["batch"]["rows"][0]["appt"]["from"] = "tomorrow"
    body = {"sample": sample, "mapping": MAPPING}
    answer = door.call("POST", "/v1/sources/lotus-desk/try", json=body)
    assert answer.status_code == 200, answer.text
    tried = answer.json()
    assert [event["id"] for event in tried["events"]] == ["5002", "5004", "5005"]
    assert {event["source"] for event in tried["events"]} == {"lotus-desk"}
    (problem,) = tried["problems"]
    assert problem["field"] == "/batch/rows/0/appt/from"
    assert problem["mapping"] == "/values/starts_at"
    assert "tomorrow" not in json.dumps(tried)
    assert stored(database, "lotus-desk") == []


def test_the_declared_adapter_is_tried_where_no_mapping_is_given(door: Door) -> None:
    sample = senders.sample("stripe", "refund-cancelled").decode()
    body = {"sample": sample}
    assert door.call("POST", "/v1/sources/desk/try", json=body).status_code == 404
    door.declare(SYSTEMS["stripe"], "desk")
    tried = door.call("POST", "/v1/sources/desk/try", json=body).json()
    assert [event["type"] for event in tried["events"]] == ["rapport.payment.refund_failed.v1"]
    nothing = door.call("POST", "/v1/sources/desk/try", json={"sample": {"type": "x"}}).json()
    assert (nothing["events"], nothing["problems"]) == ([], [])
    assert nothing["nothing_because"]
    wrong = door.call("POST", "/v1/sources/desk/try", json={"sample": "no JSON"}).json()
    assert [problem["field"] for problem in wrong["problems"]] == [""]


def test_a_mapping_that_cannot_work_is_named_by_field(door: Door) -> None:
    body = {"sample": {}, "mapping": {**MAPPING, "each": "rows"}}
    answer = door.call("POST", "/v1/sources/desk/try", json=body)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/mapping/each"]
