"""A file goes into the ledger on Postgres, while the command is killed and live events come."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.handlers import accept
from ingestion_service.import_holds import end_import, tend_imports
from ingestion_service.importing import running
from ingestion_service.importing.command import import_command
from ingestion_service.importing.taking import begun
from ingestion_service.store.stores import PostgresStores
from rapport_contracts.canonical import HoldChanged
from rapport_contracts.codec import decode
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.sources.cdnow import read_cdnow
from rapport_files.events import Origin
from rapport_runtime.database import Database, fetch, fetch_value
from tests.integration.ingestion_service.waiting import in_another_thread, wait_for_lock
from tests.support.doubles.known_secrets import KNOWN_KEY, RECORD_KEYS, KnownSecrets
from tests.support.memory.ingestion_import_suite import ABOUT, KEY, begin
from tests.support.memory.ingestion_world import fact

pytestmark = pytest.mark.integration
PURCHASES = "client_id,happened_at,event,id,amount,currency\n"
APPOINTMENTS = "client_id,happened_at,event,id,starts_at\n"
SMALL_CHUNKS = """
import sys
from ingestion_service.importing import taking
from rapport_devkit.failpoints import main
taking.chunks.__defaults__ = (200,)
main(["ingestion_service", *sys.argv[1:]])
"""
"""The service as a program, with failpoints, and with so small chunks."""
_LEDGER = "SELECT source, event_id, content_hash FROM ledger ORDER BY 1, 2"
_SUMS = """
    SELECT source, kind, count(*), coalesce(sum(amount_minor), 0) FROM ledger
    GROUP BY source, kind ORDER BY source, kind
"""


def purchases() -> list[str]:
    """A line for each purchase of the CDNOW sample."""
    days = read_cdnow(Origin(practice_id="lakeside", zone="Asia/Shanghai", source="shop")).days
    return [
        f"{each.subject},{each.time.date()},settled,{each.data.payment_id},"
        f"{each.data.amount_minor / 100:.2f},CNY\n"
        for events in days.values()
        for each in events
        if each.type == "rapport.payment.settled.v1"
    ]


def appointments() -> list[str]:
    """Two lines for each appointment of a clinic; some lines stand there twice."""
    drawn = random.Random(5)
    lines = []
    for number in range(1_000):
        on = date(2024, 1, 1) + timedelta(days=drawn.randrange(100))
        outcome = drawn.choice(["completed", "no_show"])
        whose = f"p{drawn.randrange(300)}"
        lines.append(f"{whose},{on},booked,a{number},{on + timedelta(days=9)}\n")
        lines += [f"{whose},{on + timedelta(days=9)},{outcome},a{number},\n"] * drawn.choice([1, 2])
    return lines


class World:
    """A practice that gives files."""

    def __init__(self, database: Database, urls: ServiceDatabase, folder: Path) -> None:
        self.database = database
        self.stores: PostgresStores = build_stores(database, RECORD_KEYS, is_simulated=False)
        self._urls = urls
        self._folder = folder

    def write(self, header: str, lines: list[str]) -> Path:
        file = self._folder / "given.csv"
        file.write_text(header + "".join(lines))
        return file

    def words(self, file: Path, source: str) -> list[str]:
        whose = ["--practice", "lakeside", "--source", source, "--by", "ann", "--why", "a test"]
        return [str(file), *whose, "--backfill", "--yes"]

    def give(self, header: str, lines: list[str], source: str) -> list[str]:
        """The command, here."""
        command = import_command(lambda *_: self.stores)
        words = self.words(self.write(header, lines), source)
        return command.act(self.database, KnownSecrets(), command.parser.parse_args(words))

    def give_in_a_process(self, file: Path, source: str, failpoints: str = "") -> Any:
        """The command, in a process of its own."""
        around = {
            "RAPPORT_DATABASE_URL": self._urls.worker_url,
            "RAPPORT_DATABASE_IN_CLEAR": "true",
            "RAPPORT_CURSOR_SECRET": "for this test alone",
            "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "nobody:9092",
            "RAPPORT_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "RAPPORT_RECORD_KEYS": json.dumps({"k1": KNOWN_KEY}),
            "RAPPORT_RECORD_ACTIVE_KEY": "k1",
            "RAPPORT_FAILPOINTS": failpoints,
        }
        return subprocess.run(
            [sys.executable, "-c", SMALL_CHUNKS, "import", *self.words(file, source)],
            env={**os.environ, **around},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.transaction() as tx:
            return [tuple(row) for row in fetch(tx, statement)]

    def count(self, table: str) -> int:
        with self.database.transaction() as tx:
            return int(fetch_value(tx, f"SELECT count(*) FROM {table}"))  # noqa: S608 - own word

    def said(self) -> list[Any]:
        """What is in the outbox of one partition's clients, in its order."""
        statement = "SELECT key, value FROM outbox WHERE topic = %(topic)s ORDER BY id"
        with self.database.transaction() as tx:
            rows = fetch(tx, statement, {"topic": CLIENT_ACTIVITY.name})
        return [decode(CLIENT_ACTIVITY.name, row.key, row.value) for row in rows]


