"""Clients whose facts are said anew (ADR 48): which rebuild has come how far, and what it says."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.domain.activities import Activity, ActivityOwner
from ingestion_service.ports import Client, ClientKey, Opening, Progress, Scope
from ingestion_service.store.ledger import TOLD, activities_in_order
from ingestion_service.store.zones import ZONE_OF_CLIENT
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import execute, fetch, fetch_one, fetch_pages, fetch_value
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import outbox

EncodeGeneration = Callable[[Opening, Iterable[Activity], str], Iterator[Outgoing]]

PAGE: Final = 2_000
"""So many facts are read and written at once: no side waits long for the other."""

_BEGIN: Final = """
    INSERT INTO rebuild (scope) VALUES (%(scope)s) ON CONFLICT DO NOTHING
"""
_FIND: Final = """
    SELECT done_practice, done_client, clients FROM rebuild WHERE scope = %(scope)s FOR UPDATE
"""
_MOVE: Final = """
    UPDATE rebuild SET done_practice = %(practice_id)s, done_client = %(client_id)s,
        clients = clients + 1
    WHERE scope = %(scope)s
"""
_END: Final = "DELETE FROM rebuild WHERE scope = %(scope)s"
# Each in the order of the primary key, of which they read a range.
_NEXT_OF_ALL: Final = """
    SELECT practice_id, client_id FROM client
    WHERE (practice_id, client_id) > (%(after_practice)s, %(after_client)s)
    ORDER BY practice_id, client_id LIMIT %(limit)s
"""
_NEXT_OF_PRACTICE: Final = """
    SELECT practice_id, client_id FROM client
    WHERE practice_id = %(practice_id)s AND client_id > %(after_client)s
    ORDER BY client_id LIMIT %(limit)s
"""
_THE_CLIENT: Final = """
    SELECT practice_id, client_id FROM client
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
      AND client_id > %(after_client)s
"""
_CLIENT: Final = f"""
    SELECT client_id, generation, last_sequence, registered_at, registered_on, registered_sequence,
        {ZONE_OF_CLIENT} AS zone
    FROM client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""
_LOCK_CLIENT: Final = f"{_CLIENT} FOR UPDATE OF client"
_OPEN: Final = """
    UPDATE client SET generation = %(generation)s
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""
_WAITING: Final = """
    SELECT count(*) FROM (
        SELECT FROM outbox
        WHERE id > coalesce((SELECT through FROM outbox_drained), 0) ORDER BY id LIMIT %(limit)s
    ) AS waiting
"""


class PostgresRebuilds:
    """`ports.Rebuilds` within one transaction of a worker."""

    def __init__(self, tx: sa.Connection, encode: EncodeGeneration) -> None:
        self._tx = tx
        self._encode = encode

    def begin(self, scope: Scope) -> None:
        execute(self._tx, _BEGIN, {"scope": _name(scope)})

    def lock(self, scope: Scope) -> Progress | None:
        row = fetch_one(self._tx, _FIND, {"scope": _name(scope)})
        if row is None:
            return None
        done = None if row.done_client is None else ClientKey(row.done_practice, row.done_client)
        return Progress(done, row.clients)

    def move(self, scope: Scope, done: ClientKey) -> None:
        execute(self._tx, _MOVE, {"scope": _name(scope), **done._asdict()})

    def end(self, scope: Scope) -> None:
        execute(self._tx, _END, {"scope": _name(scope)})

    def next_clients(self, scope: Scope, after: ClientKey | None, limit: int) -> list[ClientKey]:
        statement = _NEXT_OF_ALL
        if scope.practice_id is not None:
            statement = _NEXT_OF_PRACTICE if scope.client_id is None else _THE_CLIENT
        behind = {
            "after_practice": "" if after is None else after.practice_id,
            "after_client": "" if after is None else after.client_id,
        }
        rows = fetch(self._tx, statement, {**scope._asdict(), **behind, "limit": limit})
        return [ClientKey(row.practice_id, row.client_id) for row in rows]

    def lock_client(self, key: ClientKey) -> Client | None:
        row = fetch_one(self._tx, _LOCK_CLIENT, key._asdict())
        if row is None:
            return None
        is_registered = row.registered_at is not None
        return Client(
            row.client_id,
            row.generation,
            row.last_sequence,
            is_registered,
            is_new=False,
            zone=row.zone,
        )

    def activities(self, owner: ActivityOwner) -> Iterator[Activity]:
        key = _key(owner)
        client = fetch_one(self._tx, _CLIENT, key)
        pages = fetch_pages(self._tx, TOLD, key, size=PAGE)
        return activities_in_order((row for page in pages for row in page), client, owner)

    def attempt(self) -> AbstractContextManager[Any]:
        return self._tx.begin_nested()

    def open(self, opening: Opening, activities: Iterable[Activity]) -> None:
        owner = opening.owner
        execute(self._tx, _OPEN, {**_key(owner), "generation": owner.generation})
        records = self._encode(opening, activities, incarnation.current(self._tx))
        while page := list(islice(records, PAGE)):
            outbox.append(self._tx, page)

    def waiting(self, limit: int) -> int:
        return int(fetch_value(self._tx, _WAITING, {"limit": limit}))


def _key(owner: ActivityOwner) -> dict[str, Any]:
    return {"practice_id": owner.practice_id, "client_id": owner.client_id}


def _name(scope: Scope) -> str:
    """The key of a scope's row: `all`, or the ids, of which none holds a line feed."""
    return "\n".join(["all", *(each for each in scope if each is not None)])
