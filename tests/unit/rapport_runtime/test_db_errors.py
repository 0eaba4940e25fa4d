"""A database error blames a record, may pass, or is neither, from the driver and SQLAlchemy."""

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from rapport_runtime.db_errors import describe, is_data_error, is_transient


def from_the_driver(error: Exception) -> Exception:
    return error


def from_sqlalchemy(error: Exception) -> Exception:
    return DBAPIError("SELECT 'secret'", None, error)


WRAPPED = pytest.mark.parametrize("wrap", [from_the_driver, from_sqlalchemy])


@WRAPPED
@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.NumericValueOutOfRange("secret"),
        psycopg.errors.UniqueViolation("secret"),
        psycopg.DataError("secret: refused by the driver, without SQLSTATE"),
    ],
)
def test_data_is_to_blame(error: Exception, wrap: Callable[[Exception], Exception]) -> None:
    assert is_data_error(wrap(error))
    assert not is_transient(wrap(error))


@WRAPPED
@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DeadlockDetected("secret"),
        psycopg.errors.AdminShutdown("secret"),
        psycopg.errors.DiskFull("secret"),
        psycopg.errors.IdleInTransactionSessionTimeout("secret"),
        psycopg.errors.LockNotAvailable("secret"),
        psycopg.OperationalError("secret: the connection broke, without SQLSTATE"),
        psycopg.InterfaceError("secret"),
    ],
)
def test_it_may_pass(error: Exception, wrap: Callable[[Exception], Exception]) -> None:
    assert is_transient(wrap(error))
    assert not is_data_error(wrap(error))


@WRAPPED
def test_a_fault_of_the_program_is_neither(wrap: Callable[[Exception], Exception]) -> None:
    error = wrap(psycopg.errors.UndefinedColumn("secret"))
    assert not is_data_error(error)
    assert not is_transient(error)


@WRAPPED
def test_a_description_repeats_no_value(wrap: Callable[[Exception], Exception]) -> None:
    error = wrap(psycopg.errors.UniqueViolation("secret"))
    assert describe(error) == "SQLSTATE 23505 (UniqueViolation)"
    assert describe(wrap(psycopg.DataError("secret"))) == "SQLSTATE none (DataError)"
