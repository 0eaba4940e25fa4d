"""Ingestion's time: the database's clock, or a simulated one that only an operator sets."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from rapport_runtime.database import execute, fetch_value

_LOCK_KEY: Final = 0x0C10C7
"""The advisory lock that intake takes shared and that setting the clock takes alone."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(%(key)s)"
_LOCK_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(%(key)s)"
_SIMULATED_TIME: Final = "SELECT simulated_at FROM clock"
_SAVE: Final = """
    INSERT INTO clock (simulated_at) VALUES (%(now)s)
    ON CONFLICT (is_only) DO UPDATE SET simulated_at = excluded.simulated_at
"""


def simulated_time(tx: sa.Connection) -> datetime | None:
    """The simulated time; None before it is set."""
    instant: datetime | None = fetch_value(tx, _SIMULATED_TIME)
    return instant


def hold_simulated_time(tx: sa.Connection) -> datetime | None:
    """The simulated time, which cannot advance before this transaction ends; None before it is
    set."""
    execute(tx, _LOCK_SHARED, {"key": _LOCK_KEY})
    return simulated_time(tx)


def lock_simulated_time(tx: sa.Connection) -> datetime | None:
    """The simulated time, which no other transaction can hold or set before this one ends; None
    before it is set."""
    execute(tx, _LOCK, {"key": _LOCK_KEY})
    return simulated_time(tx)


def save_simulated_time(tx: sa.Connection, now: datetime) -> None:
    """Set the simulated time; it is locked."""
    execute(tx, _SAVE, {"now": now})
