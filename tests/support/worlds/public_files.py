"""The public files as two sources of one practice on Postgres: given, killed, given again, in
halves that were shuffled, and as they are now (ADR 51); against the counts of their own rows."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import MappingProxyType
from unittest import mock

from ingestion_service.bootstrap import build_relay, build_stores
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.importing import running
from ingestion_service.importing.command import import_command
from rapport_contracts import topics
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch, fetch_value
from tests.support.doubles.known_secrets import KNOWN_KEY, RECORD_KEYS, KnownSecrets
from tests.support.generators import public_files as files
from tests.support.generators.public_files import AS_PUBLISHED, Table
from tests.support.oracles import public_files as oracle
from tests.support.oracles.public_files import Sums
from tests.support.worlds import readers

PRACTICE = Practice("lakeside", "Lakeside", "America/Sao_Paulo", "CNY", undeclared_sources="accept")
CHUNK = 200
"""Events of one transaction of the command that is killed."""
KILLED = MappingProxyType(
    {
        "RAPPORT_CURSOR_SECRET": "for this test alone",
        "RAPPORT_DATABASE_IN_CLEAR": "true",
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "nobody:9092",
        "RAPPORT_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "RAPPORT_RECORD_KEYS": json.dumps({"k1": KNOWN_KEY}),
        "RAPPORT_RECORD_ACTIVE_KEY": "k1",
    }
)
_COMMAND = f"""
import sys
from ingestion_service.importing import taking
from rapport_devkit.failpoints import main
taking.chunks.__defaults__ = ({CHUNK},)
main(["ingestion_service", "import", *sys.argv[1:]])
"""
_IDENTITIES = "SELECT namespace, external_id, client_id FROM identity"
_LEDGER = "SELECT source, event_id, content_hash FROM ledger ORDER BY 1, 2"
NOTHING = "nothing to take: the ledger has it all"


class PublicFiles:
    """A practice that gives files, while a worker publishes what comes of them."""

    def __init__(self, urls: ServiceDatabase, folder: Path) -> None:
        self._urls = urls
        self._folder = folder
        self._bus = MemoryBus()
        for topic in topics.TOPICS:
            self._bus.create(topic.name, topic.partitions)
        self._database = Database(urls.worker_url, application_name="import")
        self._stores = build_stores(self._database, RECORD_KEYS, is_simulated=False)
        with self._database.transaction() as tx:
            register_practice(PRACTICE, self._stores.within(tx))

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """A worker's relay, beside the command; the rest is published at the end."""
        database = Database(self._urls.worker_url, application_name="relay")
        relay, stop = build_relay(database, self._bus), threading.Event()

        def publish() -> None:
            while not stop.wait(0.05):
                relay.drain()

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            relay.drain()
            database.close()

    def give(self, text: str, source: str, *more: str) -> str:
        """Give the command a file; what it says in the end."""
        command = import_command(lambda *_: self._stores)
        options = command.parser.parse_args(self._words(text, source, more))
        with (
            self.publishing(),
            mock.patch.object(running, "stop_on_signals", threading.Event),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            return command.act(self._database, KnownSecrets(), options)[-1]

    def give_and_kill(self, text: str, source: str, events: int, *more: str) -> bool:
        """Give the command, in a process that is killed in the middle of so many events, within a
        transaction; whether it was, and part of them is in the ledger."""
        before = self.accepted()
        place = max(2, events // CHUNK // 2)
        around = {
            **os.environ,
            **KILLED,
            "RAPPORT_DATABASE_URL": self._urls.worker_url,
            "RAPPORT_FAILPOINTS": f"importing=kill@{place}",
        }
        with self.publishing():
            done = subprocess.run(
                [sys.executable, "-c", _COMMAND, *self._words(text, source, more)],
                env=around,
                capture_output=True,
                timeout=600,
                check=False,
            )
        is_killed = done.returncode == -signal.SIGKILL
        return is_killed and before < self.accepted() < before + events

    def _words(self, text: str, source: str, more: Sequence[str]) -> list[str]:
        file = self._folder / f"{source}.csv"
        file.write_text(text, encoding="utf-8")
        whose = ["--practice", PRACTICE.practice_id, "--source", source]
        return [str(file), *whose, "--by", "ann", "--why", "a test", "--backfill", "--yes", *more]

    def accepted(self) -> int:
        """How many events the ledger has."""
        with self._database.transaction() as tx:
            return int(fetch_value(tx, "SELECT count(*) FROM ledger"))

    def ledger(self) -> list[tuple[str, ...]]:
        """The ledger's events, and what they say."""
        with self._database.transaction() as tx:
            return [tuple(row) for row in fetch(tx, _LEDGER)]

    def activities(self) -> int:
        """How many activities were published."""
        return sum(b"rapport.activity.recorded.v1" in value for value in self._told())

    def counts(self) -> dict[str, Sums]:
        """What the clients of each source count for, as readers have it."""
        with self._database.transaction() as tx:
            rows = fetch(tx, _IDENTITIES)
        names = {row.client_id: (row.namespace, row.external_id) for row in rows}
        found: dict[str, Sums] = {}
        for client_id, client in readers.read(self._told()).items():
            source, name = names[client_id]
            sums = found.setdefault(source, Counter())
            for place, (number, amount) in client.current.sums.items():
                sums[name, place.kind] += amount if place.kind == "settled" else number
        return {source: +sums for source, sums in found.items()}

    def _told(self) -> Iterator[bytes]:
        for place in sorted(self._bus.logs):
            if place.topic == CLIENT_ACTIVITY.name:
                yield from (record.value or b"" for record in self._bus.logs[place])

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


class Files:
    """The first rows of both files (None: all), and what they count for."""

    def __init__(self, most: int | None) -> None:
        rows = {"clinic": files.appointments(most), "shop": files.purchases(most)}
        self.events = {
            "clinic": files.appointments_as_events(rows["clinic"]),
            "shop": files.purchases_as_events(rows["shop"]),
        }
        self.states = files.appointments_as_published(rows["clinic"])
        self.counts = {
            "clinic": oracle.of_appointments(rows["clinic"]),
            "shop": oracle.of_purchases(rows["shop"]),
        }


def faults(world: PublicFiles, given: Files) -> Iterator[str]:
    """What is wrong, from the first file to the last."""
    for source, table in given.events.items():
        yield from _given_once(world, source, table)
    expected = dict(given.counts)
    if world.counts() != expected:
        yield "clients count for something else than the files' rows"
    known = (world.ledger(), world.activities())
    for source, table in given.events.items():
        for text in [table.text(), *table.halves(seed=len(table.lines))]:
            world.give(text, source)
    yield from _as_before(world, known, "files that were given again, or in halves")
    yield from _states(world, given)


def _given_once(world: PublicFiles, source: str, table: Table) -> Iterator[str]:
    before, events = world.accepted(), len(table.lines)
    if not world.give_and_kill(table.text(), source, events):
        yield f"{source}: the command was not killed in the middle"
    told = world.give(table.text(), source)
    if not told.startswith(f"accepted: {events:,} events; known before: 0;"):
        yield f"{source}: {told}"
    if world.accepted() != before + events:
        yield f"{source}: the ledger does not have each line of the file once"


def _states(world: PublicFiles, given: Files) -> Iterator[str]:
    """The same bookings as they are now: of the source that has told of them as events, and of
    another one."""
    text, bookings = given.states.text(), len(given.states.lines)
    if (told := world.give(text, "clinic", *AS_PUBLISHED)) != NOTHING:
        yield f"a snapshot of what is known tells something: {told}"
    if not world.give_and_kill(text, "states", 2 * bookings, *AS_PUBLISHED):
        yield "states: the command was not killed in the middle"
    world.give(text, "states", *AS_PUBLISHED)
    if world.counts() != {**given.counts, "states": given.counts["clinic"]}:
        yield "a snapshot comes to something else than the same facts as events"
    known = (world.ledger(), world.activities())
    for again in [text, *given.states.halves(seed=bookings)]:
        if (told := world.give(again, "states", *AS_PUBLISHED)) != NOTHING:
            yield f"a snapshot that was given again tells something: {told}"
    yield from _as_before(world, known, "snapshots that were given again")


def _as_before(
    world: PublicFiles, known: tuple[list[tuple[str, ...]], int], by: str
) -> Iterator[str]:
    if world.ledger() != known[0]:
        yield f"{by}: the ledger is another"
    if world.activities() != known[1]:
        yield f"{by}: activities were told"
