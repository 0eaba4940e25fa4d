"""What time alone takes from a client: on which day each ladder loses which rung.

A fall is (day, ladder, rung): from the ordinal `day` on, the client stands on `rung` of
`rulebook.ladders[ladder]`. Each function yields its falls in order of day, lazily, by the facts
up to `counted_to`; a day may come twice when several days leave a window together (28 to 31
August, P6M), and then its last fall is the one that holds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import sub

from scoring_service.domain.digest import Digest
from scoring_service.domain.rulebook import Rulebook, Windowed
from scoring_service.domain.standing import Standing

Fall = tuple[int, int, int]

RECENCY, FREQUENCY, MONETARY = 0, 1, 2


def recency_falls(rulebook: Rulebook, now: Standing) -> Iterator[Fall]:
    """The last completed booking grows old, one period after the other."""
    periods = rulebook.recency.periods
    for rung in range(now.rungs[RECENCY] - 1, -1, -1):
        yield periods[rung].expiry(now.last), RECENCY, rung


def frequency_falls(
    digest: Digest, rulebook: Rulebook, now: Standing, today: int, counted_to: int
) -> Iterator[Fall]:
    """The oldest completed bookings leave their window."""
    days = digest.days
    first = bisect_left(days, rulebook.windows(today).frequency)
    end = bisect_right(days, counted_to, first)
    leaving = zip(days[first:end], digest.completed[first:end], strict=True)
    return _falls(rulebook.frequency, FREQUENCY, now.completed, leaving)


def monetary_falls(
    digest: Digest, rulebook: Rulebook, now: Standing, today: int, counted_to: int
) -> Iterator[Fall]:
    """The oldest payments, less what was refunded of them, leave their window."""
    days = digest.days
    first = bisect_left(days, rulebook.windows(today).monetary)
    end = bisect_right(days, counted_to, first)
    nets = map(sub, digest.settled[first:end], digest.refunded[first:end])
    leaving = zip(days[first:end], nets, strict=True)
    return _falls(rulebook.monetary, MONETARY, now.amount_minor, leaving)


def _falls(
    dimension: Windowed, ladder: int, total: int, leaving: Iterator[tuple[int, int]]
) -> Iterator[Fall]:
    cuts, rung = dimension.cuts, bisect_right(dimension.cuts, total)
    for day, value in leaving:
        total -= value
        left = bisect_right(cuts, total)
        if left != rung:
            rung = left
            yield dimension.window.expiry(day), ladder, rung
