"""From the contracts' events to the domain's objects and back; nothing else knows both."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Final, cast

from ingestion_service.domain.activities import NO_CAUSE, Activity
from ingestion_service.domain.care import CareWord
from ingestion_service.domain.facts import (
    NO_DETAILS,
    Attributes,
    Details,
    PracticeId,
    SourceFact,
    SourceKind,
    SourceObjectKind,
)
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import Hold, Opening
from ingestion_service.signed_records import Carrier, carrier
from rapport_contracts.binary_mode import Headers, is_binary, names_of, whole_event
from rapport_contracts.canonical import Activity as WireActivity
from rapport_contracts.canonical import (
    ActivityRecorded,
    CanonicalEvent,
    GenerationOpened,
    GenerationOpening,
    HoldChanged,
    KeyChanged,
    PracticeRegistered,
    Watermark,
    WatermarkAdvanced,
)
from rapport_contracts.canonical import Hold as WireHold
from rapport_contracts.canonical import Key as WireKey
from rapport_contracts.canonical import Practice as WirePractice
from rapport_contracts.care import CareData, Consent
from rapport_contracts.care_signals import CareRecorded, CareSignal
from rapport_contracts.catalogue import SOURCE as SOURCE_EVENTS
from rapport_contracts.codec import decode_source, encode
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import (
    BookingData,
    PaymentData,
    SourceEvent,
    object_id,
)
from rapport_contracts.source_envelope import SourceModel
from rapport_contracts.topics import (
    CARE_SIGNALS,
    CLIENT_ACTIVITY,
    KEYS,
    PRACTICES,
    SOURCE_CARE,
    SOURCE_SIGNALS,
    Topic,
    partition_of,
)
from rapport_runtime.bus.port import Outgoing, Record
from rapport_runtime.errors import InvalidRecord, RefusedRecord
from rapport_runtime.stream.batch import Sender

SOURCE: Final = "ingestion-service"
"""The `source` of every event that this service publishes."""

KINDS: Final[dict[str, SourceKind]] = {
    "rapport.booking.requested.v1": "requested",
    "rapport.booking.created.v1": "created",
    "rapport.booking.rescheduled.v1": "rescheduled",
    "rapport.booking.cancelled.v1": "cancelled",
    "rapport.booking.completed.v1": "completed",
    "rapport.booking.no_show.v1": "no_show",
    "rapport.payment.settled.v1": "settled",
    "rapport.payment.refunded.v1": "refunded",
    "rapport.payment.refunded_total.v1": "refunded_total",
    "rapport.payment.refund_failed.v1": "refund_failed",
    "rapport.payment.failed.v1": "failed",
    "rapport.payment.charged_back.v1": "charged_back",
    "rapport.payment.chargeback_reversed.v1": "chargeback_reversed",
    **{
        name: cast(SourceKind, name.split(".")[2])
        for topic in (SOURCE_SIGNALS, SOURCE_CARE)
        for name in SOURCE_EVENTS[topic.name]
    },
}
_CODES: Final = frozenset(
    {"counsellor_id", "package_id", "product", "service_code", "site", "units"}
)
"""The fields of a booking or payment that are its attributes."""

_NO_CODES: Final = frozenset({"signal_id", "amount_minor", "currency"})
"""The fields of a signal that are not."""

_DETAILS: Final = frozenset({*Details._fields, "refund_id", "chargeback_id"})
"""The fields that few events have."""

_MONEY: Final = frozenset({"settled", "refunded", "need_noted", "arrears_opened"})


def decode(topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> SourceFact:
    """The fact in a record of a source topic, in either mode of CloudEvents. Raises
    `InvalidRecord`."""
    try:
        return fact_of(decode_source(topic, key, whole_event(headers, value)))
    except InvalidEvent as invalid:
        kind = RefusedRecord if invalid.reason == "unknown-type" else InvalidRecord
        invalid_record = kind(invalid.reason, invalid.detail, field=invalid.field)
    raise invalid_record  # outside `except`: without a cause, which may repeat the value


def sender(value: bytes | None, headers: Headers = ()) -> Sender:
    """Whom a record names."""
    return Sender._make(names_of(headers, value))


def carrier_of(record: Record) -> Carrier:
    """What carried the fact of a record that could be decoded."""
    return carrier(record.headers, record.value, is_whole=not is_binary(record.headers))


def refusal(fact: SourceFact, result: IntakeResult) -> RefusedRecord:
    """Why a decoded fact becomes a dead letter. Where the practice is unknown, the letter has no
    owner, so that operators see it."""
    practice_id = None if result.reason == "unknown-practice" else fact.practice_id
    return RefusedRecord(
        result.reason or "rejected",
        result.detail or "",
        field=result.field,
        practice_id=practice_id,
    )


def fact_of(event: SourceEvent) -> SourceFact:
    """The fact of a decoded source event. Its client is named within the source's own namespace."""
    data = event.data
    return SourceFact(
        practice_id=PracticeId(event.practiceid),
        source=event.source,
        event_id=event.id,
        namespace=event.source,
        external_id=event.subject,
        object_kind=_object_kind(data),
        external_object_id=object_id(event),
        kind="assumed" if getattr(data, "assumed", False) else KINDS[event.type],
        occurred_at=event.time.astimezone(UTC),
        starts_at=_utc(getattr(data, "starts_at", None)),
        amount_minor=getattr(data, "amount_minor", None),
        currency=getattr(data, "currency", None),
        attributes=_attributes_of(data),
        backfill=event.backfill,
        details=_details_of(data),
    )


