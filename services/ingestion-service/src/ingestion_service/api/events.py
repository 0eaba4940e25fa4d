"""`POST /v1/events`: intake over REST, held to the same rules as the bus."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Response
from pydantic import Field, SkipValidation

from ingestion_service.api.refusals import answered, field_error
from ingestion_service.api.schemas import MAX_EVENTS, EventsAnswer, ItemOutcome
from ingestion_service.domain.facts import PracticeId, SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.handlers import accept
from ingestion_service.ports import Sessions
from ingestion_service.translate import fact_of
from rapport_contracts.codec import decode_source
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import SourceEvent
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    MalformedJson,
    Unauthorised,
    Unavailable,
    UnsupportedMediaType,
    responses,
)

EventsBody = SkipValidation[
    SourceEvent
    | Annotated[list[SourceEvent], Field(min_length=1, max_length=MAX_EVENTS, title="Batch")]
]
"""Shown in the document as what it is; decoded event by event, as on the bus."""


def events_router(sessions: Sessions) -> APIRouter:
    """The router with the one route."""
    router = APIRouter(prefix="/v1", tags=["events"])

    @router.post(
        "/events",
        responses={
            207: {"model": EventsAnswer, "description": "At least one of several was rejected."},
            **responses(
                MalformedJson,
                Unauthorised,
                Forbidden,
                Conflict,
                BodyTooLarge,
                InvalidRequest,
                Unavailable,
            ),
        },
    )
    def post_events(
        principal: Annotated[Principal, Depends(require_practice("events:write"))],
        body: Annotated[EventsBody, Body()],
        response: Response,
    ) -> EventsAnswer:
        """Send one event, or up to 1,000 in an array.

        Every event is a CloudEvent (structured JSON) about one booking or payment: `subject` is
        the client's id in your system, `id` is unique per `source`, `time` is when it happened.
        The order of sending does not matter: a refund may come before its payment, a cancellation
        before its booking. Sending an event again is safe: the same `id` with the same content is
        a `duplicate` and changes nothing, with other content it is `conflicting-duplicate`.

        The outcome of each event is listed. With several, 207 says that some were rejected; the
        others are accepted all the same. A single event that is rejected is a problem: 409 for a
        conflicting duplicate, else 422. 503: nothing was written, send the whole request again.
        """
        sent: Any = body
        if isinstance(sent, bytes):  # of another media type, the body is left as it came
            raise UnsupportedMediaType("send application/json")
        items = sent if isinstance(sent, list) else [sent]
        if not 1 <= len(items) <= MAX_EVENTS:
            raise InvalidRequest(f"send 1 to {MAX_EVENTS} events, not {len(items)}")
        outcomes = _take(sessions, PracticeId(principal.practice), items)
        rejected = [outcome for outcome in outcomes if outcome.outcome == "rejected"]
        if rejected and not isinstance(sent, list):
            raise _problem(rejected[0])
        if rejected:
            response.status_code = 207
        return EventsAnswer(items=outcomes)

    return router


def _take(sessions: Sessions, practice_id: PracticeId, items: Sequence[Any]) -> list[ItemOutcome]:
    """Decode what can be decoded, accept it in one transaction, and say what became of each."""
    decoded = [_decoded(item, practice_id) for item in items]
    facts = [one for one in decoded if isinstance(one, SourceFact)]
    with answered(), sessions.intake(practice_id) as (store, now):
        accepted = iter(accept(facts, store, now) if facts else [])
    return [
        _item(index, item, next(accepted) if isinstance(one, SourceFact) else one)
        for index, (item, one) in enumerate(zip(items, decoded, strict=True))
    ]


def _decoded(item: Any, practice_id: PracticeId) -> SourceFact | InvalidEvent:
    try:
        event = decode_source(None, None, json.dumps(item).encode())
        if event.practiceid != practice_id:
            return InvalidEvent("invalid-field", "not the practice of this key", "/practiceid")
        return fact_of(event)
    except InvalidEvent as invalid:
        return invalid


def _item(index: int, item: Any, outcome: IntakeResult | InvalidEvent) -> ItemOutcome:
    given = item.get("id") if isinstance(item, dict) else None
    event_id = given if isinstance(given, str) else None
    return ItemOutcome(
        index=index,
        id=event_id,
        outcome="rejected" if isinstance(outcome, InvalidEvent) else outcome.status,
        reason=outcome.reason,
        field=outcome.field,
        detail=outcome.detail,
    )


def _problem(rejected: ItemOutcome) -> InvalidRequest | Conflict:
    said = f"{rejected.reason}: {rejected.detail}"
    faults = [field_error(rejected.detail or "", rejected.field)] if rejected.field else []
    if rejected.reason == "conflicting-duplicate":
        return Conflict(said, errors=faults)
    return InvalidRequest(said, errors=faults)