@pytest.fixture
def world(
    database: Database, urls: ServiceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    return World(database, urls, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_import_goes_on_and_the_ledger_is_that_of_the_file(world: World) -> None:
    """SIGKILL in the second chunk's transaction."""
    lines = purchases()[:500]
    file = world.write(PURCHASES, lines)
    killed = world.give_in_a_process(file, "shop", "importing=kill@2")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert world.count("ledger") == 200
    job = world.rows("SELECT position, hold_id IS NOT NULL FROM import_job")
    assert job == [(200, True)]
    done = world.give_in_a_process(file, "shop")
    assert done.returncode == 0, done.stderr
    assert "taken before: 200 events" in done.stdout
    assert f"accepted: {len(lines):,} events; known before: 0;" in done.stdout
    assert world.count("import_job") == 0
    total = sum(round(float(line.split(",")[4]) * 100) for line in lines)
    assert world.rows(_SUMS) == [("shop", "settled", len(lines), total)]
    said = world.said()
    holds = [each.data.held for each in said if isinstance(each, HoldChanged)]
    assert Counter(holds) == {True: CLIENT_ACTIVITY.partitions, False: CLIENT_ACTIVITY.partitions}
    assert isinstance(said[0], HoldChanged)
    assert isinstance(said[-1], HoldChanged)
    accepted_at = {each.data.accepted_at for each in said if not isinstance(each, HoldChanged)}
    assert accepted_at == {said[0].data.since}


def test_two_sources_twice_and_in_shuffled_halves_are_the_same_ledger(world: World) -> None:
    files = {"shop": (PURCHASES, purchases()[:1_500]), "clinic": (APPOINTMENTS, appointments())}
    for source, (header, lines) in files.items():
        assert f"accepted: {len(lines):,} events" in world.give(header, lines, source)[-1]
    known, published = world.rows(_LEDGER), world.count("outbox")
    assert len(known) == sum(len(lines) for _, lines in files.values())
    holds = CLIENT_ACTIVITY.partitions * 2
    for given, (source, (header, lines)) in enumerate(files.items()):
        assert "accepted: 0 events" in world.give(header, lines, source)[-1]
        equal = Counter(lines)
        order = random.Random(given).sample(sorted(equal), len(equal))
        for half in (order[::2], order[1::2]):
            world.give(header, [line for row in half for line in [row] * equal[row]], source)
    assert world.rows(_LEDGER) == known
    assert world.count("outbox") == published + 6 * holds


def test_a_hold_ends_behind_what_is_accepted_at_its_time(world: World) -> None:
    with world.database.transaction() as tx:
        begin(world.stores.within(tx))
    with world.database.transaction() as tx:
        accept([fact("completed", "e1")], world.stores.within(tx))
        thread, results = in_another_thread(lambda: _end(world))
        wait_for_lock(world.database)
    thread.join(30)
    assert results == [None]
    kinds = [type(each).__name__ for each in world.said()]
    number = CLIENT_ACTIVITY.partitions
    assert kinds == ["HoldChanged"] * number + ["ActivityRecorded"] + ["HoldChanged"] * number


def test_a_chunk_keeps_no_live_event_of_its_practice_waiting(world: World) -> None:
    with world.database.transaction() as tx:
        begin(world.stores.within(tx))
    with world.database.transaction() as tx:
        job = world.stores.within(tx).imports.lock(KEY)
        assert job is not None
        with world.database.transaction() as other:
            accept([fact("completed", "e1")], world.stores.within(other))
    assert world.count("ledger") == 1


def test_a_worker_passes_over_an_import_that_takes_a_step(world: World) -> None:
    with world.database.transaction() as tx:
        begin(world.stores.within(tx))
    with world.database.transaction() as tx:
        assert world.stores.within(tx).imports.lock(KEY) is not None
        with world.database.transaction() as other:
            store = world.stores.within(other)
            assert store.imports.lock(KEY, waits=False) is None
            tend_imports(store)
    job = begun(KEY, world.stores)
    assert job is not None
    assert (job.about, job.hold is not None) == (ABOUT, True)


def _end(world: World) -> None:
    with world.database.transaction() as tx:
        store = world.stores.within(tx)
        job = store.imports.lock(KEY)
        assert job is not None
        end_import(job, store)
