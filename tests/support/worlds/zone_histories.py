"""Random histories of a practice that changes its zone, while its clients are turned one by one and
events go on; against the oracle (ADR 54)."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, advance_clock, register_client, register_practice
from ingestion_service.translate import fact_of
from ingestion_service.zone_changes import turn
from rapport_contracts.codec import decode_source
from tests.support.generators.source_histories import CURRENCY, Document, history
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import StoreWorld
from tests.support.oracles import source_events
from tests.support.oracles.source_events import Counts, Place

ZONES = ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Europe/London")
SOURCES = ("desk", "till")
"""Each has a client of its own."""


class ZoneHistory:
    """One practice with two clients of twelve events at most each."""

    def __init__(self, world: StoreWorld, seed: int, practice_id: str = "lakeside") -> None:
        self._world = world
        self._chance = random.Random(f"zones/{seed}")
        self._practice = PracticeId(practice_id)
        self._known: dict[str, dict[str, Document]] = {source: {} for source in SOURCES}
        self._registered: set[str] = set()

    def faults(self) -> Iterator[str]:
        """What is wrong after each batch, and when all clients are turned."""
        self._move(ZONES[0])
        with self._world.stores.open_for_operator() as store:
            advance_clock(NOON, store)
        for batch in self._batches():
            if self._chance.random() < 0.4:
                self._move(self._chance.choice(ZONES))
            if self._chance.random() < 0.2:
                self._register(self._chance.choice(SOURCES))
            for _ in range(self._chance.choice((0, 0, 1, 2))):
                self._turn_next()
            self._accept(batch)
            yield from self._wrong()
        while self._turn_next():
            yield from self._wrong()
        zone = self._zone()
        for source in SOURCES:
            told = self._told(source)
            if told and told[0].owner.zone != zone:
                yield f"{source}: not turned"

    def _batches(self) -> Iterator[list[Document]]:
        """Batches of both sources, mixed."""
        waiting = {source: list(history(self._chance).batches) for source in SOURCES}
        while any(waiting.values()):
            batch = []
            for source in SOURCES:
                if waiting[source] and self._chance.random() < 0.7:
                    own = {"source": source, "practiceid": self._practice, "subject": source}
                    batch += [{**each, **own} for each in waiting[source].pop(0)]
            yield batch

    def _move(self, zone: str) -> None:
        practice = Practice(self._practice, "Lakeside", zone, CURRENCY)
        with self._world.stores.open_for_operator() as store:
            register_practice(practice, store)

    def _zone(self) -> str:
        with self._world.worker() as store:
            return store.practices({self._practice})[self._practice].zone

    def _register(self, source: str) -> None:
        self._registered.add(source)
        with self._world.worker() as store:
            register_client(self._identity(source), store)

    def _identity(self, source: str) -> IdentityKey:
        return IdentityKey(self._practice, source, source)

    def _turn_next(self) -> bool:
        with self._world.worker() as store:
            turning: Any = store
            change = turning.zones.try_lock(self._practice)
            key = change and turning.zones.next_client(change)
            if key is not None:
                turn(key, turning)
        return key is not None

    def _accept(self, batch: Sequence[Document]) -> None:
        facts = [fact_of(decode_source(None, None, json.dumps(each).encode())) for each in batch]
        with self._world.worker() as store:
            results = accept(facts, store)
        assert {each.status for each in results} <= {"accepted", "duplicate"}, results
        for each in batch:
            self._known[each["source"]][each["id"]] = each

    def _told(self, source: str) -> list[Activity]:
        identity = self._identity(source)
        found = self._world.reads.client_ids(self._practice, {identity})
        if identity not in found:
            return []
        client_id = ClientId(found[identity])
        told = self._world.reads.activities(self._practice, client_id, 0, 1_000)
        assert told is not None
        return told

    def _wrong(self) -> Iterator[str]:
        for source in SOURCES:
            told = self._told(source)
            if [each.sequence for each in told] != list(range(1, len(told) + 1)):
                yield f"{source}: sequences are not gapless"
            if {each.owner.zone for each in told} - {self._owner_zone(told)}:
                yield f"{source}: facts of two zones"
            documents = list(self._known[source].values())
            if documents and sums(told) != expected(documents, self._owner_zone(told)):
                yield f"{source}: what is told differs from what the events count for"
            if len([one for one in told if one.cause is None]) > (source in self._registered):
                yield f"{source}: registered twice"
            yield from self._pages(source, told)

    def _owner_zone(self, told: Sequence[Activity]) -> str:
        return told[0].owner.zone if told else ZONES[0]

    def _pages(self, source: str, told: list[Activity]) -> Iterator[str]:
        """A client's activities page by page are the same."""
        if not told:
            return
        after, owner = self._chance.randrange(len(told)), told[0].owner
        page = self._world.reads.activities(self._practice, owner.client_id, after, 3)
        if page != told[after : after + 3]:
            yield f"{source}: a page is not as the whole"


def sums(told: Sequence[Activity]) -> Counts:
    """The sum of all activities, registrations left out."""
    return source_events.net(
        {_place(each): (each.delta.number, each.delta.amount_minor)}
        for each in told
        if each.delta.kind != "registered"
    )


def _place(each: Activity) -> Place:
    delta = each.delta
    when = (delta.cancelled_by, delta.cancelled_at)
    return Place(delta.kind, delta.on, delta.starts_at, delta.attributes, *when)


def expected(documents: Sequence[Document], zone: str) -> Counts:
    """What the set of these events counts for in a zone."""
    return source_events.net(
        source_events.counts(each, ZoneInfo(zone)) for each in source_events.subjects(documents)
    )
