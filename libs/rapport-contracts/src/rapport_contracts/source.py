"""The events of booking and payment systems, and any event that a source may send."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from rapport_contracts.care import CareData, CareEvent, NamedCare
from rapport_contracts.ranges import EARLIEST
from rapport_contracts.signals import SignalData, SignalEvent
from rapport_contracts.source_envelope import OfClient, OfKnown, SourceModel
from rapport_contracts.values import (
    LATEST_ON,
    Amount,
    Code,
    Currency,
    Happened,
    Moment,
    Name,
    Units,
)

CancelledBy = Literal["client", "counsellor", "system"]
"""Who cancelled a booking."""


class BookingData(SourceModel):
    """The booking of the event. `booking_id` is the source's own, unique within the source.

    The others are codes of the practice, never words that say what a client comes for: who gives
    the hour, which service it is, where, what was bought (a package, a trial, a single hour), and
    the package or voucher that pays for the hour.
    """

    booking_id: Name
    counsellor_id: Code | None = None
    service_code: Code | None = None
    site: Code | None = None
    product: Code | None = None
    package_id: Name | None = None


class BookingRequest(BookingData):
    """A booking that nobody has confirmed yet; `starts_at` is when the client would like to come,
    where the source says so."""

    starts_at: Moment | None = None


class BookingTimes(BookingData):
    """A booking with the time at which it begins."""

    starts_at: Moment = Field(
        description="When the hour begins, by RFC 3339 with an offset:"
        f" {EARLIEST.date()} to {LATEST_ON} in UTC."
    )
    replaces: Name | None = Field(
        default=None,
        description="The `booking_id` that this one takes the place of, where the source gives a"
        " booking that is moved another id: both are then one booking.",
    )

    @field_validator("replaces")
    @classmethod
    def _is_another(cls, replaced: str | None, info: ValidationInfo) -> str | None:
        """Refuse a booking that takes its own place."""
        if replaced is not None and replaced == info.data.get("booking_id"):
            msg = "must be the id of another booking, or be left out"
            raise ValueError(msg)
        return replaced


class BookingCancellation(BookingData):
    """A booking that will not take place. Who cancelled it, and when, where the source says so;
    only a client's own cancellation is ever held against the client."""

    cancelled_by: CancelledBy | None = None
    cancelled_at: Happened | None = Field(
        default=None, description="When it was cancelled, if that is not `time`."
    )


class BookingCompletion(BookingData):
    """A booking whose hour took place."""

    assumed: bool = Field(
        default=False,
        strict=True,
        description="true: nobody reported it; the hour is over, and nothing else was said.",
    )


class PaymentData(SourceModel):
    """The payment of the event. `payment_id` is the source's own, unique within the source."""

    payment_id: Name


class PaymentAmount(PaymentData):
    """A payment with an amount in minor units (cents, fen) of an ISO 4217 currency; 0 is valid."""

    amount_minor: Amount
    currency: Currency


class PaymentSettlement(PaymentAmount):
    """A payment, and what it pays for: `product` is a code of the practice, `package_id` the
    package or voucher, `units` the number of hours in it."""

    product: Code | None = None
    package_id: Name | None = None
    units: Units | None = None
    payer: Name | None = Field(
        default=None,
        description="Who paid, as the source knows them, if that is not the client: a parent, a"
        " company.",
    )


class PaymentRefund(PaymentAmount):
    """What went back of a payment. `units` is the number of hours that went back with it, where a
    package is refunded by count."""

    refund_id: Name | None = Field(
        default=None, description="The refund's own id; without it, the event's `id`."
    )
    units: Units | None = None


class PaymentRefundedTotal(PaymentAmount):
    """All that has gone back of a payment so far."""


class PaymentRefundFailure(PaymentData):
    """A refund that did not arrive: `refund_id`, or the `id` of the event that told of it."""

    refund_id: Name


class PaymentChargeback(PaymentAmount):
    """What the client's bank took back of a payment."""

    chargeback_id: Name | None = Field(
        default=None, description="The chargeback's own id; without it, the event's `id`."
    )


class PaymentChargebackReversal(PaymentData):
    """A chargeback that was taken back: `chargeback_id`, or the `id` of the event that told of
    it."""

    chargeback_id: Name


