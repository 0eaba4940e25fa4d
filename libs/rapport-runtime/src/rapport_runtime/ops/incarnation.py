"""The incarnation of a service's database: eight hexadecimal digits, drawn when it was created and
anew after it was restored (ADR 28)."""

from collections.abc import Callable

from sqlalchemy import Connection

from rapport_runtime.database import Database, execute, fetch_value

_CURRENT = "SELECT digits FROM incarnation"
_DRAW = """
    UPDATE incarnation
    SET digits = DEFAULT, drawn_at = clock_timestamp(), older_since = NULL RETURNING digits
"""
_NOTE_OLDER = """
    UPDATE incarnation SET older_since = clock_timestamp() WHERE older_since IS NULL
"""
_FORGET_OLDER = "UPDATE incarnation SET older_since = NULL WHERE older_since IS NOT NULL"
_IS_OLDER = "SELECT older_since IS NOT NULL FROM incarnation"


def current(tx: Connection) -> str:
    """The incarnation to stamp on an event, read in the transaction that publishes it: a process
    that keeps it in memory would stamp the old one after a restore."""
    digits: str = fetch_value(tx, _CURRENT)
    return digits


def draw(tx: Connection) -> str:
    """Draw and return another incarnation; the database counts as older no more."""
    digits: str = fetch_value(tx, _DRAW)
    return digits


def note_older(tx: Connection) -> None:
    """Remember that the database is older than what it has published, for readiness and alert."""
    execute(tx, _NOTE_OLDER)


def forget_older(tx: Connection) -> None:
    """Forget it: a look has found nothing unknown."""
    execute(tx, _FORGET_OLDER)


def is_older(tx: Connection) -> bool:
    """Whether a look has found that the database is older than what it has published."""
    return bool(fetch_value(tx, _IS_OLDER))


def age_check(database: Database) -> Callable[[], str | None]:
    """A readiness check for processes that do not look themselves: what a worker found."""

    def check() -> str | None:
        with database.transaction() as tx:
            is_too_old = is_older(tx)
        return "the database is older than what it has published" if is_too_old else None

    return check
