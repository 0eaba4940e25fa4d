"""Up to which id the outbox holds no row any more: no look at it begins before that.

A removed row stays in the table until every transaction has ended that began before its removal.
Behind a dump or a report of hours lie millions of them, and each look would read them all.
"""

from typing import Final, NamedTuple

from rapport_runtime.database import Database, execute, fetch, fetch_value

EVERY_ROWS: Final = 1_000
"""After so many removed rows the mark is moved: about as many are read in vain, and the mark's own
row, of which each move leaves an old version behind, is changed as seldom."""

# Whoever adds rows holds this lock until its transaction has ended and its rows can be seen; it
# took the lock before it drew their ids. Readers, however long, hold another one.
_WRITERS: Final = """
    SELECT virtualtransaction FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND relation = 'outbox'::regclass AND mode = 'RowExclusiveLock'
"""
_FIRST: Final = """
    SELECT id FROM outbox WHERE id > coalesce((SELECT through FROM outbox_drained), 0)
    ORDER BY id LIMIT 1
"""
_MOVE: Final = """
    INSERT INTO outbox_drained AS known (through) VALUES (%(through)s)
    ON CONFLICT (is_only) DO UPDATE SET through = excluded.through
    WHERE known.through < excluded.through
"""


class _Awaited(NamedTuple):
    """An id, and the transactions that may still add rows up to it."""

    through: int
    writers: frozenset[str]


class DrainedMark:
    """Moves the mark of a service's outbox, for one relay. The mark lies in the database, so that
    all relays and the API begin there, and a restored database has its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = 0
        self._last_id = 0
        self._awaited: _Awaited | None = None

    def removed(self, rows: int, last_id: int) -> None:
        """So many rows are removed, or are in a transaction that does it; `last_id` is theirs."""
        self._rows += rows
        self._last_id = max(self._last_id, last_id)

    def move(self) -> None:
        """Move the mark, if enough rows were removed and all who may still add a row before them
        have ended: ids are drawn before the commit, so a smaller one may appear later (R21)."""
        if self._rows < EVERY_ROWS:
            return
        with self._database.transaction() as tx:
            writers = frozenset(row.virtualtransaction for row in fetch(tx, _WRITERS))
            awaited = self._awaited or _Awaited(self._last_id, writers)
            if awaited.writers & writers:
                self._awaited = awaited
                return
            # A statement of its own, after they have ended: it sees the rows of all of them.
            first: int | None = fetch_value(tx, _FIRST)
            through = awaited.through if first is None else min(awaited.through, first - 1)
            execute(tx, _MOVE, {"through": through})
        self._awaited, self._rows = None, 0
