"""The outreach API over a migrated database, and rows that only a worker may write."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from outreach_service.api.routes import ApiParts, api_routers
from outreach_service.builtin import builtin_catalogue
from outreach_service.documents.playbooks import read_known_play
from outreach_service.domain.terms import Channel
from outreach_service.handlers.previews import Previews
from outreach_service.ports import ChannelSetup
from outreach_service.ports.records import MessageEvent
from outreach_service.rendering import render
from outreach_service.sealing import ContactKeyring
from outreach_service.store.channels import PostgresChannels
from outreach_service.store.clock import GROUP, INPUTS
from outreach_service.store.contact_cipher import KeyringCipher
from outreach_service.store.messages import PostgresMessages
from outreach_service.store.stores import PostgresStores
from outreach_service.unsubscribe import unsubscribe_key
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from tests.support.servers.app_calls import ask

SCOPES = frozenset(
    {
        *("contacts:write", "consents:write", "preferences:read", "channels:read"),
        "reads:read",
        *("messages:read", "messages:write", "playbook:read", "playbook:write"),
    }
)
INDEX_KEY = "aW5kZXgtaW5kZXgtaW5kZXgtaW5kZXgtaW5kZXgtMTI="
LINK_KEY = unsubscribe_key(INDEX_KEY)
KEYRING = ContactKeyring(
    {"k1": "c2VhbC1zZWFsLXNlYWwtc2VhbC1zZWFsLXNlYWwtMTI="}, active="k1", index_key=INDEX_KEY
)
LONG_AGO = datetime(2024, 5, 1, tzinfo=UTC)
DAY_1 = datetime(2024, 6, 1, tzinfo=UTC)
DAY_2 = datetime(2024, 6, 2, tzinfo=UTC)
LIN = "11111111111111111111111111111111"
WANG = "22222222222222222222222222222222"
PLAY = {
    "key": "check-in",
    "when": {"directions": ["downgraded"]},
    "purpose": "care",
    "mode": "approve",
    "steps": [
        {
            "channels": [
                {"channel": "sms", "template": "check-in"},
                {"channel": "email", "template": "check-in"},
            ]
        }
    ],
}
CHANGE = {
    "scheme": "rfm",
    "version": 1,
    "primary": True,
    "from_tier": "gold",
    "to_tier": "silver",
    "direction": "downgraded",
    "reason": "elapsed_time",
    "origin": "live",
    "effective_at": "2024-06-01T00:00:00+00:00",
}


class Holders:
    """Every name is a key: of the practice of that name, or the operator's. One can do nothing."""

    def verify(self, raw_key: str) -> Principal:
        scopes = frozenset({"nothing:read"}) if raw_key == "powerless" else SCOPES
        return Principal(raw_key, None if raw_key == "operator" else raw_key, scopes)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        return {key: self.verify(key) for key in raw_keys}


def encode_event(event: MessageEvent, _incarnation: str) -> Outgoing:
    """The event as it is, where a test can read it."""
    value = json.dumps([*event[:-1], event.at.isoformat()]).encode()
    return Outgoing("outreach-events.v1", event.partition, event.client_id.encode(), value)


def api_app(
    database: Database,
    *,
    simulated: bool,
    closed: Collection[Channel] = (),
    serves: Collection[str] | None = None,
) -> FastAPI:
    """The app as bootstrap makes it, with keys that need no table."""
    previews = Previews(
        KeyringCipher(KEYRING),
        builtin_catalogue(),
        render,
        "https://rapport.example",
        closed,
    )
    setups = [
        ChannelSetup(Channel.EMAIL, is_configured=True, is_sending=True),
        ChannelSetup(
            Channel.SMS,
            is_configured=False,
            is_sending=False,
            is_closed=Channel.SMS in closed,
        ),
    ]
    parts = ApiParts(
        messages=PostgresMessages(database, read_known_play),
        stores=PostgresStores(database, read_known_play, encode_event, simulated=simulated),
        cipher=KeyringCipher(KEYRING),
        previews=previews,
        default_playbook={"key": "default", "plays": [PLAY]},
        channels=PostgresChannels(database, setups),
        catalogue=builtin_catalogue(),
        unsubscribe_key=LINK_KEY,
        sms_serves=serves,
    )
    service = Service(
        title="t", version="0", description="t", keys=Holders(), cursor_key=bytes(range(32))
    )
    return create_app(service, api_routers(parts))


