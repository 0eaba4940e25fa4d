"""The route itself, and the JSON of its answer."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import TypeAdapter

from rapport_runtime.http.fast.direct_route import DirectRoute
from rapport_runtime.http.problems import NotFound, responses
from scoring_service.api.fast.request_coalescer import RequestCoalescer
from scoring_service.api.reader import (
    ALWAYS,
    NO_CLIENT,
    ClientPath,
    Reader,
    SchemeQuery,
    known_scheme,
)
from scoring_service.api.schemas import TierAnswer, tier_fields
from scoring_service.handlers import TierAssessor
from scoring_service.ports import ClientTier, Tiers

_PLAIN = TypeAdapter(dict[str, Any])


def add_tier_route(router: APIRouter, tiers: Tiers, assessor: TierAssessor) -> None:
    """Add `GET /clients/{client_id}/tier` to the router."""
    coalescer = RequestCoalescer(tiers.of_practices)

    async def tier(
        client_id: ClientPath, principal: Reader, scheme: SchemeQuery = None
    ) -> Response:
        """Get a client's tier: since when, why, and when it will change if nothing happens.

        It is computed for `as_of`, and `explanation` names each line of the rulebook that counts.
        404 for a client that scoring has not heard of yet.
        """
        stored = await coalescer.load(principal.practice, client_id)
        if stored is None:
            raise NotFound(NO_CLIENT)
        # After the database has answered: the first request of a process reads the rulebooks.
        known_scheme(scheme, assessor.rulebook)
        content = tier_json(assessor.tier(stored))
        return Response(content, media_type="application/json")

    router.add_api_route(
        "/clients/{client_id}/tier",
        tier,
        response_model=TierAnswer,
        responses=responses(*ALWAYS, NotFound),
        route_class_override=DirectRoute,
    )


def tier_json(tier: ClientTier) -> bytes:
    """The JSON of `TierAnswer.of`, byte by byte, without making the models: they take longer than
    all the rest of the request."""
    return _PLAIN.dump_json(tier_fields(tier))