class BookingRequested(OfClient):
    """Somebody asked for an hour, and nobody has confirmed it. It counts nowhere, but the client is
    there: messages that ask them to come back are not sent."""

    type: Literal["rapport.booking.requested.v1"]
    data: BookingRequest


class BookingCreated(OfClient):
    """Somebody booked an hour."""

    type: Literal["rapport.booking.created.v1"]
    data: BookingTimes


class BookingRescheduled(OfClient):
    """The hour was moved; `starts_at` is the new time."""

    type: Literal["rapport.booking.rescheduled.v1"]
    data: BookingTimes


class BookingCancelled(OfKnown):
    """The hour will not take place, or a report that it did is taken back."""

    type: Literal["rapport.booking.cancelled.v1"]
    data: BookingCancellation


class BookingCompleted(OfKnown):
    """The client came; `time` is when. One that is `assumed` holds until something else is said of
    the booking: that the client did not come, or came, or that it was cancelled or moved."""

    type: Literal["rapport.booking.completed.v1"]
    data: BookingCompletion


class BookingNoShow(OfKnown):
    """The client did not come; `time` is when they should have."""

    type: Literal["rapport.booking.no_show.v1"]
    data: BookingData


class PaymentSettled(OfKnown):
    """The money arrived. Told again, it counts on the day of the first; another amount is a
    correction. It counts for the client whose package it pays, else for the one whom it names, else
    for who paid (`payer`): it names one of the two."""

    type: Literal["rapport.payment.settled.v1"]
    data: PaymentSettlement

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        """Refuse money of which nobody knows whose it is."""
        if self.subject is None and self.data.payer is None:
            raise ValidationError.from_exception_data(
                "PaymentSettled", [{"type": "missing", "loc": ("subject",), "input": None}]
            )
        return self


class PaymentRefunded(OfKnown):
    """`amount_minor` of the payment went back; a payment may be refunded in parts."""

    type: Literal["rapport.payment.refunded.v1"]
    data: PaymentRefund


class PaymentRefundedSoFar(OfKnown):
    """`amount_minor` has gone back of the payment so far; the latest counts. A payment's refunds
    are told so or one by one, not both."""

    type: Literal["rapport.payment.refunded_total.v1"]
    data: PaymentRefundedTotal


class PaymentRefundFailed(OfKnown):
    """A refund did not arrive: it counts no longer, until it is told again, later."""

    type: Literal["rapport.payment.refund_failed.v1"]
    data: PaymentRefundFailure


class PaymentFailed(OfKnown):
    """The payment never arrived, or its settlement is taken back."""

    type: Literal["rapport.payment.failed.v1"]
    data: PaymentData


class PaymentChargedBack(OfKnown):
    """The client's bank took `amount_minor` back."""

    type: Literal["rapport.payment.charged_back.v1"]
    data: PaymentChargeback


class PaymentChargebackReversed(OfKnown):
    """The bank gave a chargeback's money back: it counts no longer, until it is told again,
    later."""

    type: Literal["rapport.payment.chargeback_reversed.v1"]
    data: PaymentChargebackReversal


BookingEvent = (
    BookingRequested
    | BookingCreated
    | BookingRescheduled
    | BookingCancelled
    | BookingCompleted
    | BookingNoShow
)
PaymentEvent = (
    PaymentSettled
    | PaymentRefunded
    | PaymentRefundedSoFar
    | PaymentRefundFailed
    | PaymentFailed
    | PaymentChargedBack
    | PaymentChargebackReversed
)
SourceEvent = Annotated[
    BookingEvent | PaymentEvent | SignalEvent | CareEvent, Field(discriminator="type")
]
"""Any event that a source may send; `type` decides which."""


def object_id(event: SourceEvent) -> str:
    """The source's own id of what the event is about: a booking, a payment or a signal. A signal
    without one has that of its event."""
    data = event.data
    if isinstance(data, BookingData):
        return data.booking_id
    if isinstance(data, PaymentData):
        return data.payment_id
    named = data.signal_id if isinstance(data, SignalData | NamedCare) else None
    return named or event.id


def object_field(event: SourceEvent) -> str:
    """The field of `data` that names what the event is about."""
    if isinstance(event.data, SignalData | CareData):
        return "signal_id"
    return "booking_id" if isinstance(event.data, BookingData) else "payment_id"


def record_key(event: SourceEvent) -> str:
    """The key of the event's record: the client's id, else that of what it is about."""
    return object_id(event) if event.subject is None else event.subject
