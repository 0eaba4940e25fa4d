"""Why a record or a body is refused, as values for tables and problems."""

from collections.abc import Sequence
from typing import Literal

InvalidReason = Literal[
    "tombstone",
    "missing-key",
    "too-large",
    "not-utf8",
    "not-json",
    "duplicate-key",
    "unknown-type",
    "unknown-version",
    "wrong-topic",
    "invalid-field",
]
"""The closed list of reasons why a record can never be decoded."""


class InvalidEvent(ValueError):
    """A value that can never be decoded.

    `reason` is one of the closed list, `field` a JSON pointer or None, and `detail` names the fault
    without the value, which may be personal. `others` are further faults of the same value, where
    they were looked for: each a fault of a field of its own.
    """

    def __init__(
        self,
        reason: InvalidReason,
        detail: str,
        field: str | None = None,
        others: Sequence["InvalidEvent"] = (),
    ) -> None:
        super().__init__(f"{reason}: {detail}" + (f" ({field})" if field else ""))
        self.reason = reason
        self.detail = detail
        self.field = field
        self.others = tuple(others)
