"""Run a service altered: `python -m tests.support.servers.altered ALTERATION MODULE [ARG ...]`.

`older`: the build before payments could be taken back; it knows no `rapport.payment.refunded.v1`.
`skewed:SECONDS`: this process's own clock is so many seconds ahead.
`jumping:SECONDS`: it is now that much ahead, now that much behind, second by second.
No image carries the tests, so no production process can be started this way.
"""

import runpy
import sys
import time
from collections.abc import Callable

from rapport_contracts import catalogue

REFUND = "rapport.payment.refunded.v1"


def main(argv: list[str]) -> None:
    """Alter what the first word says, then become `python -m` of the rest."""
    how, _, seconds = argv[0].partition(":")
    if how == "older":
        _forget_refunds()
    elif how == "skewed":
        _turn_clock(lambda _now: float(seconds))
    elif how == "jumping":
        _turn_clock(lambda now: float(seconds) if int(now) % 2 else -float(seconds))
    else:
        sys.exit(__doc__)
    sys.argv = argv[1:]
    runpy.run_module(argv[1], run_name="__main__", alter_sys=True)


def _forget_refunds() -> None:
    """Before anybody else has read the catalogue."""
    for known in (*catalogue.SOURCE.values(), catalogue.ANY_SOURCE):
        known.pop(REFUND, None)
    catalogue.EVENT_TYPES -= {REFUND}


def _turn_clock(skew: Callable[[float], float]) -> None:
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + skew(right())
    time.time_ns = lambda: right_ns() + int(skew(right()) * 1e9)


if __name__ == "__main__":
    main(sys.argv[1:])
