"""One purge: class after class, page after page, alone; and its report."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
import sqlalchemy as sa

from rapport_runtime.database import Database, execute, fetch_value, real_time
from rapport_runtime.logs import get_logger
from rapport_runtime.ops import audit
from rapport_runtime.retention.classes import RetentionClass
from rapport_runtime.retention.ways import Way

log = get_logger(__name__)
MOST_AUDITED = 2**31 - 1

_ALONE = "SELECT pg_try_advisory_lock(hashtextextended('rapport.purge', 0))"
_STILL = "SELECT true"
_DONE = "SELECT pg_advisory_unlock(hashtextextended('rapport.purge', 0))"
_FORGET = "DELETE FROM purge_run WHERE NOT class = ANY(%(names)s)"
_EXPECT = """
    INSERT INTO purge_run (class, rows, seconds) SELECT unnest(%(names)s::text[]), 0, 0
    ON CONFLICT DO NOTHING
"""
_REPORT = """
    UPDATE purge_run SET finished_at = clock_timestamp(), rows = %(rows)s,
        oldest_left_at = %(oldest_left_at)s, seconds = %(seconds)s
    WHERE class = %(name)s
"""


class NotAlone(Exception):
    """Another purge of this database runs, or may run from now on; the text says which."""


@dataclass(frozen=True)
class ClassReport:
    """What became of one class. `failed` names the kind of error that ended it, or is None; the
    rows that were removed before stay removed."""

    name: str
    rows: int
    oldest_left_at: datetime | None
    seconds: float
    failed: str | None = None

    def __str__(self) -> str:
        left = "none" if self.oldest_left_at is None else f"{self.oldest_left_at:%Y-%m-%d}"
        end = "" if self.failed is None else f", failed: {self.failed}"
        return f"{self.name}: {self.rows} rows, oldest left {left}, {self.seconds:.1f} s{end}"


class Purge:
    """Removes what has outlived its term. `ways` has one for each class with a term."""

    def __init__(
        self, database: Database, classes: Sequence[RetentionClass], ways: Mapping[str, Way]
    ) -> None:
        self._database = database
        self._terms = {each.name: each.term for each in classes if each.term is not None}
        if set(self._terms) != set(ways):
            raise ValueError("each class with a term needs a way, and no other")
        self._ways = ways

    def dry_run(self) -> list[str]:
        """What would go: a line for each class. Nothing is changed."""
        lines = []
        for name, before in self._due().items():
            count, is_whole = self._ways[name].due(self._database, before)
            more = "" if is_whole else " or more"
            lines.append(f"{name}: {count}{more} rows from before {before:%Y-%m-%d}")
        return [*lines, "nothing was removed: add --confirm --why to remove them"]

    def confirm(self, actor: str, reason: str) -> list[ClassReport]:
        """Remove it and report, a class at a time. A class that fails keeps no other from running.
        Raises NotAlone."""
        with self._alone() as session:
            due = self._due()
            with self._database.transaction() as tx:
                execute(tx, _FORGET, {"names": list(due)})
                execute(tx, _EXPECT, {"names": list(due)})
            reports = []
            for name, before in due.items():
                reports.append(self._purged(session, name, before))
                self._keep(reports[-1], actor, reason)
            return reports

    def _due(self) -> dict[str, datetime]:
        with self._database.transaction() as tx:
            now = real_time(tx)
        return {name: now - term for name, term in self._terms.items()}

    def _purged(self, session: sa.Connection, name: str, before: datetime) -> ClassReport:
        began, rows, way = time.monotonic(), 0, self._ways[name]
        oldest, failed = None, None
        try:
            for removed in _alone_all_along(session, way.pages(self._database, before)):
                rows += removed
            oldest = way.oldest(self._database)
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            failed = type(error).__name__
        return ClassReport(name, rows, oldest, time.monotonic() - began, failed)

    def _keep(self, report: ClassReport, actor: str, reason: str) -> None:
        """A class that failed leaves its rows to the audit, and its last report as it was: the
        alert looks at that."""
        count = min(report.rows, MOST_AUDITED)
        entry = audit.AuditEntry(actor, "purge", "retention", report.name, reason, count)
        with self._database.transaction() as tx:
            audit.record(tx, entry)
            if report.failed is None:
                execute(tx, _REPORT, vars(report))
        log.info("purged", **vars(report))

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        """Hold a lock of this session, on a connection of its own, until the end."""
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as session:
            if not fetch_value(session, _ALONE):
                raise NotAlone("another purge of this database runs")
            try:
                yield session
            finally:
                # A session that has ended holds no lock any more.
                with suppress(psycopg.OperationalError):
                    fetch_value(session, _DONE)


def _alone_all_along(session: sa.Connection, pages: Iterator[int]) -> Iterator[int]:
    """The pages, each after a look whether the session still lives, and its lock with it."""
    while True:
        try:
            fetch_value(session, _STILL)
        except psycopg.OperationalError as error:
            raise NotAlone("the connection that held the lock has ended: purge again") from error
        removed = next(pages, None)
        if removed is None:
            return
        yield removed
