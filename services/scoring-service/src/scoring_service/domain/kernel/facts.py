"""What a client did and what is known of them, as the kernel reads it."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

COUNTS: Final = frozenset(
    {
        "booked",
        "case_closed",
        "case_completed",
        "case_opened",
        "case_transferred",
        "completed",
        "consulted",
        "engaged",
        "enquired",
        "late_cancelled",
        "no_show",
        "purchased",
        "quoted",
        "referral_converted",
        "sold",
        "visited",
    }
)
"""Kinds that are counted. `completed` may have the service's code as key; `sold` and `quoted` have
the price of an hour, in minor units. `case_closed` is each end of a case, whatever it was."""
AMOUNTS: Final = frozenset({"due", "paid", "refunded", "settled"})
"""Kinds that are sums of money, in minor units; refunds are positive."""
DERIVED_COUNTS: Final = frozenset({"cases_open"})
DERIVED_AMOUNTS: Final = frozenset({"net", "owed"})

FEEDS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "settled": (("net", 1),),
    "refunded": (("net", -1),),
    "due": (("owed", 1),),
    "paid": (("owed", -1),),
    "completed": (("visited", 1),),
    "case_opened": (("cases_open", 1),),
    "case_closed": (("cases_open", -1),),
}
"""What else a kind counts for, and with which sign: a completed hour is a visit."""


class Series(NamedTuple):
    """The net sums of one kind, ordered by day; both have one length. A sum may be zero."""

    days: list[int]
    nets: list[int]


class Said(NamedTuple):
    """A word on an attribute, of a local day. Of several, the last by (day, sequence) holds.

    `value` None takes the attribute back. `until` is the last day on which the word holds, None
    when it holds until something else is said.
    """

    day: int
    sequence: int
    value: str | None
    until: int | None = None


class Facts(Protocol):
    """Sums by (day, kind, key) and attributes; days are proleptic ordinals."""

    def series(self, kind: str) -> Series:
        """The sums of a kind over all its keys."""
        ...

    def keyed(self, kind: str) -> Mapping[str, Series]:
        """The sums of a kind by key, those without a key left out."""
        ...

    def said(self, name: str) -> Sequence[Said]:
        """All that was said on an attribute, ordered by (day, sequence)."""
        ...


_NOTHING: Final = Series([], [])


class ClientFacts:
    """The facts of one client in memory; additive, so that their order is no matter (R8)."""

    def __init__(self) -> None:
        self._sums: dict[str, Series] = {}
        self._keyed: dict[str, dict[str, Series]] = {}
        self._said: dict[str, list[Said]] = {}

    def add(self, kind: str, day: int, difference: int, key: str = "") -> None:
        """Add a signed difference to the sum of that day; ValueError for an unknown kind."""
        if kind not in COUNTS | AMOUNTS:
            raise ValueError(f"not a kind of fact: {kind!r}")
        for fed, sign in ((kind, 1), *FEEDS.get(kind, ())):
            _add(self._sums.setdefault(fed, Series([], [])), day, sign * difference)
        if key:
            _add(self._keyed.setdefault(kind, {}).setdefault(key, Series([], [])), day, difference)

    def say(self, name: str, said: Said) -> None:
        """Add a word on an attribute; one that was said already changes nothing."""
        words = self._said.setdefault(name, [])
        if said not in words:
            insort(words, said, key=lambda each: (each.day, each.sequence))

    def series(self, kind: str) -> Series:
        """See `Facts`."""
        return self._sums.get(kind, _NOTHING)

    def keyed(self, kind: str) -> Mapping[str, Series]:
        """See `Facts`."""
        return self._keyed.get(kind, {})

    def said(self, name: str) -> Sequence[Said]:
        """See `Facts`."""
        return self._said.get(name, ())


def _add(series: Series, day: int, difference: int) -> None:
    days, nets = series
    place = bisect_left(days, day)
    if place < len(days) and days[place] == day:
        nets[place] += difference
    else:
        days.insert(place, day)
        nets.insert(place, difference)
