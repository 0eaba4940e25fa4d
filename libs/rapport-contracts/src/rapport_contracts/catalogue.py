"""Which event types are on which topic, and the class of each event type."""

from types import UnionType
from typing import get_args

from rapport_contracts.canonical import (
    ActivityRecorded,
    GenerationOpened,
    HoldChanged,
    KeyChanged,
    MessageChanged,
    PracticeRegistered,
    TierChanged,
    WatermarkAdvanced,
)
from rapport_contracts.care import CareEvent
from rapport_contracts.care_signals import CareRecorded
from rapport_contracts.envelope import Envelope
from rapport_contracts.signals import SignalEvent
from rapport_contracts.source import (
    BookingCancelled,
    BookingCompleted,
    BookingCreated,
    BookingNoShow,
    BookingRequested,
    BookingRescheduled,
    PaymentChargebackReversed,
    PaymentChargedBack,
    PaymentFailed,
    PaymentRefunded,
    PaymentRefundedSoFar,
    PaymentRefundFailed,
    PaymentSettled,
)
from rapport_contracts.source_envelope import SourceEnvelope
from rapport_contracts.topics import (
    CARE_SIGNALS,
    CLIENT_ACTIVITY,
    KEYS,
    OUTREACH_EVENTS,
    PRACTICES,
    SOURCE_BOOKINGS,
    SOURCE_CARE,
    SOURCE_PAYMENTS,
    SOURCE_SIGNALS,
    TIER_CHANGES,
)


def canonical_type(event: type[Envelope]) -> str:
    """The `type` that events of this canonical class carry, such as `rapport.tier.changed.v1`."""
    return str(event.__struct_config__.tag)


def source_type(event: type[SourceEnvelope]) -> str:
    """The `type` that events of this source class carry, such as `rapport.booking.created.v1`."""
    (name,) = get_args(event.model_fields["type"].annotation)
    return str(name)


def kind_of(name: str) -> str:
    """The kind of a source event by its `type`, such as `booking.created`."""
    return name.removeprefix("rapport.").removesuffix(".v1")


CANONICAL: dict[str, dict[str, type[Envelope]]] = {
    topic.name: {canonical_type(event): event for event in events}
    for topic, events in (
        (
            CLIENT_ACTIVITY,
            (ActivityRecorded, GenerationOpened, HoldChanged, WatermarkAdvanced),
        ),
        (CARE_SIGNALS, (CareRecorded, WatermarkAdvanced)),
        (TIER_CHANGES, (TierChanged, WatermarkAdvanced)),
        (PRACTICES, (PracticeRegistered,)),
        (KEYS, (KeyChanged, WatermarkAdvanced)),
        (OUTREACH_EVENTS, (MessageChanged,)),
    )
}
"""Topic name -> event type -> class, for the events of Rapport's services."""


def _classes(events: UnionType) -> tuple[type[SourceEnvelope], ...]:
    return get_args(events)


SOURCE: dict[str, dict[str, type[SourceEnvelope]]] = {
    topic.name: {source_type(event): event for event in events}
    for topic, events in (
        (
            SOURCE_BOOKINGS,
            (
                BookingRequested,
                BookingCreated,
                BookingRescheduled,
                BookingCancelled,
                BookingCompleted,
                BookingNoShow,
            ),
        ),
        (
            SOURCE_PAYMENTS,
            (
                PaymentSettled,
                PaymentRefunded,
                PaymentRefundedSoFar,
                PaymentRefundFailed,
                PaymentFailed,
                PaymentChargedBack,
                PaymentChargebackReversed,
            ),
        ),
        (SOURCE_SIGNALS, _classes(SignalEvent)),
        (SOURCE_CARE, _classes(CareEvent)),
    )
}
"""Topic name -> event type -> class, for the events of other systems."""

ANY_SOURCE: dict[str, type[SourceEnvelope]] = {
    name: event for events in SOURCE.values() for name, event in events.items()
}
"""Event type -> class, for events by REST, where no topic has sorted them."""

EVENT_TYPES: frozenset[str] = frozenset(ANY_SOURCE).union(*CANONICAL.values())
"""Every event type that this version of the contracts knows."""
