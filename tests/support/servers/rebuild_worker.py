"""Processes of a test that kills them: `python -m tests.support.servers.rebuild_worker ROLE URL`.

Each works on ingestion's database until it is ended: `live` accepts one event of each client after
the other, `turns` turns clients into their practice's zone, `rebuilds` rebuilds all clients.
"""

import sys
import threading
from collections.abc import Callable, Mapping
from itertools import count
from types import MappingProxyType
from typing import Final

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.facts import SourceFact
from ingestion_service.handlers import accept
from ingestion_service.ports import Scope
from ingestion_service.rebuilding import Rebuild
from ingestion_service.store.stores import PostgresStores
from ingestion_service.zone_changes import ZoneChanges
from rapport_runtime import failpoints
from rapport_runtime.database import Database, fetch_value
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion_world import fact

CLIENTS: Final = 6
_COUNT: Final = "SELECT count(*) FROM ledger"


def visit(number: int) -> SourceFact:
    """The event of this number: a payment of one of the clients."""
    whose, payment = f"c{number % CLIENTS}", f"p{number}"
    return fact("settled", payment, external_object_id=payment, external_id=whose)


def live(stores: PostgresStores, _stop: threading.Event) -> None:
    """Accept events, each in a transaction of its own; begin behind those that are known."""
    with stores.transaction() as tx:
        known = int(fetch_value(tx, _COUNT))
    for number in count(known):
        with stores.transaction() as tx:
            accept([visit(number)], stores.within(tx))
            failpoints.hit("live")


def turns(stores: PostgresStores, stop: threading.Event) -> None:
    """As beside the loop of a worker."""
    ZoneChanges(stores).run(stop)


def rebuilds(stores: PostgresStores, stop: threading.Event) -> None:
    """As an operator who gives the command again and again."""
    while True:
        rebuild = Rebuild(stores, Scope(), stop)
        rebuild.begin("ann", "a drill")
        while rebuild.step() is not None:
            pass


ROLES: Final[Mapping[str, Callable[[PostgresStores, threading.Event], None]]] = MappingProxyType(
    {"live": live, "turns": turns, "rebuilds": rebuilds}
)


def main() -> None:
    """Work until the process is ended."""
    role, url = sys.argv[1:]
    database = Database(url, application_name=role)
    stores = build_stores(database, RECORD_KEYS, is_simulated=False)
    ROLES[role](stores, threading.Event())


if __name__ == "__main__":
    main()
