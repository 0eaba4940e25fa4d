"""Who stands in the way of a session that waits for a lock, seen from a second connection.

A statement that gave up tells neither the table nor the session that held it, and by then nobody
can ask for them any more. So somebody looks while it waits.
"""

from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple, Self

import psycopg
from psycopg.rows import class_row

from rapport_runtime.logs import get_logger

log = get_logger(__name__)

_LOOK_SECONDS = 0.1
_CONNECT_SECONDS = 5
# The text of the holder's statement is left out: a person may have typed a value into it.
_IN_THE_WAY = """
    SELECT coalesce(wanted.relation::regclass::text, wanted.locktype) AS wanted,
           wanted.mode AS mode,
           holder.pid AS pid,
           coalesce(nullif(holder.application_name, ''), 'no application name') AS application,
           holder.usename::text AS role,
           holder.state AS state,
           extract(epoch FROM clock_timestamp() - holder.xact_start)::float8 AS seconds,
           extract(epoch FROM clock_timestamp() - holder.query_start)::float8 AS query_seconds
    FROM pg_locks AS wanted
    CROSS JOIN LATERAL unnest(pg_blocking_pids(wanted.pid)) AS blocker
    JOIN pg_stat_activity AS holder ON holder.pid = blocker
    WHERE wanted.pid = %(pid)s AND NOT wanted.granted
    ORDER BY holder.xact_start NULLS LAST, holder.pid
"""


class Holder(NamedTuple):
    """A session in the way: of what, and since when it is in its transaction and its statement.

    `wanted` is a table, or Postgres' word for the kind of a lock on something else. State and ages
    in seconds are None where this role may not see them.
    """

    wanted: str
    mode: str
    pid: int
    application: str
    role: str | None
    state: str | None
    seconds: float | None
    query_seconds: float | None

    def __str__(self) -> str:
        who = f"pid {self.pid} ({self.application}, role {self.role})"
        if self.seconds is None or self.query_seconds is None:
            return f"{who}, for how long this role may not see (it needs pg_read_all_stats)"
        return (
            f"{who}, {self.state}, in its transaction for {self.seconds:.0f} s, its last statement"
            f" began {self.query_seconds:.0f} s ago"
        )


class LockWatch:
    """While it is entered it looks ten times a second who blocks the session `pid`.

    `holders` are those of the last look that found any. A look that fails ends the watch: it tells
    more about an error, and never makes one.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.holders: list[Holder] = []
        self._url = url
        self._pid = pid
        self._ended = Event()
        self._thread = Thread(target=self._look, name="lock-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        try:
            with psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                application_name="lock-watch",
                row_factory=class_row(Holder),
            ) as connection:
                while not self._ended.wait(_LOOK_SECONDS):
                    found = connection.execute(_IN_THE_WAY, {"pid": self._pid}).fetchall()
                    self.holders = found or self.holders
        except psycopg.Error as error:
            log.warning("lock_watch_ended", error=type(error).__name__)