def _object_kind(data: SourceModel) -> SourceObjectKind:
    """What the event is about."""
    if isinstance(data, BookingData):
        return "booking"
    if isinstance(data, PaymentData):
        return "payment"
    if isinstance(data, CareData):
        return "statement" if isinstance(data, Consent) else "care"
    return "signal"


def _attributes_of(data: SourceModel) -> Attributes:
    """The codes that the event names; of a signal all that it says."""
    is_object = isinstance(data, BookingData | PaymentData)
    names = _CODES & data.model_fields_set if is_object else data.model_fields_set - _NO_CODES
    codes = [(name, getattr(data, name)) for name in names]
    return tuple(sorted((name, _code(code)) for name, code in codes if code is not None))


def _code(said: str | int | date) -> str | int:
    return said.isoformat() if isinstance(said, date) else said


def _details_of(data: SourceModel) -> Details:
    """What few events say."""
    if not data.model_fields_set & _DETAILS:
        return NO_DETAILS
    return Details(
        replaces=getattr(data, "replaces", None),
        part_id=getattr(data, "refund_id", None) or getattr(data, "chargeback_id", None),
        cancelled_by=getattr(data, "cancelled_by", None),
        cancelled_at=_utc(getattr(data, "cancelled_at", None)),
        payer=getattr(data, "payer", None),
    )


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)


def currency_of(activity: Activity) -> str | None:
    """The currency of the activity's amount; None for a kind that has no amount."""
    return activity.owner.currency if activity.delta.kind in _MONEY else None


def record_of_activity(
    activity: Activity, incarnation: str | None = None, *, is_anew: bool = False
) -> Outgoing:
    """The record for `client-activity.v1`, with the incarnation of the database. One that says an
    activity anew (`is_anew`) has an id of its own: who keeps the ids of events does not drop it."""
    owner, delta, cause = activity.owner, activity.delta, activity.cause or NO_CAUSE
    event = ActivityRecorded(
        id=f"{delta.activity_id}/{owner.generation}" if is_anew else delta.activity_id,
        source=SOURCE,
        time=activity.accepted_at,
        practiceid=owner.practice_id,
        subject=owner.client_id,
        incarnation=incarnation,
        data=WireActivity(
            client_id=owner.client_id,
            generation=owner.generation,
            sequence=activity.sequence,
            kind=delta.kind,
            on=delta.on,
            zone=owner.zone,
            count=delta.number,
            amount_minor=delta.amount_minor,
            currency=currency_of(activity),
            occurred_at=activity.occurred_at,
            accepted_at=activity.accepted_at,
            refers_to=delta.refers_to,
            starts_at=delta.starts_at,
            object_id=cause.object_id,
            source=cause.source,
            cause_id=cause.event_id,
            last_of_cause=activity.is_last_of_cause,
            backfill=cause.backfill,
            attributes=dict(delta.attributes),
            cancelled_by=delta.cancelled_by,
            cancelled_at=delta.cancelled_at,
            activity_id=delta.activity_id if is_anew else None,
        ),
    )
    return _record_of_client(CLIENT_ACTIVITY, owner.client_id, event)


def records_of_generation(
    opening: Opening, activities: Iterable[Activity], incarnation: str | None = None
) -> Iterator[Outgoing]:
    """The records of a client whose facts are said anew: the opening, and behind it the facts."""
    owner = opening.owner
    event = GenerationOpened(
        id=f"{owner.client_id}/{owner.generation}",
        source=SOURCE,
        time=opening.opened_at,
        practiceid=owner.practice_id,
        subject=owner.client_id,
        incarnation=incarnation,
        data=GenerationOpening(
            client_id=owner.client_id,
            generation=owner.generation,
            reason=opening.reason,
            facts=opening.facts,
        ),
    )
    yield _record_of_client(CLIENT_ACTIVITY, owner.client_id, event)
    for each in activities:
        yield record_of_activity(each, incarnation, is_anew=True)


