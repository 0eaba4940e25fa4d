"""The events of booking and payment systems: lenient to extra keys, errors by field."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from rapport_contracts.names import PRACTICE_ID
from rapport_contracts.ranges import (
    EARLIEST,
    EARLIEST_HAPPENED,
    LATEST,
    MAX_AMOUNT_MINOR,
    currencies,
)

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:", re.ASCII)


def _storable(text: str) -> str:
    """Refuse U+0000, which Postgres text cannot hold."""
    if "\x00" in text:
        msg = "must not contain U+0000"
        raise ValueError(msg)
    return text


def _rfc3339(value: object) -> object:
    """Refuse what pydantic would take for Unix time: numbers, and texts that hold one."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    msg = "must be a date and time of RFC 3339, as text"
    raise ValueError(msg)


def _in_range(instant: datetime) -> datetime:
    """Refuse instants whose day no reader's calendar holds."""
    if not EARLIEST <= instant < LATEST:
        msg = f"must be from {EARLIEST.date()} to {LATEST.date() - timedelta(days=1)}"
        raise ValueError(msg)
    return instant


def _of_this_age(instant: datetime) -> datetime:
    """Refuse instants before 1990; ingestion, which has a clock, refuses those too far ahead."""
    if instant < EARLIEST_HAPPENED:
        msg = f"must not be before {EARLIEST_HAPPENED.year}"
        raise ValueError(msg)
    return instant


def _of_iso_4217(code: str) -> str:
    """Refuse what is no code of ISO 4217 with a minor unit."""
    if code not in currencies():
        msg = "must be a currency code of ISO 4217, such as CNY"
        raise ValueError(msg)
    return code


Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strict=True), AfterValidator(_storable)
]
PracticeId = Annotated[str, StringConstraints(pattern=rf"^{PRACTICE_ID}$", strict=True)]
Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
Currency = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$", strict=True), AfterValidator(_of_iso_4217)
]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_range)]
Happened = Annotated[Moment, AfterValidator(_of_this_age)]

Code = Annotated[
    str, StringConstraints(min_length=1, max_length=64, strict=True), AfterValidator(_storable)
]


class SourceModel(BaseModel):
    """The base of events from outside: extra keys are allowed and ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class BookingData(SourceModel):
    """The booking of the event. `booking_id` is the source's own, unique within the source.

    The others are codes of the practice, never words that say what a client comes for: who gives
    the hour, which service it is, where, and what was bought (a package, a trial, a single hour).
    """

    booking_id: Name
    counsellor_id: Code | None = None
    service_code: Code | None = None
    site: Code | None = None
    product: Code | None = None


class BookingTimes(BookingData):
    """A booking with the time at which it begins, which may be any time."""

    starts_at: Moment


class PaymentData(SourceModel):
    """The payment of the event. `payment_id` is the source's own, unique within the source."""

    payment_id: Name


class PaymentAmount(PaymentData):
    """A payment with an amount in minor units (cents, fen) of an ISO 4217 currency; 0 is valid."""

    amount_minor: Amount
    currency: Currency


class SourceEnvelope(SourceModel):
    """CloudEvents 1.0. `id` is unique per `source`, `subject` is the client's id in that source.

    `time` is when it happened, with a zone. `backfill` says that the source reports history: no
    message answers it.
    """

    specversion: Literal["1.0"]
    id: Name
    source: Name
    practiceid: PracticeId
    subject: Name
    time: Happened
    backfill: bool = False


class BookingCreated(SourceEnvelope):
    """Somebody booked an hour."""

    type: Literal["rapport.booking.created.v1"]
    data: BookingTimes


class BookingRescheduled(SourceEnvelope):
    """The hour was moved; `starts_at` is the new time."""

    type: Literal["rapport.booking.rescheduled.v1"]
    data: BookingTimes


class BookingCancelled(SourceEnvelope):
    """The hour will not take place, or a report that it did is taken back."""

    type: Literal["rapport.booking.cancelled.v1"]
    data: BookingData


class BookingCompleted(SourceEnvelope):
    """The client came; `time` is when."""

    type: Literal["rapport.booking.completed.v1"]
    data: BookingData


class BookingNoShow(SourceEnvelope):
    """The client did not come; `time` is when they should have."""

    type: Literal["rapport.booking.no_show.v1"]
    data: BookingData


class PaymentSettled(SourceEnvelope):
    """The money arrived."""

    type: Literal["rapport.payment.settled.v1"]
    data: PaymentAmount


class PaymentRefunded(SourceEnvelope):
    """`amount_minor` of the payment went back; a payment may be refunded in parts."""

    type: Literal["rapport.payment.refunded.v1"]
    data: PaymentAmount


class PaymentFailed(SourceEnvelope):
    """The payment never arrived, or its settlement is taken back."""

    type: Literal["rapport.payment.failed.v1"]
    data: PaymentData


class PaymentChargedBack(SourceEnvelope):
    """The client's bank took `amount_minor` back."""

    type: Literal["rapport.payment.charged_back.v1"]
    data: PaymentAmount


BookingEvent = (
    BookingCreated | BookingRescheduled | BookingCancelled | BookingCompleted | BookingNoShow
)
PaymentEvent = PaymentSettled | PaymentRefunded | PaymentFailed | PaymentChargedBack
SourceEvent = Annotated[BookingEvent | PaymentEvent, Field(discriminator="type")]
"""Any event that a source may send; `type` decides which."""
