"""Tiers over REST: of one client, of many, by tier; a client's history; the distribution."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from rapport_runtime.http.links import links
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import InvalidCursor, NotFound, responses
from scoring_service.api.fast.tier_route import add_tier_route
from scoring_service.api.feed_cursor import FeedCursorCodec
from scoring_service.api.reader import (
    ALWAYS,
    NO_CLIENT,
    ClientPath,
    Reader,
    SchemeQuery,
    known_scheme,
)
from scoring_service.api.schemas import (
    Distribution,
    HistoryLine,
    Lookup,
    LookupAnswer,
    Share,
    TierAnswer,
    TierPage,
)
from scoring_service.handlers import TierAssessor
from scoring_service.ports import Feed, StoredTier, Tiers

_FIRST = {"client_id": "$response.body#/items/0/client_id"}


def tier_router(tiers: Tiers, feed: Feed, assessor: TierAssessor) -> APIRouter:
    """The routes, for keys of a practice with the scope `tiers:read`."""
    router = APIRouter(prefix="/v1", tags=["tiers"])
    add_tier_route(router, tiers, assessor)
    _add_history(router, tiers, assessor)
    _add_many_clients(router, tiers, assessor)
    _add_list(router, tiers, feed, assessor)
    return router


def _answer(stored: StoredTier, assessor: TierAssessor) -> TierAnswer:
    return TierAnswer.of(assessor.tier(stored))


def _add_history(router: APIRouter, tiers: Tiers, assessor: TierAssessor) -> None:
    @router.get("/clients/{client_id}/history", responses=responses(*ALWAYS, NotFound))
    def history(
        client_id: ClientPath, page: PageQuery, principal: Reader, scheme: SchemeQuery = None
    ) -> Page[HistoryLine]:
        """List every change of a client's tier in one scheme, the oldest first.

        The list is only ever added to; `version` counts up from 1 without a gap.
        """
        known = known_scheme(scheme, assessor.rulebook)
        after = int(page.after[0]) if page.after else 0
        rows = tiers.history(principal.practice, client_id, known, after, page.fetch)
        if rows is None:
            raise NotFound(NO_CLIENT)
        return page.page([HistoryLine.of(row) for row in rows], lambda line: (line.version,))


def _add_many_clients(router: APIRouter, tiers: Tiers, assessor: TierAssessor) -> None:
    @router.post(
        "/tiers/lookup",
        responses=responses(*ALWAYS, NotFound) | links(200, {"tiers-tier": _FIRST}),
    )
    def lookup(wanted: Lookup, principal: Reader) -> LookupAnswer:
        """Get the tiers of up to 1,000 clients at once.

        Ids without a client in this practice are listed under `unknown`.
        """
        known_scheme(wanted.scheme, assessor.rulebook)
        rows = tiers.of_clients(principal.practice, set(wanted.client_ids))
        found = {row.client_id: row for row in rows}
        return LookupAnswer(
            items=[
                _answer(found[client_id], assessor)
                for client_id in wanted.client_ids
                if client_id in found
            ],
            unknown=[client_id for client_id in wanted.client_ids if client_id not in found],
        )

    @router.get("/distribution", responses=responses(*ALWAYS, NotFound))
    def distribution(principal: Reader, scheme: SchemeQuery = None) -> Distribution:
        """Count the clients in each tier of a scheme.

        Clients whose tier is not known yet are not counted.
        """
        rulebook = assessor.rulebook
        known = known_scheme(scheme, rulebook)
        as_of, clients = tiers.counts(principal.practice)
        return Distribution(
            as_of=as_of,
            scheme=known,
            rulebook_version=rulebook.version,
            primary=True,
            tiers=[Share.of(tier, clients.get(tier.key, 0)) for tier in rulebook.tiers],
        )


def _add_list(router: APIRouter, tiers: Tiers, feed: Feed, assessor: TierAssessor) -> None:
    @router.get(
        "/tiers/{tier}/clients",
        responses=responses(*ALWAYS, NotFound, InvalidCursor)
        | links(200, {"tiers-tier": _FIRST, "tiers-history": _FIRST}),
    )
    def clients_of_tier(
        tier: Annotated[str, Path(max_length=50, examples=["gold"])],
        page: PageQuery,
        request: Request,
        principal: Reader,
        scheme: SchemeQuery = None,
    ) -> TierPage:
        """List the clients in one tier, by client id.

        Each comes with its tier's explanation. With `changes_cursor` go on to `/v1/tier-changes`,
        and no change after this list is missed.
        """
        known_scheme(scheme, assessor.rulebook)
        if tier not in {known.key for known in assessor.rulebook.tiers}:
            raise NotFound("the rulebook has no such tier")
        # Before the clients are read: a change that is published between the two reads then comes
        # twice, which its version shows, and is not missed.
        head = feed.head(principal.practice)
        after = str(page.after[0]) if page.after else ""
        rows = tiers.in_tier(principal.practice, tier, after, page.fetch)
        answers = [_answer(row, assessor) for row in rows]
        listed = page.page(answers, lambda answer: (answer.client_id,))
        cursor_codec = FeedCursorCodec.of(request, principal.practice, feed)
        return TierPage(**dict(listed), changes_cursor=cursor_codec.seal(head))