def _record_of_client(topic: Topic, client_id: str, event: CanonicalEvent) -> Outgoing:
    """A record on the partition of its client."""
    partition = partition_of(client_id, topic.partitions)
    return Outgoing(topic.name, partition, client_id.encode(), encode(event))


def record_of_care(word: CareWord, incarnation: str | None = None) -> Outgoing:
    """The record for `care-signals.v1`, with the incarnation of the database."""
    event = CareRecorded(
        id=word.id,
        source=SOURCE,
        time=word.accepted_at,
        practiceid=word.practice_id,
        subject=word.client_id,
        incarnation=incarnation,
        data=CareSignal(
            client_id=word.client_id,
            sequence=word.sequence,
            kind=word.kind,
            object_id=word.object_id,
            occurred_at=word.occurred_at,
            accepted_at=word.accepted_at,
            source=word.source,
            cause_id=word.event_id,
            backfill=word.backfill,
            attributes=dict(word.attributes),
        ),
    )
    return _record_of_client(CARE_SIGNALS, word.client_id, event)


def record_of_practice(
    practice: Practice, now: datetime, incarnation: str | None = None
) -> Outgoing:
    """The record for `practices.v1`, with the incarnation of the database."""
    event = PracticeRegistered(
        id=f"{practice.practice_id}/{now.isoformat()}",
        source=SOURCE,
        time=now,
        practiceid=practice.practice_id,
        subject=practice.practice_id,
        incarnation=incarnation,
        data=WirePractice(
            practice_id=practice.practice_id,
            name=practice.name,
            zone=practice.zone,
            currency=practice.currency,
            region=practice.region,
            discreet_name=practice.discreet_name,
        ),
    )
    partition = partition_of(practice.practice_id, PRACTICES.partitions)
    return Outgoing(PRACTICES.name, partition, practice.practice_id.encode(), encode(event))


def record_of_key(key: Any, now: datetime, incarnation: str | None = None) -> Outgoing:
    """The record for `keys.v1` of a row of `shared_key`, with the incarnation of the database."""
    event = KeyChanged(
        id=f"{key.id}/{now.isoformat()}",
        source=SOURCE,
        time=now,
        practiceid=key.practice_id,
        subject=key.practice_id,
        incarnation=incarnation,
        data=WireKey(
            key_id=key.id,
            secret_sha256=key.secret_hash.hex(),
            practice_id=key.practice_id,
            scopes=tuple(key.scopes),
            label=key.label,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        ),
    )
    return Outgoing(KEYS.name, 0, key.id.encode(), encode(event))


def records_of_hold(hold: Hold, incarnation: str | None = None) -> list[Outgoing]:
    """The records that say of a practice that it is held or goes on: one for each partition of
    `client-activity.v1`, with the incarnation of the database."""
    state = "held" if hold.is_held else "released"
    said = f"{hold.hold_id}/{incarnation}/{hold.since.isoformat()}/{state}"
    data = WireHold(
        hold_id=hold.hold_id,
        reason=hold.reason,
        source=hold.source,
        held=hold.is_held,
        since=hold.since,
    )
    return [
        Outgoing(
            CLIENT_ACTIVITY.name,
            partition,
            hold.practice_id.encode(),
            encode(
                HoldChanged(
                    id=f"{said}/{partition}",
                    source=SOURCE,
                    time=hold.since,
                    practiceid=hold.practice_id,
                    subject=hold.practice_id,
                    incarnation=incarnation,
                    data=data,
                )
            ),
        )
        for partition in range(CLIENT_ACTIVITY.partitions)
    ]


def record_of_watermark(
    partition: int,
    up_to: datetime,
    last_event_id: str | None = None,
    incarnation: str | None = None,
    topic: str = CLIENT_ACTIVITY.name,
) -> Outgoing:
    """The record that one partition of the topic is complete up to `up_to`, and which event stands
    there last."""
    event = WatermarkAdvanced(
        id=f"{topic}/{partition}/{up_to.isoformat()}",
        source=SOURCE,
        time=up_to,
        incarnation=incarnation,
        data=Watermark(up_to=up_to, last_event_id=last_event_id),
    )
    return Outgoing(topic, partition, b"watermark", encode(event))
