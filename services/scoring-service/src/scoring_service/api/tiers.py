"""Tiers over REST: one client's, many at once, by tier, the history, the distribution."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.direct import DirectRoute
from rapport_runtime.http.links import links
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
from scoring_service.api.feed_cursor import FeedCursorCodec
from scoring_service.api.request_coalescer import RequestCoalescer
from scoring_service.api.schemas import (
    ClientId,
    Distribution,
    HistoryLine,
    Lookup,
    LookupAnswer,
    Share,
    TierAnswer,
    TierPage,
    tier_json,
)
from scoring_service.ports import Feed, Tiers

SCOPE = "tiers:read"
Reader = Annotated[Principal, Depends(require_practice(SCOPE))]
ClientPath = Annotated[ClientId, Path(description="The client id that ingestion gave out.")]
_FIRST = {"client_id": "$response.body#/items/0/client_id"}
_ALWAYS = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
_NO_CLIENT = "this practice has no such client, or scoring has not heard of it yet"


def tier_router(tiers: Tiers, feed: Feed) -> APIRouter:
    """The routes, for keys of a practice with the scope `tiers:read`."""
    router = APIRouter(prefix="/v1", tags=["tiers"])
    _add_one_client(router, tiers)
    _add_many_clients(router, tiers)
    _add_list(router, tiers, feed)
    return router


def _add_one_client(router: APIRouter, tiers: Tiers) -> None:
    coalescer = RequestCoalescer(tiers.of_practices)

    async def tier(client_id: ClientPath, principal: Reader) -> Response:
        """A client's tier now: since when, why, and when it will change if nothing happens."""
        found = await coalescer.load(principal.practice, client_id)
        if found is None:
            raise NotFound(_NO_CLIENT)
        return Response(tier_json(found, tiers.rulebook), media_type="application/json")

    router.add_api_route(
        "/clients/{client_id}/tier",
        tier,
        response_model=TierAnswer,
        responses=responses(*_ALWAYS, NotFound),
        route_class_override=DirectRoute,
    )

    @router.get("/clients/{client_id}/history", responses=responses(*_ALWAYS, NotFound))
    def history(client_id: ClientPath, page: PageQuery, principal: Reader) -> Page[HistoryLine]:
        """Every change of a client's tier, the oldest first."""
        after = int(page.after[0]) if page.after else 0
        rows = tiers.history(principal.practice, client_id, after, page.fetch)
        if rows is None:
            raise NotFound(_NO_CLIENT)
        return page.page([HistoryLine.of(row) for row in rows], lambda line: (line.version,))


def _add_many_clients(router: APIRouter, tiers: Tiers) -> None:
    @router.post(
        "/tiers/lookup", responses=responses(*_ALWAYS) | links(200, {"tiers-tier": _FIRST})
    )
    def lookup(asked: Lookup, principal: Reader) -> LookupAnswer:
        """The tiers of up to 1,000 clients at once."""
        rows = tiers.of_clients(principal.practice, set(asked.client_ids))
        found = {row.client_id: row for row in rows}
        return LookupAnswer(
            items=[
                TierAnswer.of(found[asked_id], tiers.rulebook)
                for asked_id in asked.client_ids
                if asked_id in found
            ],
            unknown=[asked_id for asked_id in asked.client_ids if asked_id not in found],
        )

    @router.get("/distribution", responses=responses(*_ALWAYS))
    def distribution(principal: Reader) -> Distribution:
        """How many clients each tier has."""
        as_of, counts = tiers.distribution(principal.practice)
        return Distribution(
            as_of=as_of,
            rulebook=tiers.rulebook.key,
            rulebook_version=tiers.rulebook.version,
            tiers=[Share.of(count) for count in counts],
        )


def _add_list(router: APIRouter, tiers: Tiers, feed: Feed) -> None:
    @router.get(
        "/tiers/{tier}/clients",
        responses=responses(*_ALWAYS, NotFound, InvalidCursor)
        | links(200, {"tiers-tier": _FIRST, "tiers-history": _FIRST}),
    )
    def clients_of_tier(
        tier: Annotated[str, Path(max_length=50)],
        page: PageQuery,
        request: Request,
        principal: Reader,
    ) -> TierPage:
        """The clients in one tier, by client id, and the cursor from which to follow them."""
        if tier not in {known.key for known in tiers.rulebook.tiers}:
            raise NotFound("the rulebook has no such tier")
        # Before the clients are read: what is published between the two then comes twice, which
        # its version tells, and not never.
        head = feed.head(principal.practice)
        after = str(page.after[0]) if page.after else ""
        rows = tiers.in_tier(principal.practice, tier, after, page.fetch)
        answers = [TierAnswer.of(row, tiers.rulebook) for row in rows]
        listed = page.page(answers, lambda answer: (answer.client_id,))
        cursor_codec = FeedCursorCodec.of(request, principal.practice, feed.partitions)
        return TierPage(**dict(listed), changes_cursor=cursor_codec.seal(head))
