"""Scoring, on its real tables and with its real encoder, gives the front desk what it needs."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from pact import Verifier
from pact.types import Message

from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.ops.keys import create_key
from scoring_service.bootstrap import build_api, rulebook_source
from scoring_service.settings import ScoringSettings
from tests.contract.pact.conftest import CHANGE, CLIENT, KNOWN, MARK, UNKNOWN, interactions
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
SECONDS = 60


class Scoring:
    """Scoring's tables, bus and API after one client has come and paid."""

    def __init__(self, made: ServiceDatabase) -> None:
        settings = ScoringSettings(
            environment="development",
            database_url=made.api_url,
            kafka_bootstrap_servers="127.0.0.1:1",
        )
        log = Log()
        log.watermark(datetime(1997, 1, 2, tzinfo=UTC))
        day, noon = date(1997, 1, 2), datetime(1997, 1, 2, 12, tzinfo=UTC)
        log.activity(CLIENT, "completed", day, noon)
        log.activity(CLIENT, "settled", day, noon, amount_minor=5000, currency="GBP")
        log.watermark(datetime(1997, 1, 3, tzinfo=UTC))
        self.world = ScoringWorld(log, made, rulebook_source(settings), records=100)
        self.world.read_all()
        self.api = build_api(settings)
        owner = Database(made.owner_url, application_name="owner")
        with owner.transaction() as tx:
            self.key = create_key(tx, practice_id="harbour", scopes=["tiers:read"])
        owner.close()

    def last(self, kind: str) -> bytes:
        """The newest record of an event type on `tier-changes.v1` of the client's partition."""
        number = topics.partition_of(CLIENT, topics.PER_CLIENT_PARTITIONS)
        records = self.world.log.bus.logs[TopicPartition(topics.TIER_CHANGES.name, number)]
        values = [record.value for record in records if record.value]
        return [value for value in values if json.loads(value)["type"] == kind][-1]


@pytest.fixture
def scoring(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Scoring]:
    made = Scoring(service_database("scoring"))
    yield made
    made.world.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app on a free port of this machine, for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(SECONDS)


def verify(folder: Path, scoring: Scoring, change: bytes, app: FastAPI) -> None:
    """Raises RuntimeError unless every interaction of the pact holds."""
    states: dict[str, Callable[..., None]] = {name: lambda **_: None for name in (KNOWN, UNKNOWN)}
    messages = {CHANGE: change, MARK: scoring.last("rapport.watermark.advanced.v1")}
    with served(app) as address:
        verifier = (
            Verifier("scoring-service", host="127.0.0.1")
            .add_transport(url=address)
            .add_source(folder)
            .add_custom_header("Authorization", f"Bearer {scoring.key}")
            .state_handler(states)
            .message_handler({name: _message(value) for name, value in messages.items()})
            .set_request_timeout(SECONDS * 1000)
            .set_coloured_output(enabled=False)
        )
        try:
            verifier.verify()
        finally:  # pact-python 4.2.0 stops its two servers and leaves their sockets open
            for part in (verifier._message_producer, verifier._state_handler):
                part._server.server_close()


def _message(value: bytes) -> Message:
    return Message(contents=value, metadata=None, content_type="application/json")


def test_the_pact_has_answers_and_messages(pact_folder: Path):
    assert len(interactions(pact_folder)) == 4


def test_scoring_keeps_the_pact(pact_folder: Path, scoring: Scoring):
    verify(pact_folder, scoring, scoring.last("rapport.tier.changed.v1"), scoring.api)


@pytest.mark.parametrize("field", ["version", "to_tier", "effective_at"])
def test_a_tier_change_without_a_field_that_the_desk_reads_breaks_the_pact(
    pact_folder: Path, scoring: Scoring, field: str
):
    event: dict[str, Any] = json.loads(scoring.last("rapport.tier.changed.v1"))
    del event["data"][field]
    with pytest.raises(RuntimeError):
        verify(pact_folder, scoring, json.dumps(event).encode(), scoring.api)


def test_an_api_that_answers_otherwise_breaks_the_pact(pact_folder: Path, scoring: Scoring):
    with pytest.raises(RuntimeError):
        verify(pact_folder, scoring, scoring.last("rapport.tier.changed.v1"), FastAPI())
