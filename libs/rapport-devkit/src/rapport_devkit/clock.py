"""Sets the simulated time and waits until every service has reached it."""

import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from rapport_devkit.api_client import ApiClient

_POLL_SECONDS = 0.02
_QUIET = 0.5
"""The share of a usual step during which no status is requested: on two cores the requests take
most of the time. Steps differ widely, so a larger share would be too long for many."""
_MOST_QUIET_SECONDS = 0.5
_MEMORY = 0.7
"""The weight of the earlier steps, and not of the last one, in a usual step."""
_STEP_SECONDS = 120.0
_NUDGE = timedelta(microseconds=1)
_NOON = clock_time(12)
_CAUSAL = ("ingestion", "scoring", "outreach")


class BarrierTimeout(RuntimeError):
    """A service did not reach the time that was set; the message has the time of each service."""


def noon(on: date, zone: str) -> datetime:
    """12:00 of a day by the zone's clock. Days are stepped from noon to noon, far from midnight."""
    return datetime.combine(on, _NOON, ZoneInfo(zone))


class SimulatedClock:
    """Advances ingestion's time and waits until all services have reached it.

    `operators` are clients with operators' keys, by service: `status:read` for all, `clock:write`
    for ingestion. It waits for these services only.
    """

    def __init__(self, operators: Mapping[str, ApiClient]) -> None:
        self._operators = operators
        self._waited = [name for name in reversed(_CAUSAL) if name in operators]
        self._usual_seconds = 0.0
        self._ever_deferred = 0
        self._nudged: datetime | None = None
        self.status: dict[str, Any] = {}

    def step(self, now: datetime, timeout_seconds: float = _STEP_SECONDS) -> None:
        """`set`, then `wait`: when it returns, everything due by `now` has happened."""
        self.set(now)
        self.wait(now, timeout_seconds)

    def set(self, now: datetime) -> None:
        """Advance ingestion's time; it cannot go back. Raises ApiProblem."""
        if self._nudged == now + _NUDGE:
            now = self._nudged
        self._operators["ingestion"].put("/v1/clock", {"now": now.isoformat()})

    def wait(self, now: datetime, timeout_seconds: float = _STEP_SECONDS) -> None:
        """Poll until each service's business time is `now` or later, and no practice's records
        wait in ingestion; the first request comes after half of the usual time.

        The last service of the chain comes first: when it has reached `now`, so have the others,
        and one request to each of them proves it. Where records have waited, `now` may have been
        published before what came of them: time then moves by a microsecond more, which comes after
        all of it. Raises BarrierTimeout.
        """
        began = time.monotonic()
        time.sleep(min(_QUIET * self._usual_seconds, _MOST_QUIET_SECONDS))
        self._wait_for_all(now, began + timeout_seconds)
        if self._has_deferred():
            self._nudged = now + _NUDGE
            self.set(self._nudged)
            self._wait_for_all(self._nudged, began + timeout_seconds)
        took = time.monotonic() - began
        self._usual_seconds += (1 - _MEMORY) * (took - self._usual_seconds)

    def _wait_for_all(self, now: datetime, deadline: float) -> None:
        for service in self._waited:
            while not self._has_reached(service, now):
                if time.monotonic() > deadline:
                    raise BarrierTimeout(self._times(now))
                time.sleep(_POLL_SECONDS)

    def _has_deferred(self) -> bool:
        """Whether ingestion has put records into queues since the last call."""
        queues = self.status.get("ingestion", {}).get("queues") or {"ever": 0}
        before, self._ever_deferred = self._ever_deferred, queues["ever"]
        return self._ever_deferred != before

    def lag(self) -> int | None:
        """Records that all services had not handled at their last status; None when none knows."""
        lags = [status["lag"] for status in self.status.values() if status["lag"] is not None]
        return sum(lags) if lags else None

    def _has_reached(self, service: str, now: datetime) -> bool:
        self.status[service] = status = self._operators[service].get("/v1/status")
        reached, queues = status["business_time"], status.get("queues")
        if queues is not None and queues["practices"]:
            return False
        return reached is not None and datetime.fromisoformat(reached) >= now

    def _times(self, now: datetime) -> str:
        places = [
            f"{service} is at {self._operators[service].get('/v1/status')['business_time']}"
            for service in reversed(self._waited)
        ]
        return f"waited for {now.isoformat()}; {', '.join(places)}"
