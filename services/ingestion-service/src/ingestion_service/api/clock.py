"""`/v1/clock`: simulated time, in development only."""

from typing import Annotated

from fastapi import APIRouter, Depends

from ingestion_service.api.refusals import answered
from ingestion_service.api.schemas import ClockAnswer, ClockBody
from ingestion_service.handlers import advance_clock
from ingestion_service.ports import ClockReading, Reads, Sessions
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


def clock_router(sessions: Sessions, reads: Reads) -> APIRouter:
    """Read and advance the simulated time; only mounted where it is switched on."""
    router = APIRouter(prefix="/v1", tags=["clock"])

    @router.get("/clock", responses=responses(*_DENIED))
    def get_clock(principal: Operator) -> ClockAnswer:
        """The simulated time, and whether the services behind have been told of it."""
        return _answer(reads.clock())

    @router.put("/clock", responses=responses(*_DENIED, InvalidRequest, Conflict))
    def put_clock(principal: Operator, body: ClockBody) -> ClockAnswer:
        """Advance the simulated time.

        Waits until no event is being accepted; from then on accepting uses the new time. It never
        goes back (409). Everything sent to the bus before this call should have been read when
        the answer's `state` turns `ready`: ask GET until it does, then ask scoring and outreach
        how far they are (`/v1/status`) before the next step.
        """
        with answered(), sessions.clock() as clock:
            advance_clock(body.now, clock)
        return _answer(reads.clock())

    return router


def _answer(reading: ClockReading) -> ClockAnswer:
    now, published = reading
    if now is None:
        return ClockAnswer(now=None, state="unset")
    is_ready = published is not None and published >= now
    return ClockAnswer(now=now, state="ready" if is_ready else "advancing")
