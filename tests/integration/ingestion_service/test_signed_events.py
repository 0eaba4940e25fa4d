"""Events by REST of a source that signs, and in both modes of CloudEvents."""

import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.integration.ingestion_service.test_webhooks import Door, app, door
from tests.support.servers.app_calls import ask

pytestmark = pytest.mark.integration
__all__ = ["app", "door"]
SECRET = "a-secret-of-the-till"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "rapport.payment.settled.v1",
    "id": "e1",
    "source": "till",
    "practiceid": "lakeside",
    "subject": "wang-fang",
    "time": "2026-05-01T09:00:00+08:00",
    "data": {"payment_id": "p1", "amount_minor": 5000, "currency": "CNY"},
}
BODY = json.dumps(EVENT).encode()


def post(app: FastAPI, body: bytes, *headers: tuple[Any, Any]) -> httpx.Response:
    sent = [("Authorization", "Bearer lakeside"), ("Content-Type", "application/json"), *headers]
    return ask(app, "POST", "/v1/events", headers=sent, content=body)


def signature(body: bytes, secret: str = SECRET) -> tuple[str, str]:
    return "Rapport-Signature", hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def in_headers(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f"ce-{name}", text) for name, text in event.items() if name != "data"]


def declare(door: Door) -> None:
    declared = {"title": "till", "kind": "payment"}
    assert door.call("PUT", "/v1/sources/till", json=declared).is_success


def test_both_modes_are_the_same_event(app: FastAPI, door: Door) -> None:
    declare(door)
    data = json.dumps(EVENT["data"]).encode()
    binary = post(app, data, *in_headers(EVENT))
    assert binary.json()["items"][0]["outcome"] == "accepted", binary.text
    assert post(app, BODY).json()["items"][0]["outcome"] == "duplicate"


def test_what_headers_lack_or_contradict_is_refused_by_field(app: FastAPI, door: Door) -> None:
    declare(door)
    data = json.dumps(EVENT["data"]).encode()
    without_id = in_headers({name: text for name, text in EVENT.items() if name != "id"})
    twice = [*in_headers(EVENT), ("ce-id", "other")]
    for headers in (without_id, twice):
        answer = post(app, data, *headers)
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == ["/id"]


def test_a_source_that_signs_is_refused_without_its_signature(app: FastAPI, door: Door) -> None:
    declare(door)
    secrets = {"secrets": [SECRET, "another-secret-of-it"]}
    assert door.call("POST", "/v1/sources/till/signature", json=secrets).status_code == 204
    for headers, reason in (
        ([], "unsigned"),
        ([signature(BODY), signature(BODY)], "unsigned"),
        ([signature(BODY + b" ")], "bad-signature"),
        ([signature(BODY, "not-the-tills-secret")], "bad-signature"),
        ([(b"Rapport-Signature", b"\xe9")], "bad-signature"),
    ):
        answer = post(app, BODY, *headers)
        assert (answer.status_code, answer.json()["reason"]) == (422, reason)
    data = json.dumps(EVENT["data"]).encode()
    binary = post(app, data, *in_headers(EVENT), signature(data))
    assert binary.json()["reason"] == "unsigned"
    signed = post(app, BODY, signature(BODY, "another-secret-of-it"))
    assert signed.json()["items"][0]["outcome"] == "accepted", signed.text
    assert door.call("DELETE", "/v1/sources/till/signature").status_code == 204
    assert post(app, BODY).json()["items"][0]["outcome"] == "duplicate"


def test_a_signature_that_nobody_asks_for_changes_nothing(app: FastAPI, door: Door) -> None:
    declare(door)
    answer = post(app, BODY, signature(BODY, "whatever-it-was"))
    assert answer.json()["items"][0]["outcome"] == "accepted"
