"""`/v1/dead-letters`: list, inspect without seeing a value, replay, drop (F37)."""

import hmac
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool

from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require
from rapport_runtime.http.examples import json_example
from rapport_runtime.http.links import links
from rapport_runtime.http.paging import ANY_CURSOR, Page, PageQuery
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidCursor,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)
from rapport_runtime.http.redaction import structure
from rapport_runtime.one_line import REASON
from rapport_runtime.sealing import Keyring
from rapport_runtime.stream.dead_letters.sealed import CannotOpen, Content, opened
from rapport_runtime.stream.dead_letters.store import (
    Actor,
    DeadLetterFilter,
    DeadLetterStore,
    Order,
    ReplayPolicy,
)

READ, DECIDE = "dead-letters:read", "dead-letters:decide"
_HASH_HEX = 16
_MAX_COUNT = 10_000

State = Literal["held", "queued", "replayed", "dropped"]
Reader = Annotated[Principal, Depends(require(READ))]
Holder = Annotated[Principal, Depends(require(DECIDE))]
LetterId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[42])]
_FIRST = {"letter_id": "$response.body#/items/0/id"}
_LEADS_ON = links(200, {f"dead-letters-{each}": _FIRST for each in ("inspect", "replay", "drop")})[
    200
]
_ANY_LETTER = {
    "id": 42,
    "partition": 0,
    "offset": 10482,
    "practice_id": "lakeside",
    "reason": "invalid-field",
    "field": "/data/amount_minor",
    "detail": "Input should be greater than or equal to 0",
    "state": "held",
    "received_at": "2026-03-02T09:30:00Z",
    "decided_at": None,
}
_ANY_SHAPE = {
    "recorded_at": "2026-03-02T09:29:58Z",
    "key_bytes": 17,
    "key_hash": "9f86d081884c7d65",
    "value_bytes": 312,
    "headers": [{"name": "content-type", "bytes": 33}],
    "structure": {"id": "string", "data": {"amount_minor": "number"}},
}
Reason = Annotated[str | None, Query(max_length=100)]
Topic = Annotated[str | None, Query(max_length=249)]
AtField = Annotated[str | None, Query(max_length=300, alias="field")]
Why = Annotated[
    str | None,
    Query(max_length=500, pattern=REASON, description="For the audit; name no client."),
]


class LetterSummary(BaseModel):
    """A record that was set aside: where it was and why, without its content."""

    id: int = Field(examples=[42])
    topic: str
    partition: int = Field(examples=[0])
    offset: int = Field(examples=[10482])
    consumer_group: str
    practice_id: str | None = Field(
        description="The practice that the record names, which may be none that is known here."
        " Null when it names none.",
        examples=["lakeside"],
    )
    reason: str = Field(examples=["invalid-field"])
    field: str | None = Field(
        description="A JSON pointer to the invalid field, if it is known.",
        examples=["/data/amount_minor"],
    )
    detail: str = Field(examples=["Input should be greater than or equal to 0"])
    state: State = Field(description="queued: will be replayed by the partition's worker.")
    received_at: AwareDatetime
    decided_at: AwareDatetime | None


class HeaderShape(BaseModel):
    """A header's name and size."""

    name: str = Field(examples=["content-type"])
    bytes: int = Field(examples=[33])


class LetterShape(LetterSummary):
    """A letter in detail, redacted: sizes, a keyed hash and field names, never a value."""

    recorded_at: AwareDatetime = Field(description="The record's own timestamp.")
    key_bytes: int | None = Field(examples=[17])
    key_hash: str | None = Field(
        description="Equal for equal keys; not reversible.", examples=["9f86d081884c7d65"]
    )
    value_bytes: int | None = Field(description="Null for a tombstone.", examples=[312])
    headers: list[HeaderShape]
    structure: Any = Field(
        description="The JSON's shape with each value replaced by its type; null when it is none.",
        examples=[{"id": "string", "data": {"amount_minor": "string"}}],
    )


class ReplayRequest(BaseModel):
    """Which held letters to replay: the oldest (or newest) `count` that match."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=1, le=_MAX_COUNT, examples=[100])
    reason: str | None = Field(default=None, max_length=100, examples=["invalid-field"])
    topic: str | None = Field(default=None, max_length=249, examples=[None])
    field: str | None = Field(default=None, max_length=300, examples=["/data/amount_minor"])
    order: Order = Field(default="oldest", description="Which of them, if more than `count` match.")
    stop_after: int | None = Field(
        default=None,
        ge=1,
        le=_MAX_COUNT,
        examples=[10],
        description="When so many of these are held again, the rest is held too, untried.",
    )
    dry_run: StrictBool = Field(default=False, description="Only say how many it would be.")
    why: str | None = Field(
        default=None,
        max_length=500,
        description="For the audit; name no client.",
        examples=["the source was mended"],
    )


class ReplayAnswer(BaseModel):
    """How many were queued, or, in a dry run, would be."""

    queued: int = Field(examples=[17])
    dry_run: bool = Field(examples=[False])


class LetterOrigin(NamedTuple):
    """Where the letters of the documents' examples come from: a topic that the service reads."""

    topic: str
    consumer_group: str


