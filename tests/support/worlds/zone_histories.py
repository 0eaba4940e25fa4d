"""Random histories of a practice that changes its zone, while its clients are turned one by one and
events go on, which let payments count for other clients; against the oracle (ADR 54, 55)."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from ingestion_service.domain.activities import Activity
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, advance_clock, register_client, register_practice
from ingestion_service.parked_facts import Cleared, accept_met
from ingestion_service.translate import fact_of
from ingestion_service.zone_changes import turn
from rapport_contracts.codec import decode_source
from tests.support.generators.source_histories import CURRENCY, Document, history
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import StoreWorld
from tests.support.oracles import source_events
from tests.support.oracles.source_events import Counts, Place, Subject, Units

ZONES = ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Europe/London")
SOURCES = ("desk", "till")
"""Each has clients of its own."""
NAMES = ("wang-fang", "li-na", "her-mother")
"""The clients of a source, and who pays for them."""


class ZoneHistory:
    """One practice with two sources of twelve events at most each, about three persons each."""

    def __init__(self, world: StoreWorld, seed: int, practice_id: str = "lakeside") -> None:
        self._world = world
        self._chance = random.Random(f"zones/{seed}")
        self._practice = PracticeId(practice_id)
        self._known: dict[str, dict[str, Document]] = {source: {} for source in SOURCES}
        self._registered: set[IdentityKey] = set()

    def faults(self) -> Iterator[str]:
        """What is wrong after each batch, and when all clients are turned."""
        self._move(ZONES[0])
        with self._world.stores.open_for_operator() as store:
            advance_clock(NOON, store)
        for batch in self._batches():
            if self._chance.random() < 0.4:
                self._move(self._chance.choice(ZONES))
            if self._chance.random() < 0.2:
                self._register(self._chance.choice(self._identities()))
            for _ in range(self._chance.choice((0, 0, 1, 2))):
                self._turn_next()
            self._accept(batch)
            yield from self._wrong()
        while self._turn_next():
            yield from self._wrong()
        zone = self._zone()
        for identity in self._identities():
            told = self._told(identity)
            if told and told[0].owner.zone != zone:
                yield f"{identity}: not turned"

    def _batches(self) -> Iterator[list[Document]]:
        """Batches of both sources, mixed."""
        waiting = {source: list(history(self._chance).batches) for source in SOURCES}
        while any(waiting.values()):
            batch = []
            for source in SOURCES:
                if waiting[source] and self._chance.random() < 0.7:
                    own = {"source": source, "practiceid": self._practice}
                    batch += [{**each, **own} for each in waiting[source].pop(0)]
            yield batch

    def _move(self, zone: str) -> None:
        practice = Practice(self._practice, "Lakeside", zone, CURRENCY)
        with self._world.stores.open_for_operator() as store:
            register_practice(practice, store)

    def _zone(self) -> str:
        with self._world.worker() as store:
            return store.practices({self._practice})[self._practice].zone

    def _register(self, identity: IdentityKey) -> None:
        self._registered.add(identity)
        with self._world.worker() as store:
            register_client(identity, store)

    def _identities(self) -> list[IdentityKey]:
        return [IdentityKey(self._practice, source, name) for source in SOURCES for name in NAMES]

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
        assert {each.status for each in results} <= {"accepted", "duplicate", "parked"}, results
        self._accept_parked()
        for each in batch:
            self._known[each["source"]][each["id"]] = each

    def _accept_parked(self) -> None:
        """What names no client, and whose payment is known by now."""
        cleared = Cleared(1, [])
        while cleared.facts:
            with self._world.worker() as store:
                cleared = accept_met(self._practice, 100, store)
            assert not cleared.letters, "what was parked is accepted"

    def _told(self, identity: IdentityKey) -> list[Activity]:
        found = self._world.reads.client_ids(self._practice, {identity})
        if identity not in found:
            return []
        client_id = ClientId(found[identity])
        told = self._world.reads.activities(self._practice, client_id, 0, 1_000)
        assert told is not None
        return told

    def _wrong(self) -> Iterator[str]:
        for source in SOURCES:
            every = source_events.subjects(self._known[source].values())
            yield from self._wrong_packages(source, every)
            for name in NAMES:
                identity = IdentityKey(self._practice, source, name)
                its = [one for one in every if source_events.whose(one, every) == name]
                yield from self._wrong_of(identity, its)

    def _wrong_packages(self, source: str, every: Sequence[Subject]) -> Iterator[str]:
        known = source_events.packages(every, ZoneInfo(ZONES[0]))
        for package_id in "xy":
            found = self._world.reads.package(self._practice, source, package_id)
            units = Units(0, 0, 0) if found is None else Units(*found[1:])
            if units != known.get(package_id, Units(0, 0, 0)):
                yield f"{source}: package {package_id} is not what the events come to"

    def _wrong_of(self, identity: IdentityKey, its: Sequence[Subject]) -> Iterator[str]:
        told = self._told(identity)
        if [each.sequence for each in told] != list(range(1, len(told) + 1)):
            yield f"{identity}: sequences are not gapless"
        if {each.owner.zone for each in told} - {self._owner_zone(told)}:
            yield f"{identity}: facts of two zones"
        if sums(told) != expected(its, self._owner_zone(told)):
            yield f"{identity}: what is told differs from what the events count for"
        if len([one for one in told if one.cause is None]) > (identity in self._registered):
            yield f"{identity}: registered twice"
        if told:
            yield from self._read_otherwise(told)

    def _owner_zone(self, told: Sequence[Activity]) -> str:
        return told[0].owner.zone if told else ZONES[0]

    def _read_otherwise(self, told: list[Activity]) -> Iterator[str]:
        """A client's activities page by page are the same, and so are those of a rebuild."""
        after, owner = self._chance.randrange(len(told)), told[0].owner
        page = self._world.reads.activities(self._practice, owner.client_id, after, 3)
        if page != told[after : after + 3]:
            yield f"{owner.client_id}: a page is not as the whole"
        with self._world.worker() as store:
            if list(store.rebuilds.activities(owner)) != told:
                yield f"{owner.client_id}: a rebuild is not as the whole"


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


def expected(its: Sequence[Subject], zone: str) -> Counts:
    """What bookings and payments count for in a zone."""
    return source_events.net(source_events.counts(each, ZoneInfo(zone)) for each in its)
