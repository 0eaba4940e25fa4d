"""Processes that rebuild clients, turn them into another zone and accept their events are killed on
Postgres: no reader ever sees a part of a client's facts, or one of them twice (ADR 48, 54)."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestion_service.bootstrap import build_relay, build_stores
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import register_practice
from ingestion_service.zone_changes import ZoneChanges
from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, GenerationOpened
from rapport_contracts.codec import decode
from rapport_contracts.generations import Client, fold, new_client
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch, fetch_value
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.places import REPOSITORY
from tests.support.servers.rebuild_worker import CLIENTS, ROLES

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
ZONES = ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati")
FAILPOINTS = {"live": "live", "turns": "turning", "rebuilds": "rebuilding"}
ODDS = 0.1
"""A process is killed at one of ten passings, just before it commits."""
Seen = Counter[str]


class House:
    """Ingestion's database, the three processes on it, and the log that readers read."""

    def __init__(self, urls: ServiceDatabase, folder: Path) -> None:
        self.urls = urls
        self.database = Database(urls.worker_url, application_name="test")
        self.stores = build_stores(self.database, RECORD_KEYS, is_simulated=False)
        self.bus = MemoryBus()
        for topic in topics.TOPICS:
            self.bus.create(topic.name, topic.partitions)
        self._relay = build_relay(self.database, self.bus)
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.deaths: Counter[str] = Counter()

    def move(self, zone: str) -> None:
        practice = Practice("lakeside", "Lakeside", zone, "CNY")
        with self.database.transaction() as tx:
            register_practice(practice, self.stores.within(tx))

    def tend(self) -> None:
        """Start each process that is dead, and publish what waits."""
        for role in ROLES:
            child = self._children.get(role)
            if child is None or child.poll() is not None:
                self.deaths[role] += child is not None
                self._children[role] = self._start(role)
        self._relay.drain()

    def _start(self, role: str) -> "subprocess.Popen[bytes]":
        armed = f"{FAILPOINTS[role]}=kill~{ODDS}/{self.deaths[role]}"
        module = ["rapport_devkit.failpoints", "tests.support.servers.rebuild_worker"]
        with (self._folder / f"{role}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *module, role, self.urls.worker_url],
                env={**os.environ, "RAPPORT_FAILPOINTS": armed},
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        """End the processes, turn whoever is left, and publish the rest."""
        for child in self._children.values():
            child.kill()
            child.wait()
        changes = ZoneChanges(self.stores)
        while self._is_moving():
            changes.round()
        self._relay.drain()

    def _is_moving(self) -> bool:
        with self.database.transaction() as tx:
            waiting = "SELECT count(*) FROM practice_zone WHERE changed_at IS NOT NULL"
            return bool(fetch_value(tx, waiting))

    def ledger(self) -> dict[str, set[str]]:
        """The events of each client."""
        found: dict[str, set[str]] = {}
        with self.database.transaction() as tx:
            for row in fetch(tx, "SELECT client_id, event_id FROM ledger"):
                found.setdefault(row.client_id, set()).add(row.event_id)
        return found


@contextmanager
def house(urls: ServiceDatabase, folder: Path) -> Iterator[House]:
    made = House(urls, folder)
    try:
        yield made
    finally:
        made.end()
        made.database.close()


def faults(logs: Any) -> Iterator[str]:
    """What a reader sees who follows the log, by the rule of the contracts: what counts for a
    client only grows, since every event is another payment; and nothing counts twice."""
    clients: dict[str, Client[Seen]] = {}
    opened: dict[tuple[str, int], int] = {}
    for record in logs:
        event = decode(CLIENT_ACTIVITY.name, record.key, record.value)
        if not isinstance(event, GenerationOpened | ActivityRecorded):
            continue
        whose, number = event.data.client_id, event.data.generation
        before = clients.get(whose) or new_client(Counter())
        after = clients[whose] = fold(before, event, _add, Counter())
        if not before.current.sums.keys() <= after.current.sums.keys():
            yield f"{whose}: a reader sees a part of the facts alone"
        if set(after.current.sums.values()) - {1}:
            yield f"{whose}: a fact counts twice"
        if isinstance(event, GenerationOpened):
            opened[whose, number] = event.data.facts
        elif (event.data.activity_id is not None) != (
            event.data.sequence <= opened.get((whose, number), 0)
        ):
            yield f"{whose}: a fact said anew looks like a live one, or a live one as said anew"


def _add(sums: Seen, event: ActivityRecorded) -> Seen:
    return sums + Counter([str(event.data.cause_id)])


def told(logs: Any) -> tuple[dict[str, set[str]], set[str]]:
    """The events that count for each client in the end, and the zones of the last generations."""
    clients: dict[str, Client[Seen]] = {}
    zones: dict[str, str] = {}
    for record in logs:
        event = decode(CLIENT_ACTIVITY.name, record.key, record.value)
        if isinstance(event, GenerationOpened | ActivityRecorded):
            known = clients.get(event.data.client_id) or new_client(Counter())
            clients[event.data.client_id] = fold(known, event, _add, Counter())
        if isinstance(event, ActivityRecorded):
            zones[event.data.client_id] = event.data.zone
    return {who: set(each.current.sums) for who, each in clients.items()}, set(zones.values())


@pytest.mark.parametrize(
    ("deaths", "longest"),
    [
        pytest.param(2, 30, id="short"),
        pytest.param(40, 240, id="long", marks=pytest.mark.storm),
    ],
)
@pytest.mark.timeout(600)
def test_no_reader_sees_a_part_or_a_fact_twice_whoever_is_killed(
    service_database: Callable[[str], ServiceDatabase],
    tmp_path: Path,
    deaths: int,
    longest: float,
) -> None:
    """On a busy machine fewer are killed in the time; one is, however long that takes."""
    with house(service_database("ingestion"), tmp_path) as made:
        made.move(ZONES[0])
        moves, until = 0, time.monotonic() + longest
        while min(made.deaths[role] for role in ROLES) < deaths:
            if time.monotonic() > until and made.deaths.total():
                break
            made.tend()
            if made.deaths.total() > moves:
                moves += 1
                made.move(ZONES[moves % len(ZONES)])
            time.sleep(0.05)
        made.end()
        logs = [
            record
            for place, log in sorted(made.bus.logs.items())
            if place.topic == CLIENT_ACTIVITY.name
            for record in log
        ]
        assert list(faults(logs)) == []
        counted, zones = told(logs)
        assert counted == made.ledger()
        assert len(counted) <= CLIENTS
        assert zones == {ZONES[moves % len(ZONES)]}
