"""Texts that operators write and others read in lists, logs and the audit: one line, as it looks.

The documents show these patterns, so they hold only what every dialect of regular expressions
knows. In Python they are for `fullmatch` alone: there `$` also stands before a last line break.
"""

import re
from typing import Final

_BREAKS_OR_TURNS: Final = r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Control characters, what breaks a line, and what turns the direction in which it is read."""

_SIGN: Final = f"[^{_BREAKS_OR_TURNS}]"

LABEL: Final = f"^{_SIGN}{{0,100}}$"
"""100 characters at most."""

REASON: Final = rf"^{_SIGN}*[^\s{_BREAKS_OR_TURNS}]{_SIGN}*$"
"""Not blank."""


def is_label(text: str) -> bool:
    """Whether a text is one line of 100 characters at most."""
    return re.fullmatch(LABEL, text) is not None


def is_reason(text: str) -> bool:
    """Whether a text is one line that is not blank."""
    return re.fullmatch(REASON, text) is not None
