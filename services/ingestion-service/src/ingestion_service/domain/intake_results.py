"""The result of intake for one fact: accepted, a duplicate, or rejected with a reason."""

from typing import Final, Literal, NamedTuple

RejectReason = Literal[
    "unknown-practice",
    "unknown-source",
    "unreadable-key",
    "currency-mismatch",
    "occurred-in-the-future",
    "unsigned",
    "bad-signature",
    "conflicting-duplicate",
    "other-client",
    "other-refunds",
    "chain-too-long",
    "too-many-payments",
    "too-many-parked",
    "never-met",
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
UNREADABLE_KEY: Final = IntakeResult(
    "rejected",
    "unreadable-key",
    "/subject",
    "the clients of this source are known by e-mail address or phone number, and this is neither:"
    " send an ASCII address, or a number with its country code, such as +86",
)
UNREADABLE_PAYER: Final = UNREADABLE_KEY._replace(field="/data/payer")
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
    "this booking, payment or signal is another client's by its first accepted event: send that"
    " `subject`, or another id for it",
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
TOO_MANY_PAYMENTS: Final = IntakeResult(
    "rejected",
    "too-many-payments",
    "/data/package_id",
    "50 payments name this package already: send this one without `package_id`, or with that of"
    " another package",
)
TOO_MANY_PARKED: Final = IntakeResult(
    "rejected",
    "too-many-parked",
    "/subject",
    "1,000 events about this booking or payment wait already, and no event has said whose it is:"
    " send one that names its client, or this one with `subject`",
)
TOO_MANY_PARKED_OF_PRACTICE: Final = TOO_MANY_PARKED._replace(
    detail="100,000 events of the practice wait already for events that say whose their bookings"
    " and payments are: send those, or this one with `subject`"
)
NEVER_MET: Final = IntakeResult(
    "rejected",
    "never-met",
    "/subject",
    "for 90 days no event has said whose this booking or payment is: send one that names its"
    " client and replay this one, or drop it",
)
NEVER_ATTACHED: Final = NEVER_MET._replace(
    detail="for 90 days no client has had this id, and the source creates none: attach it to a"
    " client (PUT /v1/clients) and replay the event, or drop it"
)
