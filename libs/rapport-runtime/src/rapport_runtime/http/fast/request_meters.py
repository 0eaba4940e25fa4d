"""The counter and the histogram of a route, looked up once."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from rapport_runtime.metrics import HTTP_REQUESTS, HTTP_SECONDS


class RequestMeters(NamedTuple):
    """Count and time the requests of one method, route and status; `observe` takes seconds."""

    increment: Callable[[], None]
    observe: Callable[[float], None]


@cache
def request_meters(method: str, route: str, status: str) -> RequestMeters:
    """The meters with these labels.

    Each look-up costs more than counting and timing together. The cache is bounded, as the metrics
    are: a route is a template, never a path as sent.
    """
    return RequestMeters(
        HTTP_REQUESTS.labels(method, route, status).inc, HTTP_SECONDS.labels(method, route).observe
    )
