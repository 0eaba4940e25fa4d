"""How old rows are found and removed, page by page."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from rapport_runtime.database import Database, execute, fetch_one, fetch_value

PAGE_ROWS = 1_000
COUNT_UP_TO = 100_000
"""The largest number that a dry run counts."""

MONTHS_AHEAD = 3


class Due(NamedTuple):
    """How many rows would go; there are more when the count is not `whole`."""

    rows: int
    whole: bool


class Way(Protocol):
    """How the rows of one class go. `before` is the instant before which a row's time must lie."""

    def due(self, database: Database, before: datetime) -> Due:
        """How many rows would go; of months that would be dropped, an estimate."""

    def pages(self, database: Database, before: datetime) -> Iterator[int]:
        """Remove them: each step is one page in a transaction of its own, and gives its rows."""

    def oldest(self, database: Database) -> datetime | None:
        """The time of the oldest row that is left; None when there is none."""


class OldRows:
    """Deletes rows, the oldest first, by three statements, each of which an index serves.

    `delete` and `count` take `before` and at most `rows` of what lies before; `oldest` gives one
    row with the column `at`.
    """

    def __init__(self, *, delete: str, count: str, oldest: str) -> None:
        self._delete = delete
        self._count = count
        self._oldest = oldest

    def due(self, database: Database, before: datetime) -> Due:
        """See `Way.due`."""
        return _due(database, self._count, before)

    def pages(self, database: Database, before: datetime) -> Iterator[int]:
        """See `Way.pages`."""
        return _pages(database, self._delete, before)

    def oldest(self, database: Database) -> datetime | None:
        """See `Way.oldest`."""
        with database.transaction() as tx:
            row = fetch_one(tx, self._oldest)
        return None if row is None else row.at


_MAKE = "SELECT make_partitions(%(table)s, %(ahead)s)"
_DROP = "SELECT name, estimated FROM drop_partition(%(table)s, %(before)s)"
_DUE = "SELECT coalesce(sum(estimated), 0)::bigint FROM partitions_before(%(table)s, %(before)s)"
_OLDEST = """
    SELECT min(to_timestamp(right(name, 7), 'YYYY_MM'))
    FROM partitions_before(%(table)s, 'infinity')
"""


class OldMonths:
    """Drops whole months of a table that is partitioned by month, and makes those to come.

    What no month took is deleted row by row: `delete` and `count` are as those of `OldRows`. They
    are asked about whole months, so all that they find is in the DEFAULT partition, which is small.
    """

    def __init__(self, table: str, *, delete: str, count: str) -> None:
        self._table = {"table": table}
        self._delete = delete
        self._count = count

    def due(self, database: Database, before: datetime) -> Due:
        """See `Way.due`."""
        with database.transaction() as tx:
            months: int = fetch_value(tx, _DUE, {**self._table, "before": before})
        rest = _due(database, self._count, _month_of(before))
        return Due(months + rest.rows, rest.whole)

    def pages(self, database: Database, before: datetime) -> Iterator[int]:
        """See `Way.pages`; a month is a page."""
        with database.transaction() as tx:
            fetch_value(tx, _MAKE, {**self._table, "ahead": MONTHS_AHEAD})
        while True:
            with database.transaction() as tx:
                dropped = fetch_one(tx, _DROP, {**self._table, "before": before})
            if dropped is None:
                break
            yield dropped.estimated
        yield from _pages(database, self._delete, _month_of(before))

    def oldest(self, database: Database) -> datetime | None:
        """See `Way.oldest`: the beginning of the oldest month."""
        with database.transaction() as tx:
            month: datetime | None = fetch_value(tx, _OLDEST, self._table)
        return month


def _due(database: Database, statement: str, before: datetime) -> Due:
    with database.transaction() as tx:
        count: int = fetch_value(tx, statement, {"before": before, "rows": COUNT_UP_TO})
    return Due(count, whole=count < COUNT_UP_TO)


def _pages(database: Database, statement: str, before: datetime) -> Iterator[int]:
    removed = PAGE_ROWS
    while removed == PAGE_ROWS:
        with database.transaction() as tx:
            removed = execute(tx, statement, {"before": before, "rows": PAGE_ROWS})
        yield removed


def _month_of(instant: datetime) -> datetime:
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