@dataclass(frozen=True)
class World:
    """An app, the worker's door to its database, and the API's."""

    app: FastAPI
    worker: Database
    api: Database

    def call(
        self, method: str, path: str, key: str | None = "harbour", **more: Any
    ) -> httpx.Response:
        """`call("GET", "/v1/playbook")`; the key is Harbour's unless another is named."""
        headers = more.pop("headers", {})
        if key is not None:
            headers = {**headers, "Authorization": f"Bearer {key}"}
        return ask(self.app, method, path, headers=headers, **more)

    def put_contact(self, client_id: str = LIN, **changes: Any) -> httpx.Response:
        """Set Lin's phone, or what `changes` say."""
        body = {"channel": "sms", "address": "+8613800138000", "name": "林小满", **changes}
        return self.call("PUT", f"/v1/clients/{client_id}/contacts", json=body)

    def put_consent(self, client_id: str = LIN, **changes: Any) -> httpx.Response:
        """Lin says yes to care by SMS, or what `changes` say."""
        return self.call("PUT", f"/v1/clients/{client_id}/consents", json=a_consent(**changes))

    def consents(self, client_id: str = LIN) -> dict[tuple[str, str], bool]:
        """Whether each channel and purpose has consent now."""
        answer = self.call("GET", f"/v1/clients/{client_id}/preferences").json()
        return {(one["channel"], one["purpose"]): one["granted"] for one in answer["consents"]}

    def run(self, statement: str, **values: Any) -> None:
        """As a worker."""
        with self.worker.transaction() as tx:
            tx.execute(sa.text(statement), values)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a worker sees."""
        with self.worker.transaction() as tx:
            return [tuple(row) for row in tx.execute(sa.text(statement))]

    def read_up_to(self, instant: datetime, *, but_one: bool = False) -> None:
        """All partitions have been read up to then; with `but_one` the last has no watermark."""
        places = [(topic.name, each) for topic in INPUTS for each in range(topic.partitions)]
        for topic, partition in places[: -1 if but_one else None]:
            self.run(
                """INSERT INTO consumer_position (consumer_group, topic, partition, topic_id,
                                                  next_offset, processed_through)
                   VALUES (:group, :topic, :partition, 'id', 1, :instant)
                   ON CONFLICT (consumer_group, topic, partition)
                   DO UPDATE SET processed_through = excluded.processed_through""",
                group=GROUP,
                topic=topic,
                partition=partition,
                instant=instant,
            )

    def fill_what_the_bus_tells(self) -> None:
        """Harbour itself, Lin's activity and booking, and an attempt for the first message."""
        self.run("INSERT INTO practice VALUES ('harbour', '海港', 'Asia/Shanghai', 'CNY')")
        self.run("INSERT INTO client VALUES ('harbour', :client_id, now())", client_id=LIN)
        self.run(
            "INSERT INTO booking VALUES ('harbour', :client_id, 'a1', now(), 1)", client_id=LIN
        )
        self.add_attempt("a" * 32, 1, "accepted")

    def add_attempt(self, message_id: str, number: int, outcome: str | None) -> None:
        """A try by e-mail, half an hour ago."""
        self.run(
            """INSERT INTO attempt (practice_id, message_id, number, channel, started_at,
                                    business_at, outcome)
               VALUES ('harbour', :message_id, :number, 'email', now() - interval '30 minutes',
                       now(), :outcome)""",
            message_id=message_id,
            number=number,
            outcome=outcome,
        )

    def add_message(self, message_id: str, **changes: Any) -> None:
        """A message of Harbour's for Lin that awaits staff, or what `changes` say."""
        values = {
            "practice_id": "harbour",
            "message_id": message_id,
            "client_id": LIN,
            "state": "awaiting_staff",
            "reason": "mode:awaiting-approval",
            "channel": None,
            "template": None,
            "occasion_id": f"rfm:{int(message_id, 16) % 1_000_000}",
            "play_body": json.dumps(PLAY),
            "change": json.dumps(CHANGE),
            "due_at": DAY_1,
            **changes,
        }
        self.run(
            """INSERT INTO message (practice_id, message_id, client_id, partition, play, step,
                   occasion_kind, occasion_id, play_body, purpose, change, due_at, decide_at, state,
                   reason, channel, template, changed_at)
               VALUES (:practice_id, :message_id, :client_id, 3, 'check-in', 0, 'tier',
                   :occasion_id, CAST(:play_body AS jsonb), 'care', CAST(:change AS jsonb), :due_at,
                   :due_at, :state, :reason, :channel, :template, :due_at)""",
            **values,
        )


_STATED = count(1)


def a_consent(**changes: Any) -> dict[str, Any]:
    """Yes to care by SMS, on paper, a second after the statement before it."""
    number = next(_STATED)
    known = {
        "id": f"s{number}",
        "stated_at": (LONG_AGO + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "channel": "sms",
        "purpose": "care",
        "granted": True,
        "evidence": "form 118",
        "text_version": "care-1",
    }
    return {**known, **changes}


MakeWorld = Callable[..., World]
