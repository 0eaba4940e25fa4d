"""Rebuilds of clients in memory."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from ingestion_service.domain.activities import Activity, ActivityOwner
from ingestion_service.ports import Client, ClientKey, Opening, Progress, Scope


class MemoryRebuilds:
    """`Rebuilds` over the tables of ingestion; `told` gives all activities of a client."""

    def __init__(self, tables: Any, told: Callable[[ActivityOwner], list[Activity]]) -> None:
        self._tables = tables
        self._told = told

    def begin(self, scope: Scope) -> None:
        self._tables.rebuilds.setdefault(scope, Progress(None, 0))

    def lock(self, scope: Scope) -> Progress | None:
        found: Progress | None = self._tables.rebuilds.get(scope)
        return found

    def move(self, scope: Scope, done: ClientKey) -> None:
        clients = self._tables.rebuilds[scope].clients
        self._tables.rebuilds[scope] = Progress(done, clients + 1)

    def end(self, scope: Scope) -> None:
        del self._tables.rebuilds[scope]

    def next_clients(self, scope: Scope, after: ClientKey | None, limit: int) -> list[ClientKey]:
        found = [
            ClientKey(*key)
            for key in sorted(self._tables.clients)
            if scope.practice_id in {None, key[0]} and scope.client_id in {None, key[1]}
            if after is None or key > after
        ]
        return found[:limit]

    def lock_client(self, key: ClientKey) -> Client | None:
        client: Client | None = self._tables.clients.get(key)
        return client and client._replace(is_new=False)

    def activities(self, owner: ActivityOwner) -> Iterator[Activity]:
        return iter(self._told(owner))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        before = {name: copy(each) for name, each in vars(self._tables).items()}
        try:
            yield
        except BaseException:
            vars(self._tables).update(before)
            raise

    def open(self, opening: Opening, activities: Iterable[Activity]) -> None:
        owner = opening.owner
        key = (owner.practice_id, owner.client_id)
        client = self._tables.clients[key]
        self._tables.clients[key] = client._replace(generation=owner.generation)
        self._tables.said += [opening, *activities]

    def waiting(self, limit: int) -> int:
        return min(limit, self._tables.waiting)
