"""Why a webhook is refused; neither error repeats a value of it."""

from typing import Literal

SignatureReason = Literal[
    "missing", "repeated", "malformed", "too-old", "too-new", "unknown-key", "mismatch"
]
"""The closed list of reasons why a webhook is not taken for its sender's."""


class SignatureRefused(Exception):
    """The webhook does not prove that its sender sent it, now and unaltered.

    `reason` is one of the closed list, `detail` says what is wrong and the way out.
    """

    def __init__(self, reason: SignatureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Unreadable(Exception):
    """The webhook says something that cannot be read for certain, so nothing of it is taken.

    `field` is a JSON pointer into the body ("" is the body itself; of an encrypted part it goes on
    behind the pointer to the part), `reason` says what is wrong there, `way_out` what to do.
    """

    def __init__(self, field: str, reason: str, way_out: str) -> None:
        super().__init__(f"{field or 'the body'} {reason}: {way_out}")
        self.field = field
        self.reason = reason
        self.way_out = way_out
