"""A fact as the record of a source topic that would say the same: what was parked is kept as a
fact, and a dead letter holds a record, which a replay reads again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from ingestion_service import translate
from ingestion_service.domain.facts import EventKey, SourceFact, SourceObjectKind
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.source_records import SourceRecord
from rapport_contracts.catalogue import SOURCE as SOURCE_EVENTS
from rapport_contracts.topics import (
    SOURCE_BOOKINGS,
    SOURCE_CARE,
    SOURCE_PAYMENTS,
    SOURCE_SIGNALS,
    Topic,
    partition_of,
)
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import DeadLetter, Sender

SetAside = Callable[[Any, Sequence[DeadLetter]], None]
"""Stores dead letters in a transaction."""

_TOPICS: Final[dict[SourceObjectKind, Topic]] = {
    "booking": SOURCE_BOOKINGS,
    "payment": SOURCE_PAYMENTS,
    "signal": SOURCE_SIGNALS,
    "care": SOURCE_CARE,
    "statement": SOURCE_CARE,
}
_TYPES: Final = {
    (topic, translate.KINDS[name]): name for topic, names in SOURCE_EVENTS.items() for name in names
} | {(SOURCE_BOOKINGS.name, "assumed"): "rapport.booking.completed.v1"}
_OBJECT_IDS: Final[dict[SourceObjectKind, str]] = {"booking": "booking_id", "payment": "payment_id"}
_PART_IDS: Final = {"refund": "refund_id", "chargeback": "chargeback_id"}


def letter_of(fact: SourceFact, result: IntakeResult) -> DeadLetter:
    """The dead letter of a fact that was refused, though no record of the log is at fault."""
    record = record_of(fact)
    return DeadLetter(
        TopicPartition(record.topic, record.partition),
        record,
        translate.refusal(fact, result),
        Sender(fact.practice_id, fact.source),
    )


def record_of(fact: SourceFact) -> SourceRecord:
    """The record; its offset is below zero, where the log has none, and the same each time."""
    topic = _TOPICS[fact.object_kind]
    key = (fact.external_id or fact.external_object_id).encode()
    return SourceRecord(
        topic.name,
        partition_of(key.decode(), topic.partitions),
        _offset_of(fact.event_key),
        key,
        json.dumps(_event_of(fact), ensure_ascii=False).encode(),
        (),
        int(fact.occurred_at.timestamp() * 1000),
    )


def _event_of(fact: SourceFact) -> dict[str, Any]:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": fact.event_id,
        "source": fact.source,
        "type": _TYPES[_TOPICS[fact.object_kind].name, fact.kind],
        "practiceid": fact.practice_id,
        "subject": fact.external_id,
        "time": fact.occurred_at.isoformat(),
        "backfill": fact.backfill or None,
        "data": _said(_data_of(fact)),
    }
    return _said(event)


def _data_of(fact: SourceFact) -> dict[str, Any]:
    part = fact.part_key
    details = fact.details._asdict()
    part_id = details.pop("part_id")
    at = details.pop("cancelled_at")
    return {
        _OBJECT_IDS.get(fact.object_kind, "signal_id"): fact.external_object_id,
        "starts_at": fact.starts_at and fact.starts_at.isoformat(),
        "amount_minor": fact.amount_minor,
        "currency": fact.currency,
        "assumed": True if fact.kind == "assumed" else None,
        "cancelled_at": at and at.isoformat(),
        **({} if part is None else {_PART_IDS[part.kind]: part_id}),
        **details,
        **dict(fact.attributes),
    }


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _offset_of(key: EventKey) -> int:
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
    return -1 - (int.from_bytes(digest) >> 1)
