"""Whose fault a database error is: the data's, or nobody's for now (ARCHITECTURE §3, blame)."""

import psycopg
import sqlalchemy as sa

DatabaseError = (sa.exc.DBAPIError, psycopg.Error)
"""What statements raise: through SQLAlchemy the first, through its driver connection the second."""

DATA_CLASSES = ("22", "23")
"""SQLSTATE classes that may blame a record: data exception, integrity constraint."""

LATER_CLASSES = ("08", "40", "53", "57", "25P03", "55P03")
"""Connection, rollback and deadlock, resources, operator intervention; a transaction that was
idle for too long (we were frozen); a lock that was not to be had."""


def is_data_error(error: Exception) -> bool:
    """Whether a record may be at fault, so that halving the batch will find it. What the driver
    itself refuses to send (U+0000 in a text) has no SQLSTATE."""
    state = _sqlstate(error)
    return state.startswith(DATA_CLASSES) if state else _is_refused_unsent(error)


def describe(error: Exception) -> str:
    """What the database said, without the values that its message may repeat."""
    return f"SQLSTATE {_sqlstate(error) or 'none'} ({type(_original(error)).__name__})"


def is_transient(error: Exception) -> bool:
    """Whether the same batch may succeed later: no record is at fault. A connection that broke
    has no SQLSTATE at all."""
    state = _sqlstate(error)
    return state.startswith(LATER_CLASSES) if state else _is_operational(error)


def _is_operational(error: Exception) -> bool:
    return isinstance(_original(error), psycopg.OperationalError | psycopg.InterfaceError)


def _is_refused_unsent(error: Exception) -> bool:
    return isinstance(_original(error), psycopg.DataError)


def _original(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, sa.exc.DBAPIError) else error


def _sqlstate(error: Exception) -> str:
    return getattr(_original(error), "sqlstate", None) or ""
