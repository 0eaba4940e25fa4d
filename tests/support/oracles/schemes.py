"""What every scheme must give, worked out the slow way: no service code, one day at a time.

It reads a scheme's document as the plain dict of its JSON file and tries every fact against every
rung. Ratios are fractions, and a deviation is compared by its square, so nothing is rounded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.support.oracles.tiers import within

Document = dict[str, Any]
Documents = Mapping[str, Document]

# What a measure's kind is made of, where it is more than the facts of its own name.
MADE_OF = {
    "net": {"settled": 1, "refunded": -1},
    "owed": {"due": 1, "paid": -1},
    "visited": {"visited": 1, "completed": 1},
    "cases_open": {"case_opened": 1, "case_closed": -1},
}


@dataclass(frozen=True)
class Deed:
    """A signed difference in what a client did on a day; of some kinds with a price or a code."""

    kind: str
    on: date
    difference: int
    key: str = ""


@dataclass(frozen=True)
class Word:
    """What somebody said on an attribute; None takes it back, `until` is the last day it holds."""

    name: str
    on: date
    sequence: int
    value: str | None
    until: date | None = None


Known = Sequence[Deed | Word]


@dataclass(frozen=True)
class Look:
    """A client on one day, by the facts of days up to `through`."""

    known: Known
    today: date
    through: date

    def by_day(self, kind: str) -> dict[date, int]:
        """The net of a kind on each day."""
        signs = MADE_OF.get(kind, {kind: 1})
        nets: dict[date, int] = {}
        for fact in self.known:
            if isinstance(fact, Deed) and fact.kind in signs and fact.on <= self.through:
                nets[fact.on] = nets.get(fact.on, 0) + signs[fact.kind] * fact.difference
        return nets

    def good_days(self, kinds: Iterable[str]) -> set[date]:
        """The days on which one of the kinds has more than nothing."""
        return {day for kind in kinds for day, net in self.by_day(kind).items() if net > 0}

    def total(self, kinds: Iterable[str], period: str | None, beyond: str | None = None) -> int:
        """The sum within a period, and not within a shorter one."""
        return sum(
            net
            for kind in kinds
            for day, net in self.by_day(kind).items()
            if self._counts(day, period) and not (beyond and self._counts(day, beyond))
        )

    def keys(self, kinds: Iterable[str], period: str | None) -> set[str]:
        """The keys that have more than nothing on a day within the period."""
        nets: dict[tuple[str, str, date], int] = {}
        for fact in self.known:
            if not isinstance(fact, Deed) or not fact.key or fact.kind not in kinds:
                continue
            if fact.on <= self.through and self._counts(fact.on, period):
                place = (fact.kind, fact.key, fact.on)
                nets[place] = nets.get(place, 0) + fact.difference
        return {key for (_, key, _), net in nets.items() if net > 0}

    def word(self, name: str) -> Word | None:
        """The word on an attribute that holds."""
        said = [
            fact
            for fact in self.known
            if isinstance(fact, Word) and fact.name == name and fact.on <= self.through
        ]
        last = max(said, key=lambda each: (each.on, each.sequence), default=None)
        if last is None or (last.until is not None and last.until < self.today):
            return None
        return last

    def _counts(self, day: date, period: str | None) -> bool:
        return period is None or within(day, period, self.today)


# --- measures ---------------------------------------------------------------------------------


def rung_on(ladder: Document, look: Look, others: Documents) -> int:
    """The rung of a ladder, as a place in its list."""
    if ladder["measure"] == "tier_of":
        tier, _ = tier_by(others[ladder["scheme"]], look, others)
        return next(n for n, rung in enumerate(ladder["rungs"]) if tier in rung["is"])
    if ladder["measure"] == "attribute":
        return _rung_of_word(ladder, look)
    if ladder["measure"] == "days_since":
        days = look.good_days(ladder["of"])
        if not days:
            return _unknown(ladder)
        day = min(days) if ladder["which"] == "first" else max(days)
        return _highest(ladder, lambda rung: within(day, rung["within"], look.today))
    squared = _number(ladder, look)
    if squared is None:
        return _unknown(ladder)
    number, power, scale = squared
    return _highest(ladder, lambda rung: _reaches(rung, number, power, scale))


def _number(ladder: Document, look: Look) -> tuple[Fraction, int, int] | None:
    """(the measure to some power, that power, the parts of one that its cuts are written in)."""
    if ladder["measure"] == "variation":
        variance = _relative_variance(ladder, look)
        return None if variance is None else (variance, 2, 100)
    number = _NUMBERS[ladder["measure"]](ladder, look)
    scale = 100 if ladder["measure"] in ("ratio", "change", "gap_multiple") else 1
    return None if number is None else (Fraction(number), 1, scale)


def _best(ladder: Document, look: Look) -> int | None:
    return max(map(int, look.keys(ladder["of"], ladder.get("within"))), default=None)


def _ahead(_: Document, look: Look) -> int:
    return sum(
        fact.difference
        for fact in look.known
        if isinstance(fact, Deed) and fact.kind == "booked" and fact.on > look.today
    )


def _count_after(ladder: Document, look: Look) -> int | None:
    ends = look.good_days(ladder["after"])
    if not ends:
        return None
    nets = [look.by_day(kind) for kind in ladder["of"]]
    return sum(net for each in nets for day, net in each.items() if day > max(ends))


def _ratio(ladder: Document, look: Look) -> Fraction | None:
    part, whole = (look.total(ladder[name], ladder.get("within")) for name in ("of", "to"))
    return Fraction(part, whole) if whole > 0 else None


def _change(ladder: Document, look: Look) -> Fraction | None:
    short, long = ladder["slices"]
    old = look.total(ladder["of"], long, beyond=short)
    return Fraction(look.total(ladder["of"], short), old) if old > 0 else None


def _gap_multiple(ladder: Document, look: Look) -> Fraction | None:
    days = sorted(look.good_days(ladder["of"]))
    gaps = sorted((later - earlier).days for earlier, later in pairwise(days))
    if len(gaps) < 2:
        return None
    usual = gaps[len(gaps) // 2] if len(gaps) % 2 else gaps[len(gaps) // 2 - 1]
    return Fraction((look.today - days[-1]).days, usual)


_NUMBERS: dict[str, Callable[[Document, Look], Fraction | int | None]] = {
    "ahead": _ahead,
    "best": _best,
    "change": _change,
    "count": lambda ladder, look: look.total(ladder["of"], ladder.get("within")),
    "count_after": _count_after,
    "distinct": lambda ladder, look: len(look.keys(ladder["of"], ladder.get("within"))),
    "gap_multiple": _gap_multiple,
    "net": lambda ladder, look: look.total(["net"], ladder.get("within")),
    "owed": lambda ladder, look: look.total(["owed"], ladder.get("within")),
    "ratio": _ratio,
    "sum": lambda ladder, look: look.total(ladder["of"], ladder.get("within")),
}


def _relative_variance(ladder: Document, look: Look) -> Fraction | None:
    """The square of the deviation over the mean."""
    periods = [None, *ladder["slices"]]
    slices = [
        look.total(ladder["of"], period, beyond=shorter) for shorter, period in pairwise(periods)
    ]
    if sum(slices) <= 0:
        return None
    mean = Fraction(sum(slices), len(slices))
    variance = sum((each - mean) ** 2 for each in slices) / len(slices)
    return variance / mean**2


def _reaches(rung: Document, number: Fraction, power: int, scale: int) -> bool:
    if "above" in rung:
        return number > Fraction(rung["above"], scale) ** power
    return number >= Fraction(rung["at_least"], scale) ** power


def _rung_of_word(ladder: Document, look: Look) -> int:
    word = look.word(ladder["name"])
    if "consent" in ladder:
        consent = look.word(ladder["consent"])
        if consent is None or consent.value != "given":
            return _unknown(ladder)
    for number, rung in enumerate(ladder["rungs"]):
        if word is not None and word.value in rung.get("is", ()):
            lasts = rung.get("lasts")
            if lasts is None or within(word.on, lasts, look.today):
                return number
    return _unknown(ladder)


def _unknown(ladder: Document) -> int:
    return next(n for n, rung in enumerate(ladder["rungs"]) if rung.get("unknown"))


def _highest(ladder: Document, reaches: Any) -> int:
    """The highest rung whose cut is reached, else the one that has none."""
    rungs = list(enumerate(ladder["rungs"]))
    cut = [(n, rung) for n, rung in rungs if {"within", "at_least", "above"} & rung.keys()]
    bare = [n for n, rung in rungs if (n, rung) not in cut]
    base = [n for n in bare if not ladder["rungs"][n].get("unknown")] or bare
    return max([n for n, rung in cut if reaches(rung)], default=base[0])


# --- decisions --------------------------------------------------------------------------------


def tier_by(document: Document, look: Look, others: Documents) -> tuple[str, int | None]:
    """(tier, score in hundredths) of a client."""
    rungs = {name: rung_on(ladder, look, others) for name, ladder in document["ladders"].items()}
    return decide(document, rungs)


def decide(document: Document, rungs: Mapping[str, int]) -> tuple[str, int | None]:
    """(tier, score in hundredths) of the rungs; fails where they fit nothing, or two cells."""
    decision, ladders = document["decision"], document["ladders"]
    if decision["by"] == "points":
        return _by_points(decision, ladders, rungs)
    entries = decision["rules" if decision["by"] == "rules" else "cells"]
    fitting = [each["tier"] for each in entries if _fits(each.get("when", {}), ladders, rungs)]
    assert fitting, rungs
    assert decision["by"] == "rules" or len(fitting) == 1, (rungs, fitting)
    return fitting[0], None


def _by_points(
    decision: Document, ladders: Document, rungs: Mapping[str, int]
) -> tuple[str, int | None]:
    score = 0
    for name, weight in decision["weights"].items():
        key = ladders[name]["rungs"][rungs[name]]["key"]
        score += weight * decision["points"][name].get(key, 0)
    for rule in decision.get("first", ()):
        if _fits(rule["when"], ladders, rungs):
            return rule["tier"], score
    reached = [band for band in decision["bands"] if score >= 100 * band.get("at_least", 0)]
    return max(reached, key=lambda band: band.get("at_least", 0))["tier"], score


def _fits(when: Document, ladders: Document, rungs: Mapping[str, int]) -> bool:
    return all(
        rungs[name] in _places(wanted, [rung["key"] for rung in ladders[name]["rungs"]])
        for name, wanted in when.items()
    )


def _places(wanted: str | list[str], keys: list[str]) -> set[int]:
    if isinstance(wanted, list):
        return {keys.index(key) for key in wanted}
    if wanted.endswith(".."):
        return set(range(keys.index(wanted[:-2]), len(keys)))
    return {keys.index(wanted)}
