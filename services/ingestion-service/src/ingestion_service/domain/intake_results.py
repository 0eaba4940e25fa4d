"""The result of intake for one fact: accepted, a duplicate, or rejected with a reason."""

from typing import Final, Literal, NamedTuple

RejectReason = Literal[
    "unknown-practice",
    "unknown-source",
    "currency-mismatch",
    "occurred-in-the-future",
    "unsigned",
    "bad-signature",
    "conflicting-duplicate",
    "other-client",
    "other-refunds",
    "chain-too-long",
]


class IntakeResult(NamedTuple):
    """The result for one fact. A parked one waits until the booking or payment that it is about is
    known. `reason`, `field` (a JSON pointer into the event) and `detail`
    explain a rejection and are None otherwise; `detail` never repeats a value. `took_back_visit`
    says of an accepted fact that a completed booking counts no longer because of it, and
    `overdraws` that more went back of its payment than was paid."""

    status: Literal["accepted", "duplicate", "parked", "rejected"]
    reason: RejectReason | None = None
    field: str | None = None
    detail: str | None = None
    took_back_visit: bool = False
    overdraws: bool = False


ACCEPTED: Final = IntakeResult("accepted")
TOOK_BACK_VISIT: Final = IntakeResult("accepted", took_back_visit=True)
OVERDRAWS: Final = IntakeResult("accepted", overdraws=True)
PARKED: Final = IntakeResult("parked")
DUPLICATE: Final = IntakeResult("duplicate")
UNKNOWN_PRACTICE: Final = IntakeResult(
    "rejected", "unknown-practice", "/practiceid", "no practice is registered under this id"
)
UNKNOWN_SOURCE: Final = IntakeResult(
    "rejected",
    "unknown-source",
    "/source",
    "the practice has not declared this source: declare it (PUT /v1/sources/{source}), or correct"
    " its name, and send the event again",
)
IN_THE_FUTURE: Final = IntakeResult(
    "rejected", "occurred-in-the-future", "/time", "more than 48 hours ahead of ingestion's time"
)
CANCELLED_IN_THE_FUTURE: Final = IN_THE_FUTURE._replace(field="/data/cancelled_at")
OTHER_CURRENCY: Final = IntakeResult(
    "rejected", "currency-mismatch", "/data/currency", "not the currency of the practice"
)
CONFLICT: Final = IntakeResult(
    "rejected", "conflicting-duplicate", "/id", "this id came before with other content"
)
OTHER_CLIENT: Final = IntakeResult(
    "rejected",
    "other-client",
    "/subject",
    "this booking or payment is another client's by its first accepted event: send that `subject`,"
    " or another id for the booking or payment",
)
OTHER_CLIENT_REPLACED: Final = IntakeResult(
    "rejected",
    "other-client",
    "/data/replaces",
    "the booking that this one replaces is another client's by its first accepted event: send that"
    " `subject`, or leave `replaces` out",
)
CHAIN_TOO_LONG: Final = IntakeResult(
    "rejected",
    "chain-too-long",
    "/data/replaces",
    "more than 100 bookings, with this one, would be one, each in the place of another: send it"
    " without `replaces`",
)
OTHER_REFUNDS: Final = IntakeResult(
    "rejected",
    "other-refunds",
    "/type",
    "a payment's refunds are told one by one (payment.refunded, payment.refund_failed) or as a"
    " total (payment.refunded_total), and the first accepted one of this payment was told the other"
    " way: go on in that way",
)
