"""Ingestion with a practice that has declared nothing yet: REST, the bus and files lead into it."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from ingestion_service.bootstrap import build_api, build_consumer, build_relay, stores_of
from ingestion_service.consumers import GROUP, TOPICS
from ingestion_service.importing.command import import_command
from ingestion_service.settings import IngestionSettings
from rapport_contracts import topics
from rapport_contracts.topics import partition_of
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch_value
from rapport_runtime.stream.limits import DeadLetterLimit
from rapport_runtime.stream.loop import BatchLoop, LoopOptions
from tests.support.access_matrix.world import (
    PRACTICE,
    ApiWorld,
    common_settings,
    every_key,
    running,
)
from tests.support.doubles.known_secrets import RECORD_KEYS, KnownSecrets

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WAYS = ("REST", "bus", "file")
"""How events come."""
_TURNS = 6
"""Enough to read, to move what waits and to accept it."""
_COLUMNS = ("client_id", "happened_at", "event", "id", "amount", "currency", "payer")


class Happened(NamedTuple):
    """A booking that took place, or a payment of 80.00: what a source tells of one of its clients.
    Its id is that of its event, too."""

    source: str
    subject: str
    object_id: str
    is_payment: bool = False
    payer: str | None = None

    def document(self) -> dict[str, Any]:
        """The source event."""
        data: dict[str, Any] = {"booking_id": self.object_id}
        if self.is_payment:
            data = {"payment_id": self.object_id, "amount_minor": 8000, "currency": "CNY"}
        if self.payer is not None:
            data["payer"] = self.payer
        return {
            "specversion": "1.0",
            "id": self.object_id,
            "source": self.source,
            "type": f"rapport.{'payment.settled' if self.is_payment else 'booking.completed'}.v1",
            "practiceid": PRACTICE,
            "subject": self.subject,
            "time": self._at.isoformat(),
            "data": data,
        }

    def line(self) -> str:
        """The same as a line of a file."""
        event, amount, currency = "completed", "", ""
        if self.is_payment:
            event, amount, currency = "settled", "80.00", "CNY"
        cells = (self.subject, self._at.isoformat(), event, self.object_id, amount, currency)
        return ",".join([*cells, self.payer or ""])

    @property
    def _at(self) -> datetime:
        return NOW - timedelta(days=1)


class Door:
    """A practice before its sources: an API, a worker on a bus in memory, the command for files."""

    def __init__(self, api: ApiWorld, settings: IngestionSettings, folder: Path) -> None:
        self.api = api
        self.bus = MemoryBus()
        for topic in topics.TOPICS:
            self.bus.create(topic.name, topic.partitions)
        self.database = Database(api.urls.worker_url, application_name="test-worker")
        self._settings = settings
        self._folder = folder
        handler = build_consumer(
            settings, self.database, build_relay(self.database, self.bus).drain
        )
        consumer = self.bus.consumer(GROUP, [topic.name for topic in TOPICS])
        options = LoopOptions(group=GROUP, keyring=RECORD_KEYS, poll_seconds=0, retry_seconds=0.01)
        self._loop = BatchLoop(consumer, self.database, handler, options, DeadLetterLimit())

    def open(self, **said: Any) -> None:
        """Register the practice, as `said`, and let time begin."""
        body = {"name": "Harbour", "zone": "Asia/Shanghai", "currency": "CNY", **said}
        self.api.put("operator", f"/v1/practices/{PRACTICE}", body)
        self.api.put("operator", "/v1/clock", {"now": NOW.isoformat()})

    def declare(self, source: str, **said: Any) -> None:
        """Declare a source, whose namespace is its own name unless it is said."""
        body = {"title": source, "kind": "other", **said}
        self.api.put("practice", f"/v1/sources/{source}", body)
        self.work()

    def register(self, *identities: tuple[str, str]) -> str:
        """The client of a person with these identities: each a namespace and an id."""
        named = [{"namespace": space, "external_id": own} for space, own in identities]
        client = self.api.put("practice", "/v1/clients", {"identities": named})
        self.work()
        return str(client["client_id"])

    def send(self, way: str, *told: Happened) -> None:
        """Let events come on one of the `WAYS`. Raises what refuses them as a whole."""
        if way == "REST":
            self.post(*told).raise_for_status()
        elif way == "bus":
            self.publish(*(each.document() for each in told))
        else:
            for source in dict.fromkeys(each.source for each in told):
                self.give(source, *(each for each in told if each.source == source))
        self.work()

    def post(self, *told: Happened) -> httpx.Response:
        """One event, or several in an array, by REST."""
        documents = [each.document() for each in told]
        body = documents[0] if len(documents) == 1 else documents
        return self.api.call("POST", "/v1/events", self.api.keys["practice"], json=body)

    def publish(self, *documents: dict[str, Any]) -> None:
        """Events on the topics of sources, which nobody has read yet."""
        for each in documents:
            of_payment = "payment" in each["type"]
            topic = topics.SOURCE_PAYMENTS if of_payment else topics.SOURCE_BOOKINGS
            key = str(each["subject"])
            where = partition_of(key, topic.partitions)
            self.bus.append(topic.name, where, key.encode(), json.dumps(each).encode())

    def give(self, source: str, *told: Happened) -> list[str]:
        """A file of one source to the command. Raises `Refused`."""
        lines = [",".join(_COLUMNS), *(each.line() for each in told)]
        return self.give_text(source, "\n".join(lines))

    def give_text(self, source: str, text: str, *words: str) -> list[str]:
        """The same, of a file with this text, and further words of the command."""
        file = self._folder / "given.csv"
        file.write_text(text, "utf-8")
        stores = stores_of(self._settings, self.database)
        command = import_command(lambda *_: stores)
        whose = ["--practice", PRACTICE, "--source", source, "--by", "ann"]
        options = [str(file), *whose, "--yes", "--no-backfill", *words]
        return command.act(self.database, KnownSecrets(), command.parser.parse_args(options))

    def work(self, turns: int = _TURNS) -> None:
        """Some turns of the worker."""
        for _ in range(turns):
            self._loop.turn(threading.Event())

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.database.transaction() as tx:
            return int(fetch_value(tx, f"SELECT count(*) FROM {table}"))  # noqa: S608 - own word

    def clients(self) -> list[dict[str, Any]]:
        """All clients of the practice, with their identities."""
        return list(self.get("/v1/clients")["items"])

    def source(self, name: str) -> dict[str, Any]:
        """What `GET /v1/sources` lists of a source."""
        (found,) = (one for one in self.get("/v1/sources")["items"] if one["source"] == name)
        return dict(found)

    def did(self, client_id: str) -> Counter[str]:
        """What a client's activities come to: visits by number, payments by amount."""
        sums = Counter[str]()
        for each in self.get(f"/v1/clients/{client_id}/activity")["items"]:
            if each["kind"] != "registered":
                sums[each["kind"]] += each["amount_minor"] or each["count"]
        return sums

    def get(self, path: str, holder: str = "practice") -> Any:
        """GET that must succeed; its answer."""
        answer = self.api.call("GET", path, self.api.keys[holder])
        answer.raise_for_status()
        return answer.json()


def booked(source: str, subject: str, booking_id: str = "b1") -> Happened:
    """A booking that took place."""
    return Happened(source, subject, booking_id)


def paid(source: str, subject: str, payment_id: str = "p1", **more: Any) -> Happened:
    """A payment of 80.00."""
    return Happened(source, subject, payment_id, is_payment=True, **more)


@contextmanager
def door(urls: ServiceDatabase, folder: Path, **said: Any) -> Iterator[Door]:
    """The door of a new practice, registered as `said`."""
    settings = IngestionSettings(**common_settings(urls))
    with running(build_api(settings)) as app:
        api = ApiWorld("ingestion", app, urls, keys=every_key(app, urls))
        made = Door(api, settings, folder)
        made.open(**said)
        yield made
        made.database.close()
