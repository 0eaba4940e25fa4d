"""Ingestion's time: the database's, or a simulated one that only the operator moves."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from rapport_runtime.database import fetch

_LOCK_KEY: Final = 0x0C10C7
"""The advisory lock that intake shares and that advancing the clock takes alone."""

_ALONE: Final = sa.text("SELECT pg_advisory_xact_lock(:key)")
_SHARED: Final = sa.text("SELECT pg_advisory_xact_lock_shared(:key)")
_READ: Final = sa.text("SELECT simulated_at FROM clock")
_REAL: Final = "SELECT clock_timestamp()"
_SAVE: Final = sa.text("""
    INSERT INTO clock (simulated_at) VALUES (:now)
    ON CONFLICT (is_only) DO UPDATE SET simulated_at = excluded.simulated_at
""")


class PostgresClock:
    """`ports.Clock` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def lock_clock(self) -> datetime | None:
        self._tx.execute(_ALONE, {"key": _LOCK_KEY})
        return simulated_time(self._tx)

    def save_clock(self, now: datetime) -> None:
        self._tx.execute(_SAVE, {"now": now})


def simulated_time(tx: sa.Connection) -> datetime | None:
    """Where the simulated clock stands; None before it is set."""
    return tx.execute(_READ).scalar_one_or_none()


def real_time(tx: sa.Connection) -> datetime:
    """The database's clock, now."""
    instant: datetime = fetch(tx, _REAL)[0][0]
    return instant


def hold_simulated_time(tx: sa.Connection) -> datetime | None:
    """The simulated time, which cannot advance before this transaction ends: what is accepted in
    it counts as reached by then (ARCHITECTURE §4). None before the clock is set."""
    tx.execute(_SHARED, {"key": _LOCK_KEY})
    return simulated_time(tx)
