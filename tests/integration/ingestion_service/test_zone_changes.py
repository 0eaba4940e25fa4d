"""A practice's clients are turned into its new zone on Postgres, among kills and live events."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, open_generation, register_practice
from ingestion_service.ports import ClientKey
from ingestion_service.store import zones
from ingestion_service.zone_changes import ZoneChanges
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, execute, fetch, fetch_value
from tests.integration.ingestion_service.test_store_suite import on_postgres
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion_world import fact
from tests.support.worlds.toy_ledger import Crash, at
from tests.support.worlds.zone_histories import ZoneHistory

pytestmark = pytest.mark.integration
CLIENTS = 4
BREAK = """
    UPDATE source_object SET owner_external_id = 'nobody'
    WHERE owner_external_id = (SELECT external_id FROM identity WHERE client_id = %(client_id)s)
"""
TOKYO = Practice("lakeside", "lakeside", "Asia/Tokyo", "CNY")


def test_histories_on_postgres_are_as_those_in_memory(
    service_database: Callable[[str], ServiceDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, too."""
    monkeypatch.setattr(zones, "PAGE", 3)
    for world in on_postgres(lambda: service_database("ingestion")):
        for seed in range(12):
            assert list(ZoneHistory(world, seed, f"practice-{seed}").faults()) == []


class Moving:
    """Four clients of Lakeside, and what is in the outbox of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.stores = build_stores(database, RECORD_KEYS, is_simulated=False)
        self.changes = ZoneChanges(self.stores)

    def visit(self, number: int) -> None:
        """Everybody comes once more."""
        visits = [
            fact("completed", f"{client}/{number}", external_object_id=f"b{client}/{number}",
                 external_id=f"c{client}")
            for client in range(CLIENTS)
        ]  # fmt: skip
        with self.database.transaction() as tx:
            accept(visits, self.stores.within(tx))

    def move(self) -> None:
        with self.database.transaction() as tx:
            register_practice(TOKYO, self.stores.within(tx))

    def zones(self) -> list[str | None]:
        with self.database.transaction() as tx:
            return [row.zone for row in fetch(tx, "SELECT zone FROM client ORDER BY client_id")]

    def sequences(self) -> set[int]:
        with self.database.transaction() as tx:
            return {row.last_sequence for row in fetch(tx, "SELECT last_sequence FROM client")}

    def is_over(self) -> bool:
        with self.database.transaction() as tx:
            return fetch_value(tx, "SELECT changed_at FROM practice_zone") is None


@pytest.fixture
def moving(database: Database) -> Moving:
    made = Moving(database)
    made.visit(1)
    return made


def test_clients_follow_one_by_one_whatever_is_killed(moving: Moving) -> None:
    moving.move()
    for number in range(1, CLIENTS + 1):

        def kill() -> None:
            raise Crash

        with at("turning", kill), suppress(Crash):
            moving.changes.round()
        assert moving.zones().count("Asia/Tokyo") == number - 1
        moving.visit(number + 1)
        moving.changes.round()
        assert moving.zones().count("Asia/Tokyo") == number
    moving.changes.round()
    assert moving.is_over()
    assert moving.sequences() == {CLIENTS + 1}


def test_a_client_from_before_the_first_change_is_of_the_first_zone(moving: Moving) -> None:
    """As those whom the release before stored, without a zone of their own."""
    with moving.database.transaction() as tx:
        execute(tx, "UPDATE client SET zone = NULL")
    moving.move()
    moving.visit(2)
    with moving.database.transaction() as tx:
        rows = fetch(tx, "SELECT convert_from(value, 'utf-8') AS said FROM outbox")
    assert all('"zone":"Asia/Shanghai"' in row.said for row in rows if '"activity' in row.said)
    while not moving.is_over():
        moving.changes.round()
    assert set(moving.zones()) == {"Asia/Tokyo"}


def test_whoever_creates_a_client_meanwhile_is_waited_for(moving: Moving) -> None:
    """Else the client would stay in the zone before for good."""
    with moving.database.transaction() as tx:
        other = fact("completed", "late", external_object_id="late", external_id="late")
        accept([other], moving.stores.within(tx))
        mover = threading.Thread(target=moving.move)
        mover.start()
        mover.join(0.5)
        is_waiting = mover.is_alive()
    mover.join()
    assert is_waiting
    while not moving.is_over():
        moving.changes.round()
    assert set(moving.zones()) == {"Asia/Tokyo"}


def test_a_client_that_cannot_be_turned_keeps_nobody_back_and_the_change_open(
    moving: Moving,
) -> None:
    with moving.database.transaction() as tx:
        whose = fetch_value(tx, "SELECT min(client_id) FROM client")
        broken = {"client_id": whose}
        execute(tx, BREAK, broken)
    moving.move()
    for _ in range(3 * CLIENTS):
        moving.changes.round()
    assert moving.zones().count("Asia/Tokyo") == CLIENTS - 1
    assert not moving.is_over()


def test_a_turned_client_is_rebuilt_as_it_is_told(moving: Moving) -> None:
    moving.move()
    while not moving.is_over():
        moving.changes.round()
    moving.visit(2)
    with moving.database.transaction() as tx:
        store = moving.stores.within(tx)
        row = fetch(tx, "SELECT practice_id, client_id FROM client")[0]
        assert open_generation(ClientKey(*row), store, "rebuild") == 2
