"""What a database error means: invalid data, or a failure that may pass by itself (R6)."""

import psycopg
from sqlalchemy.exc import DBAPIError

DatabaseError = (DBAPIError, psycopg.Error)
"""What a transaction raises: the first from SQLAlchemy (connecting, committing, rolling back), the
second from the driver (statements)."""

DATA_CLASSES = ("22", "23")
"""SQLSTATE classes that a record may cause: data exception, integrity constraint."""

TRANSIENT_CLASSES = ("08", "40", "53", "57", "25P03", "55P03")
"""Connection, rollback and deadlock, resources, operator intervention; a transaction that was
idle for too long (the worker was frozen); a lock that was not available."""


def is_data_error(error: Exception) -> bool:
    """Whether a record may have caused it, so that halving the batch finds the record. What the
    driver refuses to send (U+0000 in a text) has no SQLSTATE."""
    state = _sqlstate(error)
    return state.startswith(DATA_CLASSES) if state else _is_refused_unsent(error)


def describe(error: Exception) -> str:
    """The error's SQLSTATE and class, without its message, which may repeat values."""
    return f"SQLSTATE {_sqlstate(error) or 'none'} ({type(_original(error)).__name__})"


def is_transient(error: Exception) -> bool:
    """Whether the same statements may succeed later. A connection that broke has no SQLSTATE."""
    state = _sqlstate(error)
    return state.startswith(TRANSIENT_CLASSES) if state else _is_operational(error)


def _is_operational(error: Exception) -> bool:
    return isinstance(_original(error), psycopg.OperationalError | psycopg.InterfaceError)


def _is_refused_unsent(error: Exception) -> bool:
    return isinstance(_original(error), psycopg.DataError)


def _original(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _sqlstate(error: Exception) -> str:
    return getattr(_original(error), "sqlstate", None) or ""
