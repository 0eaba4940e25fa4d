"""Access to Postgres: one engine a process, one transaction a use case, limits on everything."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import URL, Connection, Engine, create_engine, make_url

from rapport_runtime.batched_reads import SEE_PRACTICE, BatchedReads, PracticeQuery

_SEE_AS_OPERATOR = "select set_config('rapport.operator', 'on', true)"


@dataclass(frozen=True, kw_only=True)
class DatabaseLimits:
    """Timeouts in milliseconds (0 = none) and in seconds, pool sizes in connections.

    A worker sets `idle_in_transaction_ms` below its session timeout, so that a frozen worker loses
    its locks before others get its partitions (R3). With `ask_first` a pooled connection is tested
    before each use, which costs a round trip: for callers that do not try again.
    """

    pool_size: int = 5
    max_overflow: int = 5
    pool_wait_seconds: float = 5.0
    connect_seconds: int = 5
    statement_ms: int = 30_000
    lock_ms: int = 10_000
    idle_in_transaction_ms: int = 10_000
    ask_first: bool = True


class Database:
    """Postgres with the role and the limits of this process.

    The first transaction connects. Parameters never show in an error's text.
    """

    def __init__(
        self, url: str, *, application_name: str, limits: DatabaseLimits | None = None
    ) -> None:
        chosen = limits or DatabaseLimits()
        address = psycopg_url(url)
        arguments = {
            "application_name": application_name,
            "connect_timeout": chosen.connect_seconds,
            "options": _options(address, chosen),
        }
        self.engine: Engine = create_engine(
            address,
            pool_size=chosen.pool_size,
            max_overflow=chosen.max_overflow,
            pool_timeout=chosen.pool_wait_seconds,
            pool_pre_ping=chosen.ask_first,
            hide_parameters=True,
            connect_args=arguments,
        )
        plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
        self._batched_reads = BatchedReads(plain, arguments)
        self._vet: Callable[[Connection], None] | None = None

    def vet(self, check: Callable[[Connection], None]) -> None:
        """Call `check` with each connection before its first transaction. What it raises, the
        transaction raises, and the connection is checked again the next time.

        Once a connection has broken, another database may answer at the same address.
        """
        self._vet = check

    @contextmanager
    def transaction(
        self, practice_id: str | None = None, *, operator: bool = False, vetted: bool = True
    ) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back by any exception.

        With `vetted=False` it also runs on a connection that was not checked (`vet`): for the last
        words of a process that has found its database at fault.
        With `practice_id` or `operator` row-level security lets the API's role see that practice,
        or the rows that a table opens to operators; without either it sees no row of a guarded
        table. The permission ends with the transaction and never stays on a pooled connection.
        """
        with self.engine.begin() as connection:
            if vetted and self._vet is not None and not connection.info.get("vetted"):
                self._vet(connection)
                connection.info["vetted"] = True
            if practice_id is not None:
                execute(connection, SEE_PRACTICE, {"practice_id": practice_id})
            if operator:
                execute(connection, _SEE_AS_OPERATOR)
            yield connection

    async def fetch_many(self, queries: Sequence[PracticeQuery]) -> list[list[Any]]:
        """The rows of each query, without a thread; see `BatchedReads.fetch_many`."""
        return await self._batched_reads.fetch_many(queries)

    def ping(self) -> str | None:
        """A readiness check: None when Postgres answers; raises what the driver raises."""
        with self.transaction() as tx:
            execute(tx, "select 1")
        return None

    def close(self) -> None:
        """Close the pooled connections and that of `fetch_many`."""
        self.engine.dispose()
        self._batched_reads.close()


def driver(connection: Connection) -> psycopg.Connection:
    """The psycopg connection beneath, in the same transaction, for COPY and binary arrays."""
    return cast("psycopg.Connection", connection.connection.driver_connection)


Parameters = Mapping[str, Any]
"""Values for a statement's placeholders: `%(name)s`, or `%(name)b` to send one in binary."""

_NUMBERS = itertools.count()
_REAL_TIME = "SELECT clock_timestamp()"
_NO_PARAMETERS: Parameters = MappingProxyType({})


def fetch(
    tx: Connection,
    statement: str,
    parameters: Parameters = _NO_PARAMETERS,
    *,
    prepare: bool | None = None,
) -> list[Any]:
    """All rows of a statement, each a named tuple of its columns.

    Every statement but migrations and the schema goes through this function and the five below:
    one placeholder style, rows by name, on the driver's own cursor (through SQLAlchemy the same
    statement costs a worker half as much again). With `prepare=False` the statement is planned
    each time, for its real arrays. Raises psycopg.Error.
    """
    with driver(tx).cursor(binary=True, row_factory=namedtuple_row) as cursor:
        return cursor.execute(statement.encode(), parameters, prepare=prepare).fetchall()


def fetch_pages(
    tx: Connection, statement: str, parameters: Parameters = _NO_PARAMETERS, *, size: int
) -> Iterator[list[Any]]:
    """The rows of a statement as `fetch` gives them, up to `size` at a time, as they were when it
    began: neither side holds all of them, and other statements may be run between two pages."""
    name = f"pages_{next(_NUMBERS)}"
    with driver(tx).cursor(name, row_factory=namedtuple_row) as cursor:
        cursor.execute(statement.encode(), parameters, binary=True)
        while rows := cursor.fetchmany(size):
            yield rows


def fetch_one(tx: Connection, statement: str, parameters: Parameters = _NO_PARAMETERS) -> Any:
    """The first row, as `fetch` gives it; None when there is none."""
    rows = fetch(tx, statement, parameters)
    return rows[0] if rows else None


def fetch_value(tx: Connection, statement: str, parameters: Parameters = _NO_PARAMETERS) -> Any:
    """The first column of the first row; None when there is no row."""
    row = fetch_one(tx, statement, parameters)
    return None if row is None else row[0]


def real_time(tx: Connection) -> datetime:
    """The time of the database's clock now, not of the transaction's start."""
    now: datetime = fetch_value(tx, _REAL_TIME)
    return now


def execute(
    tx: Connection,
    statement: str,
    parameters: Parameters = _NO_PARAMETERS,
    *,
    prepare: bool | None = None,
) -> int:
    """As `fetch`, for a statement without rows; returns how many rows it changed."""
    with driver(tx).cursor(binary=True) as cursor:
        return cursor.execute(statement.encode(), parameters, prepare=prepare).rowcount


def execute_many(tx: Connection, statement: str, rows: Sequence[Parameters]) -> None:
    """The statement once for each row of parameters, sent together. Raises psycopg.Error."""
    with driver(tx).cursor(binary=True) as cursor:
        cursor.executemany(statement.encode(), rows)


def psycopg_url(url: str) -> URL:
    """An address as people write it (`postgresql://…`), made to name psycopg 3."""
    address = make_url(url)
    if address.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError(f"not a Postgres address: {address.get_backend_name()}://…")
    return address.set(drivername="postgresql+psycopg")


def _options(address: URL, limits: DatabaseLimits) -> str:
    own = address.query.get("options", "")
    given = own if isinstance(own, str) else " ".join(own)
    return " ".join(
        [
            given,
            f"-c statement_timeout={limits.statement_ms}",
            f"-c lock_timeout={limits.lock_ms}",
            f"-c idle_in_transaction_session_timeout={limits.idle_in_transaction_ms}",
            "-c timezone=UTC",
        ]
    ).strip()
