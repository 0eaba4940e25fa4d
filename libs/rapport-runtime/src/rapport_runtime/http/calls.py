"""How many calls a second a practice may make: a bucket for each, with the clock passed in."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from rapport_runtime.http.problems import TooManyRequests

_REMEMBERED = 10_000
_ROUNDING = 1e-6
"""Seconds by which sums of floats may be off."""

RATE_EXCEEDED = "rate-exceeded"
"""The reason in the problem of a practice that calls too often."""


class CallLimit:
    """A bucket of `per_second` calls for each holder, refilled evenly within a second.

    A holder is a practice; all operators are one. Of each only the instant is kept at which its
    bucket is full again. Memory is bounded: the 10,000 holders that called last are remembered, and
    who is forgotten has a full bucket. Each process counts for itself. For one event loop.
    """

    def __init__(self, per_second: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._apart = 1 / per_second
        self._monotonic = monotonic
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def count(self, holder: str) -> None:
        """Count a call. Raises `TooManyRequests`, with the fields `RateLimit` and
        `RateLimit-Policy`, for one too many, which is not counted."""
        now = self._monotonic()
        full_at = max(self._full_at.get(holder, now), now) + self._apart
        wait = full_at - now - 1
        if wait > _ROUNDING:
            raise self._refusal(math.ceil(wait))
        self._full_at[holder] = full_at
        self._full_at.move_to_end(holder)
        if len(self._full_at) > _REMEMBERED:
            self._full_at.popitem(last=False)

    def _refusal(self, seconds: int) -> TooManyRequests:
        return TooManyRequests(
            f"at most {self._per_second} calls a second",
            reason=RATE_EXCEEDED,
            retry_after_seconds=seconds,
            headers={
                "RateLimit-Policy": f'"practice";q={self._per_second};w=1',
                "RateLimit": f'"practice";r=0;t={seconds}',
            },
        )
