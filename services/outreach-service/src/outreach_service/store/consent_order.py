"""Which of several statements of consent holds."""

from typing import Final

from outreach_service.domain.consents import AHEAD

_COUNTS_AT: Final = f"""CASE
        WHEN granted OR stated_at > recorded_at + interval '{AHEAD.total_seconds():.0f} seconds'
        THEN least(stated_at, recorded_at) ELSE stated_at END"""
"""See `counts_at` of the domain."""

LAST_FIRST: Final = f"{_COUNTS_AT} DESC, granted, id DESC"
"""The statement that the client made last; of two made at the same time the withdrawal (L1)."""
