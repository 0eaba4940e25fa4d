"""What becomes of a fact that was sent: accepted, known already, or rejected and why."""

from typing import Final, Literal, NamedTuple

RejectReason = Literal[
    "unknown-practice", "currency-mismatch", "occurred-in-the-future", "conflicting-duplicate"
]


class Outcome(NamedTuple):
    """What became of one fact. `reason`, `field` (a JSON pointer) and `detail` explain a rejection;
    `detail` never repeats a value."""

    status: Literal["accepted", "duplicate", "rejected"]
    reason: RejectReason | None = None
    field: str | None = None
    detail: str | None = None


ACCEPTED: Final = Outcome("accepted")
DUPLICATE: Final = Outcome("duplicate")
UNKNOWN_PRACTICE: Final = Outcome(
    "rejected", "unknown-practice", "/practiceid", "no practice is registered under this id"
)
IN_THE_FUTURE: Final = Outcome(
    "rejected", "occurred-in-the-future", "/time", "more than 48 hours ahead of ingestion's time"
)
OTHER_CURRENCY: Final = Outcome(
    "rejected", "currency-mismatch", "/data/currency", "not the currency of the practice"
)
CONFLICT: Final = Outcome(
    "rejected", "conflicting-duplicate", "/id", "this id was accepted with other content"
)
