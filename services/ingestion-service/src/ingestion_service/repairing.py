"""The repair after a restore: each client of whom anything was lost is rebuilt (ADR 28).

Before a worker reads again: what is lost then comes as live facts of the new generation, under the
ids that it had.
"""

from collections.abc import Callable
from typing import Final

from ingestion_service.domain.errors import Conflict, NotYet
from ingestion_service.domain.facts import ClientId, PracticeId
from ingestion_service.handlers import open_generation
from ingestion_service.ports import ClientKey, Stores
from ingestion_service.rebuilding import REASON
from ingestion_service.store import lost_causes
from rapport_runtime import failpoints
from rapport_runtime.database import Database
from rapport_runtime.ops.operators import Secrets
from rapport_runtime.stream.restored import Repair

PAGE: Final = 100
BEFORE_ALL: Final = ClientKey(PracticeId(""), ClientId(""))
UNKNOWN: Final = "its practice is not registered, or it was registered alone: see the runbook"


def repair_with(open_stores: Callable[[Database, Secrets], Stores]) -> Repair:
    """The repair of ingestion, for the command `restored`."""

    def go_on(database: Database, secrets: Secrets) -> list[str]:
        return rebuild_lost(open_stores(database, secrets))

    return Repair(lost_causes.note, go_on)


def rebuild_lost(stores: Stores) -> list[str]:
    """Rebuild the clients that were noted, each in a transaction of its own: killed, it goes on
    when it is called again. A line for each that could not be rebuilt, and how many were."""
    after, rebuilt, lines = BEFORE_ALL, 0, list[str]()
    while keys := _next(stores, after):
        for key in keys:
            fault = _rebuild(stores, key)
            rebuilt += fault is None
            if fault is not None:
                lines.append(f"not rebuilt\t{key.practice_id}\t{key.client_id}\t{fault}")
        after = keys[-1]
    return [*lines, f"repaired: {rebuilt} clients are rebuilt"]


def _next(stores: Stores, after: ClientKey) -> list[ClientKey]:
    with stores.transaction() as tx:
        return lost_causes.next_clients(tx, after, PAGE)


def _rebuild(stores: Stores, key: ClientKey) -> str | None:
    """Why a client is not rebuilt; None when it is."""
    try:
        with stores.transaction() as tx:
            if not lost_causes.create(tx, key):
                return UNKNOWN
            open_generation(key, stores.within(tx), REASON)
            lost_causes.done(tx, key)
            failpoints.hit("repairing")
    except (Conflict, NotYet) as error:
        return error.detail
    return None
