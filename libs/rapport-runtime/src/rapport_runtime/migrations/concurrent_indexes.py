"""For revisions: indexes of tables that are in use, made and dropped without blocking a writer.

A revision that calls one of these functions does nothing else: it runs outside a transaction, so
that nothing of it is taken back when it breaks off. Running it again finishes it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

# Building waits for the transactions that are older than it; nobody else waits behind it.
_LONGEST_WAIT = "SET lock_timeout = '10min'"
_AS_BEFORE = "RESET lock_timeout"
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


class Operations(Protocol):
    """The part of the module `alembic.op` that is used here."""

    def execute(self, sqltext: str, /) -> None:
        """Run one statement."""

    def get_context(self) -> "MigrationContext":
        """The migration that runs."""


def create_index(
    op: Operations,
    name: str,
    table: str,
    columns: Iterable[str],
    *,
    where: str | None = None,
    unique: bool = False,
) -> None:
    """Make the index `name`, while others read and write the table.

    What a run that broke off left behind (an INVALID index: kept up by every write, used by no
    query) is dropped first and made anew; a valid one of that name stays. `columns` and `where` are
    SQL. A partitioned table needs another way: Postgres refuses to index it concurrently.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    only = f" WHERE {where}" if where else ""
    with _outside_a_transaction(op):
        if _is_left_behind(op, name):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(
            f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {table}"
            f" ({', '.join(columns)}){only}"
        )


def drop_index(op: Operations, name: str) -> None:
    """Drop the index, if it is there, while others read and write its table."""
    with _outside_a_transaction(op):
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _outside_a_transaction(op: Operations) -> Iterator[None]:
    with op.get_context().autocommit_block():
        op.execute(_LONGEST_WAIT)
        try:
            yield
        finally:
            op.execute(_AS_BEFORE)


def _is_left_behind(op: Operations, name: str) -> bool:
    context = op.get_context()
    if context.as_sql or context.connection is None:  # nothing is run, only written
        return False
    return context.connection.scalar(_IS_VALID, {"name": name}) is False
