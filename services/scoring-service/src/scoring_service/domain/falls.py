"""What time alone takes from a client: on which day each ladder loses which rung.

A fall is (day, ladder, rung): from the ordinal `day` on, the client stands on `rung` of
`rulebook.ladders[ladder]`. Each function yields its falls in order of day, lazily, by the facts
up to `counted_to`; a day may come twice when several days leave a window together (28 to 31
August, P6M), and then its last fall is the one that holds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date
from operator import sub

from scoring_service.domain.digest import Digest
from scoring_service.domain.rulebook import Rulebook, Windowed
from scoring_service.domain.standing import Standing

Fall = tuple[int, int, int]
Position = tuple[int, int]
"""A day, and the last day whose facts count."""

NEVER = date.max.toordinal()
RECENCY, FREQUENCY, MONETARY = 0, 1, 2


def recency_falls(rulebook: Rulebook, now: Standing, limit: int = NEVER) -> Iterator[Fall]:
    """The last completed booking grows old, one period after the other."""
    periods = rulebook.recency.periods
    for rung in range(now.rungs[RECENCY] - 1, -1, -1):
        day = periods[rung].expiry(now.last)
        if day > limit:
            return
        yield day, RECENCY, rung


def frequency_falls(
    digest: Digest, rulebook: Rulebook, now: Standing, position: Position, limit: int = NEVER
) -> Iterator[Fall]:
    """The oldest completed bookings leave their window."""
    today, counted_to = position
    days = digest.days
    first = bisect_left(days, rulebook.windows(today).frequency)
    end = bisect_right(days, counted_to, first)
    leaving = zip(days[first:end], digest.completed[first:end], strict=True)
    return _falls(rulebook.frequency, FREQUENCY, now.completed, leaving, limit)


def monetary_falls(
    digest: Digest, rulebook: Rulebook, now: Standing, position: Position, limit: int = NEVER
) -> Iterator[Fall]:
    """The oldest payments, less what was refunded of them, leave their window."""
    today, counted_to = position
    days = digest.days
    first = bisect_left(days, rulebook.windows(today).monetary)
    end = bisect_right(days, counted_to, first)
    nets = map(sub, digest.settled[first:end], digest.refunded[first:end])
    leaving = zip(days[first:end], nets, strict=True)
    return _falls(rulebook.monetary, MONETARY, now.amount_minor, leaving, limit)


def _falls(
    dimension: Windowed, ladder: int, total: int, leaving: Iterator[tuple[int, int]], limit: int
) -> Iterator[Fall]:
    cuts, expiry = dimension.cuts, dimension.window.expiry
    rung = bisect_right(cuts, total)
    for day, value in leaving:
        gone = expiry(day)
        if gone > limit:
            return
        total -= value
        left = bisect_right(cuts, total)
        if left != rung:
            rung = left
            yield gone, ladder, rung
