"""One service behind its API: the app as its bootstrap builds it, on a database of its own."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from rapport_contracts.topics import KEYS
from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database, execute
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.migrations import upgrade
from rapport_runtime.ops import keys
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from tests.support.access_matrix.document import Operation, operations
from tests.support.doubles.known_secrets import RECORD_KEYS, RECORD_SETTINGS
from tests.support.servers.app_calls import ask

PRACTICE, STRANGER = "harbour", "lakeside"
"""Whose rows are there, and another practice, which has none of them."""
HOLDERS: Mapping[str, str | None] = {"practice": PRACTICE, "stranger": STRANGER, "operator": None}
NO_BROKER = "127.0.0.1:9"
PATIENT = 1_000_000
"""A limit on failed keys that no test meets by accident."""
_READ = """
    INSERT INTO consumer_position
        (consumer_group, topic, partition, topic_id, next_offset, processed_through)
    VALUES (%(group)s, %(topic)s, 0, '', 0, now() - make_interval(mins => %(minutes)s))
    ON CONFLICT (consumer_group, topic, partition)
    DO UPDATE SET processed_through = excluded.processed_through
"""


@dataclass(frozen=True)
class ApiWorld:
    """An app, keys that may do everything, and values that the app knows.

    `known` maps places of values (`path.client_id`, `body.zone`) to values that mean something
    there; a new resource needs one more entry, and whatever rows stand behind it.
    """

    service: str
    app: FastAPI
    urls: ServiceDatabase = field(repr=False)
    known: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def operations(self) -> list[Operation]:
        """All that the app's own document lists."""
        return list(operations(self.app.openapi()))

    def key_for(self, operation: Operation) -> str:
        """A key that may call the operation; any key for one that asks for none."""
        return self.keys["operator" if operation.holder == "operator" else "practice"]

    def path(self, operation: Operation, **other: str) -> str:
        """The operation's address with parameters of rows that exist, or `other` ones."""
        names = operation.parameters("path")
        found = {name: str(self.known[f"path.{name}"][0]) for name in names if self._knows(name)}
        return operation.address(**found | other)

    def call(self, method: str, path: str, key: str | None, **more: Any) -> httpx.Response:
        """One request through the whole app, in this process."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return ask(self.app, method, path, headers=headers, **more)

    def put(self, holder: str, path: str, body: Any) -> Any:
        """PUT that must succeed; its answer."""
        response = self.call("PUT", path, self.keys[holder], json=body)
        response.raise_for_status()
        return response.json()

    def _knows(self, name: str) -> bool:
        return f"path.{name}" in self.known


@contextmanager
def running(app: FastAPI) -> Iterator[FastAPI]:
    """The app between its start and its end, as a server runs it: no connection is left."""
    lifespan = app.router.lifespan_context(app)
    with asyncio.Runner() as runner:
        runner.run(lifespan.__aenter__())
        try:
            yield app
        finally:
            runner.run(lifespan.__aexit__(None, None, None))


@contextmanager
def service_database(postgres_url: str, service: str) -> Iterator[ServiceDatabase]:
    """A new, migrated database for a service, gone afterwards."""
    prefix = f"t{secrets.token_hex(5)}_"
    made = create_database(postgres_url, service, prefix=prefix)
    upgrade(made.owner_url, f"{service}_service")
    try:
        yield made
    finally:
        drop_database(postgres_url, service, prefix=prefix)


def common_settings(urls: ServiceDatabase) -> dict[str, Any]:
    """What every service's settings need; time is simulated, so that its routes are there too."""
    return {
        "database_url": urls.api_url,
        "kafka_bootstrap_servers": NO_BROKER,
        "environment": "development",
        **RECORD_SETTINGS,
        "simulated_clock": True,
        "failed_keys_per_minute": PATIENT,
    }


def every_key(app: FastAPI, urls: ServiceDatabase) -> dict[str, str]:
    """A key for each holder with every scope that the document asks of such a holder."""
    guarded = [one for one in operations(app.openapi()) if one.scope is not None]
    made: dict[str, str] = {}
    for name, practice in HOLDERS.items():
        holders = {"anyone", "operator" if practice is None else "practice"}
        scopes = sorted({one.scope for one in guarded if one.scope and one.holder in holders})
        made[name] = make_key(urls, practice, scopes)
    return made


def make_key(urls: ServiceDatabase, practice: str | None, scopes: Sequence[str]) -> str:
    """A new key, which the owner's role writes."""
    owner = Database(urls.owner_url, application_name="test-keys")
    try:
        with owner.transaction() as tx:
            return keys.create_key(tx, practice_id=practice, scopes=scopes)
    finally:
        owner.close()


def read_keys(urls: ServiceDatabase, group: str, *, minutes_ago: int = -60) -> None:
    """All that became of keys was read up to then, an hour ahead unless told: so a key that is not
    known there does not hold."""
    worker = Database(urls.worker_url, application_name="test-keys")
    try:
        with worker.transaction() as tx:
            values = {"group": group, "topic": KEYS.name, "minutes": minutes_ago}
            execute(tx, _READ, values)
    finally:
        worker.close()


def put_letters_aside(worker: Database, group: str, topic: str, each: int = 40) -> list[int]:
    """Held dead letters of the practice and of nobody; the ids of the practice's."""
    owners = [owner for _ in range(each) for owner in (PRACTICE, None)]
    letters = [
        DeadLetter(
            TopicPartition(topic, 0),
            MemoryRecord(offset, b"client-7", b'{"a": [1]}', (("h", b"abc"),), 1_700_000_000_000),
            InvalidRecord("unreadable", "why", field="/a", practice_id=owner),
        )
        for offset, owner in enumerate(owners)
    ]
    with worker.transaction() as tx:
        DeadLetterTable(group, RECORD_KEYS).save(tx, letters)
        found = tx.exec_driver_sql(
            "SELECT id FROM dead_letter WHERE practice_id IS NOT NULL ORDER BY id"
        )
        return [int(row[0]) for row in found]
