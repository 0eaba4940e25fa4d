"""Which of several statements of consent holds."""

from typing import Final

LAST_FIRST: Final = "stated_at DESC, granted, id DESC"
"""The statement that the client made last; of two made at the same time the withdrawal (L1)."""
