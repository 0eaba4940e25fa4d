"""Why a record or a body is refused, as values that tables and problems can show."""

from typing import Literal

InvalidReason = Literal[
    "tombstone",
    "missing-key",
    "too-large",
    "not-utf8",
    "not-json",
    "unknown-type",
    "unknown-version",
    "wrong-topic",
    "invalid-field",
]
"""The closed list of reasons for which a record can never be decoded."""


class InvalidEvent(ValueError):
    """It can never be decoded: `reason` is of the closed list, `field` a JSON pointer or None,
    `detail` says what is wrong without repeating the value (it may be personal)."""

    def __init__(self, reason: InvalidReason, detail: str, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}" + (f" ({field})" if field else ""))
        self.reason = reason
        self.detail = detail
        self.field = field
