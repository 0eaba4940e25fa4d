"""`/v1/clock`: simulated time, in development only."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ingestion_service.api.refusals import refusals_as_problems
from ingestion_service.api.schemas import ClockAnswer, ClockBody
from ingestion_service.handlers import advance_clock
from ingestion_service.ports import ClockReading, Reads, Stores
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_operator
from rapport_runtime.http.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    Unauthorised,
    Unavailable,
    responses,
)

Operator = Annotated[Principal, Depends(require_operator("clock:write"))]
_DENIED = (Unauthorised, Forbidden, Unavailable)


def clock_router(stores: Stores, reads: Reads) -> APIRouter:
    """The routes that read and advance the simulated time; only where it is switched on."""
    router = APIRouter(prefix="/v1", tags=["clock"])

    @router.get("/clock", responses=responses(*_DENIED))
    def get_clock(principal: Operator) -> ClockAnswer:
        """Get the simulated time.

        `state` says whether a watermark has told the other services of it.
        """
        return _answer(reads.clock())

    @router.put("/clock", responses=responses(*_DENIED, InvalidRequest, Conflict))
    def put_clock(principal: Operator, body: ClockBody) -> ClockAnswer:
        """Advance the simulated time.

        The call waits until no event is being accepted; events are then accepted at the new time.
        Time never goes back (409). When `state` is `ready`, everything that was sent to the bus
        before this call has been read: repeat GET until then, and before the next step see in
        `/v1/status` of scoring and outreach how far they are.
        """
        with refusals_as_problems(), stores.open_for_operator() as store:
            advance_clock(body.now, store)
        return _answer(reads.clock())

    return router


def _answer(reading: ClockReading) -> ClockAnswer:
    now, published = reading
    if now is None:
        return ClockAnswer(now=None, state="unset")
    is_ready = published is not None and published >= now
    return ClockAnswer(now=now, state="ready" if is_ready else "advancing")
