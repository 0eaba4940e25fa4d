"""Simulated time from outside: set it, then wait until every service has come that far."""

import time
from collections.abc import Mapping
from datetime import date, datetime
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from rapport_devkit.api_client import ApiClient

_POLL_SECONDS = 0.02
_QUIET = 0.5
"""The part of a usual step in which nobody is asked: on two cores asking is what takes long. Steps
differ widely, so that most of one would be too long for many."""
_MOST_QUIET_SECONDS = 0.5
_MEMORY = 0.7
"""How much a usual step is the earlier ones, and not the last."""
_STEP_SECONDS = 120.0
_NOON = clock_time(12)
_CAUSAL = ("ingestion", "scoring", "outreach")


class BarrierTimeout(RuntimeError):
    """A service did not reach the time that was set; the message says which, and where it is."""


def noon(on: date, zone: str) -> datetime:
    """12:00 of a day by the zone's clock: days are stepped from noon to noon (§4)."""
    return datetime.combine(on, _NOON, ZoneInfo(zone))


class SimulatedClock:
    """Moves ingestion's time and holds until all services have followed (ARCHITECTURE §4).

    `operators` are clients with operators' keys, by service: `status:read` for all, `clock:write`
    for ingestion. Services that are not there are not waited for.
    """

    def __init__(self, operators: Mapping[str, ApiClient]) -> None:
        self._operators = operators
        self._waited = [name for name in reversed(_CAUSAL) if name in operators]
        self._usual_seconds = 0.0
        self.status: dict[str, Any] = {}

    def step(self, now: datetime, timeout_seconds: float = _STEP_SECONDS) -> None:
        """`set`, then `wait`: when it returns, everything due by `now` has happened."""
        self.set(now)
        self.wait(now, timeout_seconds)

    def set(self, now: datetime) -> None:
        """Advance ingestion's time; it cannot go back. Raises ApiProblem."""
        self._operators["ingestion"].put("/v1/clock", {"now": now.isoformat()})

    def wait(self, now: datetime, timeout_seconds: float = _STEP_SECONDS) -> None:
        """Ask until each service's business time is `now` or later; first after half of
        what that has usually taken.

        The last in the chain is asked first: once it is there, so are the others, and one answer
        each proves it. Raises BarrierTimeout.
        """
        began = time.monotonic()
        time.sleep(min(_QUIET * self._usual_seconds, _MOST_QUIET_SECONDS))
        for service in self._waited:
            while not self._has_reached(service, now):
                if time.monotonic() - began > timeout_seconds:
                    raise BarrierTimeout(self._who_is_where(now))
                time.sleep(_POLL_SECONDS)
        took = time.monotonic() - began
        self._usual_seconds += (1 - _MEMORY) * (took - self._usual_seconds)

    def lag(self) -> int | None:
        """Records not handled yet, over all services, as they said when they were last asked."""
        said = [status["lag"] for status in self.status.values() if status["lag"] is not None]
        return sum(said) if said else None

    def _has_reached(self, service: str, now: datetime) -> bool:
        self.status[service] = said = self._operators[service].get("/v1/status")
        reached = said["business_time"]
        return reached is not None and datetime.fromisoformat(reached) >= now

    def _who_is_where(self, now: datetime) -> str:
        places = [
            f"{service} is at {self._operators[service].get('/v1/status')['business_time']}"
            for service in reversed(self._waited)
        ]
        return f"waited for {now.isoformat()}; {', '.join(places)}"
