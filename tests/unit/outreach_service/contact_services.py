"""Ingestion and outreach as the command `import-contacts` sees them, and files to give it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from outreach_service.importing.command import import_contacts

KEY = "rpt_test_key"
AROUND = {
    "RAPPORT_IMPORT_KEY": KEY,
    "RAPPORT_INGESTION_URL": "http://127.0.0.1:1/ingestion",
    "RAPPORT_OUTREACH_URL": "http://127.0.0.1:1/outreach",
}
HEADER = (
    "client_id,name,channel,address,valid_from,consent,purpose,stated_at,evidence,text_version\n"
)
WAYS = {"clients/lookup": "find", "contacts": "reach", "consents": "state"}
SCOPES = ["clients:read", "contacts:write", "consents:write"]


def row(number: int, **changes: str) -> str:
    """A line of client `c<number>`: a phone, and a consent to care."""
    cells = {
        "client_id": f"c{number}",
        "name": "secret-name",
        "channel": "sms",
        "address": f"+86138001{number:05}",
        "valid_from": "2024-06-01T09:00Z",
        "consent": "given",
        "purpose": "care",
        "stated_at": "2024-06-02T09:00Z",
        "evidence": "cabinet 3",
        "text_version": "v1",
    }
    return ",".join({**cells, **changes}.values()) + "\n"


class Services:
    """Ingestion and outreach as their documents say; each answer may be another first."""

    def __init__(self) -> None:
        self.known = {f"c{number}": f"id-{number}" for number in range(1_000)}
        self.contacts: dict[tuple[str, str, str], str] = {}
        self.consents: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.first: list[httpx.Response | Exception] = []
        self.me = {"practice_id": "harbour", "scopes": SCOPES}
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.before: Callable[[], object] = lambda: None

    def client(self, _url: str, key: str) -> httpx.Client:
        assert key == KEY
        return httpx.Client(base_url=_url, transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            path = request.url.path.partition("/v1/")[2]
            self.calls.append(path)
            other = self.first.pop(0) if self.first else None
        try:
            if isinstance(other, Exception):
                raise other
            if other is not None:
                return other
            if path == "me":
                return httpx.Response(200, json=self.me)
            self.before()
            items = json.loads(request.content)["items"]
            with self.lock:
                return httpx.Response(200, json={"items": getattr(self, WAYS[path])(items)})
        finally:
            with self.lock:
                self.at_once -= 1

    def find(self, items: list[dict[str, str]]) -> list[dict[str, Any]]:
        assert {each["namespace"] for each in items} == {"desk"}
        ids = [self.known.get(each["external_id"]) for each in items]
        return [{"found": bool(id_), "client": id_ and {"client_id": id_}} for id_ in ids]

    def reach(self, items: list[dict[str, str]]) -> list[dict[str, Any]]:
        answers = []
        for each in items:
            if "bad" in each["address"]:
                fault = {"reason": "invalid-address", "pointer": "/address"}
                answers.append({"outcome": "rejected", **fault, "detail": "is no phone number"})
                continue
            key = (each["client_id"], each["channel"], each.get("valid_from", ""))
            self.contacts[key] = each["address"]
            answers.append({"outcome": "saved"})
        return answers

    def state(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers = []
        for each in items:
            is_same = self.consents.setdefault(each["id"], each) == each
            fault = {"reason": "conflicting-duplicate", "pointer": "/id", "detail": "differs"}
            answers.append({"outcome": "saved"} if is_same else {"outcome": "rejected", **fault})
        return answers


class Given:
    """Gives the command for a file with this text."""

    def __init__(self, folder: Path, services: Services) -> None:
        self.folder = folder
        self.services = services

    def __call__(self, text: str, *words: str, takes: bool = True, **around: str) -> int:
        file = self.folder / "people.csv"
        file.write_text(text, encoding="utf-8")
        yes = ["--yes"] if takes else []
        errors = ["--errors", str(self.folder / "errors.csv")]
        argv = [str(file), "--namespace", "desk", *errors, *yes, *words]
        return import_contacts(argv, {**AROUND, **around})

    @property
    def errors(self) -> list[str]:
        path = self.folder / "errors.csv"
        return path.read_text("utf-8-sig").splitlines()[1:] if path.exists() else []
