"""What a client did and what is known of them, as the kernel reads it."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, methodcaller
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
    """A word on an attribute, of a local day. Of several, the last by (day, at, sequence) holds.

    `value` None takes the attribute back. `until` is the last day on which the word holds, None
    when it holds until something else is said. `at` is when it was said, in microseconds since
    1970, and `mark` names the activity that said it, so that it can be taken back; 0 for neither.
    """

    day: int
    sequence: int
    value: str | None
    until: int | None = None
    at: int = 0
    mark: int = 0

    @property
    def order(self) -> tuple[int, int, int, int]:
        """By what the last word is found."""
        return self.day, self.at, self.sequence, self.mark


class Facts(Protocol):
    """Sums by (day, kind, key) and attributes; days are proleptic ordinals (`domain/digest.py`).

    The kinds of `DENSE` have a column each beside the common `days`.
    """

    days: list[int]
    completed: list[int]
    no_show: list[int]
    settled: list[int]
    refunded: list[int]
    net: list[int]

    def series(self, kind: str) -> Series:
        """The sums of a kind over all its keys."""
        ...

    def keyed(self, kind: str) -> Mapping[str, Series]:
        """The sums of a kind by key, those without a key left out."""
        ...

    def said(self, name: str) -> Sequence[Said]:
        """All that was said on an attribute, ordered by (day, at, sequence)."""
        ...


DENSE: Final = ("completed", "no_show", "settled", "refunded", "net")
"""The kinds that most clients have on most of their days."""

Columns = Callable[[Facts], tuple[list[int], list[int]]]
"""Finds the days and the net sums of a kind, as `Series` has them."""


def columns(kind: str) -> Columns:
    """How the sums of a kind are found, bound once for all clients."""
    if kind in DENSE:
        return attrgetter("days", kind)
    return methodcaller("series", kind)
