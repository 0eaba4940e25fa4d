"""Events of the bus to values of the domain and back; nothing else knows both."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rapport_contracts import canonical, codec, topics
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.names import names_in
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.errors import InvalidRecord, RefusedRecord
from rapport_runtime.stream.batch import Sender, Watermark
from scoring_service.domain.assess import NextTransition
from scoring_service.domain.explain import Line, score_decimal
from scoring_service.domain.facts import (
    KNOWN_KINDS,
    Fact,
    FactRefused,
    Numbered,
    Opening,
    Skipped,
)
from scoring_service.domain.rulebook import Rulebook
from scoring_service.ports import ClientKey, Hold, TierTransition

SOURCE = "scoring-service"


Event = canonical.CanonicalEvent | canonical.UnknownEvent


def decode(topic: str, key: bytes | None, value: bytes | None) -> Event | Watermark:
    """The event in a record, or the time that it carries. Raises `InvalidRecord`."""
    try:
        event = codec.decode(topic, key, value)
    except InvalidEvent as error:
        raise InvalidRecord(error.reason, error.detail, field=error.field) from error
    if isinstance(event, canonical.WatermarkAdvanced):
        return Watermark(event.data.up_to, event.incarnation)
    return event


def sender(value: bytes | None) -> Sender:
    """Whom the value of a record names."""
    return Sender._make(names_in(value))


def numbered(event: canonical.ActivityRecorded) -> Numbered:
    """The fact that an activity carries; of a kind that scoring does not know, its number alone."""
    data = event.data
    if data.kind not in KNOWN_KINDS:
        cause = data.source, data.cause_id, data.last_of_cause
        return Skipped(data.generation, data.sequence, event.incarnation, *cause)
    # By position, in the order of the class: by name it takes a quarter longer, for every record.
    return Fact(
        data.activity_id or event.id,
        data.generation,
        data.sequence,
        data.kind,
        data.on,
        data.zone,
        data.count,
        data.amount_minor,
        data.occurred_at,
        data.accepted_at,
        data.refers_to,
        event.incarnation,
        data.backfill,
        data.source,
        data.cause_id,
        data.last_of_cause,
        data.object_id,
        data.attributes,
        data.starts_at,
        data.cancelled_by,
        data.cancelled_at,
    )


def skipped(event: canonical.UnknownEvent) -> tuple[ClientKey, Skipped] | None:
    """Whose sequence an event of an unknown type goes on, and with what number; None when it does
    not say so. One without a generation is of the first."""
    practice_id, client_id = event.practice_id, event.client_id
    if practice_id is None or client_id is None or event.sequence is None:
        return None
    key = ClientKey(practice_id, client_id)
    return key, Skipped(event.generation or 1, event.sequence, event.incarnation)


def practice(event: canonical.PracticeRegistered) -> dict[str, Any]:
    """The columns of a practice, as `Store.save_practice` takes them."""
    data = event.data
    return {
        "practice_id": data.practice_id,
        "name": data.name,
        "zone": data.zone,
        "currency": data.currency,
        "said_at": event.time,
    }


def hold(event: canonical.HoldChanged, partition: int, reached: datetime | None = None) -> Hold:
    """A hold as a partition's log tells it, at the business time `reached`."""
    data = event.data
    return Hold(
        practice_id=event.practiceid,
        partition=partition,
        hold_id=data.hold_id,
        reason=data.reason,
        incarnation=event.incarnation,
        since=data.since,
        source=data.source,
        reached=reached,
    )


def refusal(practice_id: str, error: FactRefused) -> RefusedRecord:
    """Why a record becomes a dead letter whose fact was refused."""
    return RefusedRecord(
        "fact-refused", error.reason, field=f"/data/{error.field}", practice_id=practice_id
    )


def opening(event: canonical.GenerationOpened) -> tuple[ClientKey, Opening]:
    """Whose facts are said anew, as which generation, how many and why."""
    data = event.data
    key = ClientKey(event.practiceid, data.client_id)
    return key, Opening(data.generation, data.facts, data.reason, event.time)


def tier_changed(rulebook: Rulebook) -> Callable[[TierTransition, str | None], Outgoing]:
    """The encoder of tier changes under one rulebook, whose key is the one scheme, and the primary
    one. The id of an event depends on its client, scheme and version alone, so reading a log again
    gives the same ids."""
    ranks = {tier.key: rank for rank, tier in enumerate(rulebook.tiers)}

    def encode(transition: TierTransition, incarnation: str | None = None) -> Outgoing:
        state, change = transition.state, transition.change
        event = canonical.TierChanged(
            id=f"{state.practice_id}.{state.client_id}.{rulebook.key}.{change.version}",
            source=SOURCE,
            time=change.effective_at,
            practiceid=state.practice_id,
            subject=state.client_id,
            causationid=change.activity_id,
            incarnation=incarnation,
            data=canonical.TierChange(
                client_id=state.client_id,
                scheme=rulebook.key,
                version=change.version,
                rulebook_version=rulebook.version,
                primary=True,
                from_tier=change.from_tier,
                from_rank=None if change.from_tier is None else ranks.get(change.from_tier),
                to_tier=change.to_tier,
                to_rank=ranks.get(change.to_tier),
                direction=change.direction,
                reason=change.reason,
                origin=change.origin,
                effective_at=change.effective_at,
                due_on=change.due_on,
                happened_at=change.happened_at,
                activity_id=change.activity_id,
                score=score_decimal(change.score),
                explanation=tuple(map(_line, change.explanation)),
                next_transition=_next(transition.next_transition),
                zone=state.zone,
            ),
        )
        return Outgoing(
            topics.TIER_CHANGES.name, state.partition, state.client_id.encode(), codec.encode(event)
        )

    return encode


def watermark(
    partition: int,
    up_to: datetime,
    last_event_id: str | None = None,
    incarnation: str | None = None,
) -> Outgoing:
    """The watermark of a partition: all its tier changes up to `up_to` are before this record, and
    `last_event_id` is the last of them."""
    event = canonical.WatermarkAdvanced(
        id=uuid.uuid4().hex,
        source=SOURCE,
        time=up_to,
        incarnation=incarnation,
        data=canonical.Watermark(up_to=up_to, last_event_id=last_event_id),
    )
    return Outgoing(topics.TIER_CHANGES.name, partition, b"watermark", codec.encode(event))


def _line(line: Line) -> canonical.Line:
    return canonical.Line(
        line=line.line, input=line.input, value=line.value, points=line.points, until=line.until
    )


def _next(coming: NextTransition | None) -> canonical.NextTransition | None:
    if coming is None:
        return None
    return canonical.NextTransition(
        at=coming.at,
        from_tier=coming.from_tier,
        to_tier=coming.to_tier,
        direction=coming.direction,
        because=canonical.Because(line=coming.because.line, input=coming.because.input),
        assumes=coming.assumes,
        rulebook_version=coming.rulebook_version,
    )
