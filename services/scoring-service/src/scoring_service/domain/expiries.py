"""The rungs that a client loses by time alone: on which day, on which ladder, to which rung.

An expiry is (day, ladder, rung): from the ordinal `day` on, the client stands on `rung` of
`rulebook.ladders[ladder]`. Each function yields its expiries in order of day, lazily, by the facts
up to `counted_to`, and up to the day `limit` if one is given. A day may come twice when several
days leave a window together (28 to 31 August, P6M), and then its last expiry is the one that holds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import sub

from scoring_service.domain.digest import Digest
from scoring_service.domain.rule_result import RuleResult
from scoring_service.domain.rulebook import Rulebook, Windowed

Expiry = tuple[int, int, int]
DayAndCutoff = tuple[int, int]
"""A day, and the last day whose facts count."""

RECENCY, FREQUENCY, MONETARY = 0, 1, 2


def recency_expiries(rulebook: Rulebook, now: RuleResult) -> Iterator[Expiry]:
    """The last completed booking grows old, one period after the other."""
    periods = rulebook.recency.periods
    for rung in range(now.rungs[RECENCY] - 1, -1, -1):
        yield periods[rung].expiry(now.last), RECENCY, rung


def frequency_expiries(
    digest: Digest,
    rulebook: Rulebook,
    now: RuleResult,
    day_and_cutoff: DayAndCutoff,
    limit: int | None = None,
) -> Iterator[Expiry]:
    """The oldest completed bookings leave their window."""
    today, counted_to = day_and_cutoff
    days = digest.days
    first = bisect_left(days, rulebook.windows(today).frequency)
    end = bisect_right(days, counted_to, first)
    if limit is not None:
        end = bisect_left(days, rulebook.windows(limit).frequency, first, end)
    return _expiries(
        rulebook.frequency, FREQUENCY, now.completed, days[first:end], digest.completed[first:end]
    )


def monetary_expiries(
    digest: Digest,
    rulebook: Rulebook,
    now: RuleResult,
    day_and_cutoff: DayAndCutoff,
    limit: int | None = None,
) -> Iterator[Expiry]:
    """The oldest payments, less what was refunded of them, leave their window."""
    today, counted_to = day_and_cutoff
    days = digest.days
    first = bisect_left(days, rulebook.windows(today).monetary)
    end = bisect_right(days, counted_to, first)
    if limit is not None:
        end = bisect_left(days, rulebook.windows(limit).monetary, first, end)
    nets = map(sub, digest.settled[first:end], digest.refunded[first:end])
    return _expiries(rulebook.monetary, MONETARY, now.amount_minor, days[first:end], nets)


def _expiries(
    dimension: Windowed, ladder: int, total: int, days: list[int], leaving: Iterable[int]
) -> Iterator[Expiry]:
    cuts = dimension.cuts
    rung = bisect_right(cuts, total)
    low, high = dimension.bounds[rung]
    for day, value in zip(days, leaving, strict=True):
        total -= value
        if low <= total < high:
            continue
        rung = bisect_right(cuts, total)
        low, high = dimension.bounds[rung]
        yield dimension.window.expiry(day), ladder, rung
