"""`POST /v1/events`: intake over REST, by the same rules as on the bus."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import Field, SkipValidation

from ingestion_service.api.raw_body import raw_body
from ingestion_service.api.refusals import field_error, refusals_as_problems
from ingestion_service.api.schemas import MAX_EVENTS, EventsAnswer, ItemOutcome
from ingestion_service.domain.facts import PracticeId, SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.door import accept_sent
from ingestion_service.ports import Stores
from ingestion_service.queues import practice_times
from ingestion_service.remarks import count_remark
from ingestion_service.signed_records import (
    HEADER,
    Carrier,
    accept_signed,
    carrier,
    refusals,
)
from ingestion_service.translate import fact_of
from rapport_contracts.binary_mode import Headers, from_http, is_binary, whole_event
from rapport_contracts.codec import decode_source
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.examples import examples_of
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
    responses,
)

EventsBody = SkipValidation[
    SourceEvent
    | Annotated[list[SourceEvent], Field(min_length=1, max_length=MAX_EVENTS, title="Batch")]
]
"""OpenAPI shows its schema; the route decodes it event by event, as on the bus."""

_BOOKED = examples_of("rapport.booking.created.v1")["first-hour"]
_PAID = examples_of("rapport.payment.settled.v1")["first-hour"]
_EXAMPLES: dict[str, Any] = {
    "payment": {"summary": "A client has paid", "value": _PAID},
    "booking": {"summary": "A client has booked an hour", "value": _BOOKED},
    "batch": {"summary": "Several at once", "value": [_BOOKED, _PAID]},
}

_CONFLICTS = frozenset(
    {
        *("conflicting-duplicate", "other-client", "other-refunds", "chain-too-long"),
        "too-many-payments",
    }
)
"""The reasons that contradict what is stored."""


def events_router(stores: Stores) -> APIRouter:
    """The route that accepts events."""
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
        body: Annotated[EventsBody, Body(openapi_examples=_EXAMPLES)],
        raw: Annotated[bytes, Depends(raw_body)],
        request: Request,
        response: Response,
    ) -> EventsAnswer:
        """Send one event, or up to 1,000 in an array.

        Every event is a CloudEvent (structured JSON) about one booking or payment: `subject` is
        the client's id in your system, `id` is unique per `source`, `time` is when it happened.
        The order of sending does not matter: a refund may come before its payment, a cancellation
        before its booking. Sending an event again is safe: the same `id` with the same content is
        a `duplicate` and changes nothing; with other content it is a `conflicting-duplicate`. A
        booking or payment belongs to the `subject` of its first accepted event; an event that names
        another one is rejected as `other-client`. What is told later about a booking or payment may
        leave out `subject`: it is of the same client, and `parked` while that is not known: at most
        1,000 events about one booking or payment and 100,000 in all, one more is rejected as
        `too-many-parked`; after 90 days a parked one becomes a dead letter. That a booking was
        created does not undo that it was completed or missed, whatever the times say. A payment's
        refunds are told one by one or as a total; the other way is rejected as `other-refunds`. At
        most 100 bookings may take each other's place (`replaces`); one more is rejected as
        `chain-too-long`. Money counts for the client whose hours name the same package, else for
        the one whom the payment names, else for who paid (`payer`); at most 50 payments may name
        one package, one more is rejected as `too-many-payments`. A source that the practice has not
        declared is rejected as `unknown-source`. The body has at most 1 MiB.

        One event may come in binary mode: its attributes in headers (`ce-id` and so on), and the
        body is `data` alone; faults are named as in structured JSON.

        The answer lists the outcome of each event, and says of each whether it took a completed
        visit back. For an array, 207 means that some events were rejected; the others are accepted.
        For a single event, a rejection is a problem, which lists all its faults: 409 for what
        contradicts what is stored (a conflicting duplicate, another client, another way of
        refunds, a chain of bookings or a package that is full), else 422. 503: nothing was written,
        send the whole request again.
        """
        headers = from_http(request.headers.raw)
        sent: Any = _event_of(headers, body)
        items = sent if isinstance(sent, list) else [sent]
        if not 1 <= len(items) <= MAX_EVENTS:
            raise InvalidRequest(f"send 1 to {MAX_EVENTS} events, not {len(items)}")
        carried = _carrier_of(headers, request, raw)
        results = _accept(stores, PracticeId(principal.practice), items, carried)
        pairs = enumerate(zip(items, results, strict=True))
        outcomes = [_outcome(index, item, result) for index, (item, result) in pairs]
        if any(outcome.outcome == "rejected" for outcome in outcomes):
            if not isinstance(sent, list):
                raise _problem(results[0])
            response.status_code = 207
        return EventsAnswer(items=outcomes)

    return router


def _carrier_of(headers: Headers, request: Request, raw: bytes) -> Carrier:
    """What carried the events of a request; a signature is of the body alone."""
    signatures = [(HEADER, value.encode()) for value in request.headers.getlist(HEADER)]
    return carrier(signatures, raw, is_whole=not is_binary(headers))


def _event_of(headers: Headers, body: Any) -> Any:
    """The event of a request in binary mode; else the body. Raises `InvalidRequest`."""
    if not any(name.startswith("ce_") for name, _ in headers):
        return body
    try:
        return json.loads(whole_event(headers, json.dumps(body).encode()) or b"")
    except InvalidEvent as invalid:
        refused = _problem(invalid)
    raise refused


def _accept(
    stores: Stores, practice_id: PracticeId, items: Sequence[Any], carried: Carrier
) -> list[IntakeResult | InvalidEvent]:
    """Accept in one transaction the items that can be decoded; one result for each item."""
    decoded = [_decoded(item, practice_id) for item in items]
    facts = [fact for fact in decoded if isinstance(fact, SourceFact)]
    with refusals_as_problems(), stores.open(practice_id) as store:
        refused = refusals(facts, [carried] * len(facts), store)
        times = practice_times({practice_id}, store)
        accepted = accept_signed(facts, refused, lambda good: accept_sent(good, store, times))
    for fact, result in zip(facts, accepted, strict=True):
        count_remark(fact.kind, result)
    results = iter(accepted)
    return [next(results) if isinstance(fact, SourceFact) else fact for fact in decoded]


def _decoded(item: Any, practice_id: PracticeId) -> SourceFact | InvalidEvent:
    try:
        event = decode_source(None, None, json.dumps(item).encode())
        if event.practiceid != practice_id:
            return InvalidEvent("invalid-field", "not the practice of this key", "/practiceid")
        return fact_of(event)
    except InvalidEvent as invalid:
        return invalid


def _outcome(index: int, item: Any, result: IntakeResult | InvalidEvent) -> ItemOutcome:
    given_id = item.get("id") if isinstance(item, dict) else None
    return ItemOutcome(
        index=index,
        id=given_id if isinstance(given_id, str) else None,
        outcome="rejected" if isinstance(result, InvalidEvent) else result.status,
        reason=result.reason,
        pointer=result.field,
        detail=result.detail,
        took_back_visit=isinstance(result, IntakeResult) and result.took_back_visit,
    )


def _problem(rejected: IntakeResult | InvalidEvent) -> InvalidRequest | Conflict:
    reason, detail = rejected.reason or "invalid", rejected.detail or ""
    others = rejected.others if isinstance(rejected, InvalidEvent) else ()
    faults = [field_error(reason, detail, rejected.field)] if rejected.field else []
    faults += [field_error(each.reason, each.detail, each.field) for each in others if each.field]
    if reason in _CONFLICTS:
        return Conflict(detail, reason=reason, errors=faults)
    return InvalidRequest(detail, reason=reason, errors=faults)
