"""Moves what has waited for the declaration of its source into the queue of its practice."""

from typing import Final

from ingestion_service.ports import Stores
from ingestion_service.queues import held_time, open_queue

AT_ONCE: Final = 500
"""How many records move in one transaction, between two batches."""


class UndeclaredRecords:
    """Those of which the source is declared by now. Any worker may move any of them; that which was
    not moved for the longest time comes first, so no practice holds up another."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def run(self) -> int:
        """Move some of one source; how many. Raises `NotYet` and what the database raises."""
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            key = store.lock_declared()
            if key is None:
                return 0
            open_queue(key.practice_id, store)
            return store.move_undeclared(key, AT_ONCE, held_time(store))