def dead_letter_router(database: Database, origin: LetterOrigin, keyring: Keyring) -> APIRouter:
    """The router over the API's database. A practice's key sees that practice's letters and those
    without an owner that name it, an operator's key those without an owner. `origin` is for
    examples alone; the keyring opens what is inspected."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead-letters"])
    store = DeadLetterStore(database)
    refusals = (Unauthorised, Forbidden, Unavailable)
    decision_refusals = responses(*refusals, NotFound, Conflict)
    held = _ANY_LETTER | origin._asdict()

    @router.get(
        "",
        responses=responses(*refusals, InvalidCursor)
        | {200: _LEADS_ON | json_example({"items": [held], "next_cursor": ANY_CURSOR})},
    )
    def list_letters(
        principal: Reader,
        page: PageQuery,
        state: State | None = None,
        reason: Reason = None,
        topic: Topic = None,
        field: AtField = None,
    ) -> Page[LetterSummary]:
        """List the records that were set aside, the oldest first.

        A practice's key lists that practice's, also those that could not be decoded and name it; an
        operator's key those that could not be decoded, and those whose practice is unknown.
        """
        after = 0 if page.after is None else int(page.after[0])
        matching = DeadLetterFilter(state=state, reason=reason, topic=topic, field=field)
        rows = store.page(_actor(principal), matching, after=after, limit=page.fetch)
        return page.page([_summary(row) for row in rows], key=lambda letter: (letter.id,))

    @router.get(
        "/{letter_id:int}",
        responses=responses(*refusals, NotFound) | {200: json_example(held | _ANY_SHAPE)},
    )
    def inspect(letter_id: LetterId, principal: Reader, request: Request) -> LetterShape:
        """Get one record that was set aside, without its values.

        Sizes, a keyed hash and the names of fields show what it looks like.
        """
        row = store.get(_actor(principal), letter_id)
        if row is None:
            raise NotFound("no such letter")
        return letter_shape(row, _opened(keyring, row), request.app.state.cursor_key)

    @router.post("/replay", status_code=202, responses=responses(*refusals))
    def replay_many(body: ReplayRequest, principal: Holder) -> ReplayAnswer:
        """Queue many records that were set aside for another try.

        The oldest or newest that match; one that is still bad is held again. `dry_run` only counts.
        """
        matching = DeadLetterFilter(reason=body.reason, topic=body.topic, field=body.field)
        policy = ReplayPolicy(count=body.count, order=body.order, stop_after=body.stop_after)
        act = store.count if body.dry_run else store.queue_many
        queued = act(_actor(principal, body.why), matching, policy)
        return ReplayAnswer(queued=queued, dry_run=body.dry_run)

    @router.post(
        "/{letter_id:int}/replay",
        status_code=202,
        responses=decision_refusals | {202: json_example(held | {"state": "queued"})},
    )
    def replay(letter_id: LetterId, principal: Holder, why: Why = None) -> LetterSummary:
        """Queue one record that was set aside for another try.

        The worker that holds its partition handles it within seconds. 409 for one that was dropped.
        """
        actor = _actor(principal, why)
        return _decided(store, actor, letter_id, store.queue(actor, letter_id), "it was dropped")

    @router.post(
        "/{letter_id:int}/drop",
        responses=decision_refusals
        | {200: json_example(held | {"state": "dropped", "decided_at": "2026-03-02T10:15:00Z"})},
    )
    def drop(letter_id: LetterId, principal: Holder, why: Why = None) -> LetterSummary:
        """Drop one record that was set aside.

        It is never handled then. 409 for one that was replayed already.
        """
        actor = _actor(principal, why)
        return _decided(store, actor, letter_id, store.drop(actor, letter_id), "it was replayed")

    return router


def _actor(principal: Principal, reason: str | None = None) -> Actor:
    return Actor(name=f"key {principal.key_id}", practice_id=principal.practice_id, reason=reason)


def _decided(
    store: DeadLetterStore, actor: Actor, letter_id: int, row: Any, obstacle: str
) -> LetterSummary:
    if row is not None:
        return _summary(row)
    if store.get(actor, letter_id) is None:
        raise NotFound("no such letter")
    raise Conflict(obstacle)


def _opened(keyring: Keyring, row: Any) -> Content:
    try:
        return opened(keyring, row)
    except CannotOpen as error:
        raise Unavailable(str(error)) from error


def _summary(row: Any) -> LetterSummary:
    return LetterSummary(**_common(row))


def letter_shape(row: Any, content: Content, secret: bytes) -> LetterShape:
    """A row of `DeadLetterStore.get` and what it holds, without any value; `secret` keys the hash
    of its key."""
    return LetterShape(
        **_common(row),
        recorded_at=datetime.fromtimestamp(max(row.record_timestamp, 0) / 1000, UTC),
        key_bytes=_size(content.key),
        key_hash=_hash(secret, content.key),
        value_bytes=_size(content.value),
        headers=[
            HeaderShape(name=name, bytes=_size(value) or 0) for name, value in content.headers
        ],
        structure=structure(content.value),
    )


def _common(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.record_offset,
        "consumer_group": row.consumer_group,
        "practice_id": row.named_practice,
        "reason": row.reason,
        "field": row.field,
        "detail": row.detail,
        "state": row.state,
        "received_at": row.received_at,
        "decided_at": row.decided_at,
    }


def _size(raw: bytes | None) -> int | None:
    return None if raw is None else len(raw)


def _hash(secret: bytes, key: bytes | None) -> str | None:
    """A keyed hash: record keys are short, so a plain hash could be reversed by trying."""
    return (
        None
        if key is None
        else hmac.digest(secret, b"dead-letter" + key, "sha256").hex()[:_HASH_HEX]
    )
