"""`/v1/freshness`, `/v1/parked` and `/v1/holds`: which source is silent, what waits, and
the holds of practices, which operators may end (ADR 53)."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.freshness import rhythm
from ingestion_service.ports import Stores
from ingestion_service.ports.freshness import (
    Decision,
    FreshnessReads,
    SourceFreshness,
)
from ingestion_service.queues import held_time
from ingestion_service.silences import end_hold
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_operator, require_practice
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import (
    Forbidden,
    InvalidCursor,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)
from rapport_runtime.ops.pause_routes import READ, WRITE, Why

_DENIED = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
_Reader = Annotated[Principal, Depends(require_practice("clients:read"))]
_ANY_HOLD = "0f53c1f3b1df4c1fb0a1b7b8f7f4a111"
HoldId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=[_ANY_HOLD])]
_DAYS_OF_RATE = 30


class FreshnessAnswer(BaseModel):
    """How fresh one source is."""

    source: str = Field(examples=["moon-gate-pay"])
    last_occurred_at: AwareDatetime | None = Field(description="When its newest event happened.")
    last_accepted_at: AwareDatetime | None
    usual_gap_days: int | None = Field(
        description="The median of the days from one day with events to the next, in the last year;"
        " null where it said nothing.",
        examples=[1],
    )
    longest_gap_days: int | None = Field(
        description="The longest of them. After twice as many days, three at the least, the source"
        " is silent; one with fewer than 30 events a year never is.",
        examples=[4],
    )
    events_last_30_days: int = Field(examples=[212])
    parked: int = Field(
        description="Events that wait for their booking or payment; counted up to 1,000 with those"
        " that were refused.",
        examples=[0],
    )
    parked_since: AwareDatetime | None = Field(examples=[None])
    refused: int = Field(
        description="Parked events that contradicted their booking or payment when it came.",
        examples=[0],
    )
    silent_since: AwareDatetime | None = Field(examples=[None])
    hold_id: str | None = Field(
        description="The hold of the practice while the source is silent: time lowers no tier.",
        examples=[None],
    )


class FreshnessAnswers(BaseModel):
    """All sources of the practice, by name."""

    items: list[FreshnessAnswer]


class ParkedAnswer(BaseModel):
    """An event that names no client, and waits for one about its booking or payment that does."""

    source: str = Field(examples=["moon-gate-pay"])
    event_id: str = Field(examples=["evt-18"])
    kind: str = Field(description="What it is about: booking or payment.", examples=["payment"])
    external_id: str = Field(description="Its id at the source.", examples=["pay-771"])
    parked_at: AwareDatetime
    age_days: int = Field(examples=[3])
    refused: str | None = Field(
        description="Why it was refused when its booking or payment came.", examples=[None]
    )


class HoldAnswer(BaseModel):
    """A practice that is held since a source of it is silent."""

    hold_id: str = Field(examples=[_ANY_HOLD])
    practice_id: str = Field(examples=["lantern-harbour"])
    source: str = Field(examples=["moon-gate-pay"])
    since: AwareDatetime


class EndBody(BaseModel):
    """Why a hold is ended."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class EndAnswer(BaseModel):
    """The hold that has ended."""

    hold_id: str = Field(examples=[_ANY_HOLD])
    practice_id: str = Field(examples=["lantern-harbour"])
    source: str = Field(examples=["moon-gate-pay"])


def freshness_router(stores: Stores, reads: FreshnessReads) -> APIRouter:
    """The routes; the first two for keys of a practice, the others for operators'."""
    router = APIRouter(prefix="/v1")
    _add_reads(router, reads)
    _add_holds(router, stores, reads)
    return router


def _add_reads(router: APIRouter, reads: FreshnessReads) -> None:
    @router.get("/freshness", tags=["clients"], responses=responses(*_DENIED))
    def sources_freshness(principal: _Reader) -> FreshnessAnswers:
        """List how fresh each source is.

        Look here when tiers stand still: while a source is silent, time lowers no tier of the
        practice.
        """
        practice_id = PracticeId(principal.practice)
        spoken: dict[str, dict[date, int]] = {}
        for each in reads.days(practice_id):
            spoken.setdefault(each.key.source, {})[each.day] = each.events
        found = reads.sources(practice_id)
        return FreshnessAnswers(
            items=[_freshness(each, spoken.get(each.source, {})) for each in found]
        )

    @router.get("/parked", tags=["clients"], responses=responses(*_DENIED, InvalidCursor))
    def list_parked(principal: _Reader, page: PageQuery) -> Page[ParkedAnswer]:
        """List the events that wait for their booking or payment.

        By source and event id. One that waits for days was sent without what it belongs to: let
        the source send that, and it is accepted by itself.
        """
        source, event_id = map(str, page.after or ("", ""))
        found = reads.parked(PracticeId(principal.practice), (source, event_id), page.fetch)
        answers = [
            ParkedAnswer(age_days=max(0, each.age.days), **_without_age(each._asdict()))
            for each in found
        ]
        return page.page(answers, lambda each: (each.source, each.event_id))


def _add_holds(router: APIRouter, stores: Stores, reads: FreshnessReads) -> None:
    @router.get("/holds", tags=["controls"], responses=responses(*_DENIED, InvalidCursor))
    def list_holds(
        _principal: Annotated[Principal, Depends(require_operator(READ))], page: PageQuery
    ) -> Page[HoldAnswer]:
        """List the practices that are held since a source is silent, by the hold's id."""
        after = str(page.after[0]) if page.after else ""
        found = [HoldAnswer(**each._asdict()) for each in reads.open_holds(after, page.fetch)]
        return page.page(found, lambda each: (each.hold_id,))

    @router.post("/holds/{hold_id}/end", tags=["controls"], responses=responses(*_DENIED, NotFound))
    def end(
        hold_id: HoldId,
        body: EndBody,
        principal: Annotated[Principal, Depends(require_operator(WRITE))],
    ) -> EndAnswer:
        """End the hold of a practice whose source stays silent.

        What was held takes effect today. The source holds its practice again only after it has
        spoken. 404 for a hold that is not open.
        """
        with refusals_as_problems(), stores.open_for_operator() as store:
            decision = Decision(f"key {principal.key_id}", body.why)
            watched = end_hold(hold_id, store, held_time(store), decision)
        return EndAnswer(hold_id=hold_id, **watched.key._asdict())


def _freshness(source: SourceFreshness, spoken: Mapping[date, int]) -> FreshnessAnswer:
    """`spoken` has the source's events by day."""
    shown = source._asdict()
    today = shown.pop("today")
    known = rhythm(spoken, today)
    recent = [events for day, events in spoken.items() if (today - day).days < _DAYS_OF_RATE]
    return FreshnessAnswer(
        usual_gap_days=known and known.usual_gap,
        longest_gap_days=known and known.longest_gap,
        events_last_30_days=sum(recent),
        **shown,
    )


def _without_age(fields: dict[str, Any]) -> dict[str, Any]:
    del fields["age"]
    return fields
