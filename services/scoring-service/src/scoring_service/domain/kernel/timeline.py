"""How a client stands, and every change to come: live folding, the sweep, forecasts and previews
all ask this.

A client is read once. Each ladder then yields its falls in order, and the table is looked at once
for each moment at which one falls: never a try for each day.
"""

from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import Literal, NamedTuple

from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import Reading
from scoring_service.domain.kernel.moments import day_of, end_of, midnight_of
from scoring_service.domain.kernel.scheme import Scheme

Direction = Literal["entered", "upgraded", "downgraded", "moved"]
_MOMENT = itemgetter(0)
_NONE_SKIPPED: frozenset[int] = frozenset()
_FallOfLadder = tuple[int, int, int]
"""A moment, the number of the ladder, its rung from then on."""


class Standing(NamedTuple):
    """How a client stands at a moment: the cell of the table, its tier as an index, its score in
    hundredths if there is one, and what each ladder read."""

    moment: int
    cell: int
    tier: int
    score: int | None
    readings: tuple[Reading, ...]


class Step(NamedTuple):
    """A change of tier if nothing happens: from one cell to the other, tiers as indices.

    At the midnight of a day time alone made it; at its end a fact that was dated ahead.
    """

    moment: int
    before: int
    after: int
    cells: tuple[int, int]


def stand(scheme: Scheme, facts: Facts, moment: int) -> Standing:
    """How a client stands at a moment."""
    readings, cell = [], 0
    for ladder, stride in zip(scheme.ladders, scheme.strides, strict=True):
        reading = ladder.measure.read(facts, moment)
        cell += reading.rung * stride
        readings.append(reading)
    scores = scheme.score_table
    score = None if scores is None else scores[cell]
    return Standing(moment, cell, scheme.tier_table[cell], score, tuple(readings))


def changes(
    scheme: Scheme, facts: Facts, now: Standing, skipped: frozenset[int] = _NONE_SKIPPED
) -> Iterator[Step]:
    """Every change of tier after `now` if nothing happens, in order; the table is looked at as far
    as one asks.

    `skipped` are days that the practice's calendar never had: what is due on one happens on the
    next.
    """
    rungs = [reading.rung for reading in now.readings]
    cell, tier = now.cell, now.tier
    falls = _falls(scheme, facts, now, skipped)
    place = 0
    while place < len(falls):
        before, moment = cell, falls[place][0]
        while place < len(falls) and falls[place][0] == moment:
            _, ladder, rung = falls[place]
            cell += (rung - rungs[ladder]) * scheme.strides[ladder]
            rungs[ladder] = rung
            place += 1
        after = scheme.tier_table[cell]
        if after != tier:
            yield Step(moment, tier, after, (before, cell))
            tier = after


def next_transition(
    scheme: Scheme, facts: Facts, now: Standing, skipped: frozenset[int] = _NONE_SKIPPED
) -> Step | None:
    """The first change of tier if nothing happens (F21), None if there is none."""
    return next(changes(scheme, facts, now, skipped), None)


def transitions(
    scheme: Scheme, facts: Facts, now: Standing, most: int, skipped: frozenset[int] = _NONE_SKIPPED
) -> list[Step]:
    """The first changes of tier if nothing happens, `most` of them at most."""
    return list(islice(changes(scheme, facts, now, skipped), most))


def walk(
    scheme: Scheme,
    facts: Facts,
    now: Standing,
    to_day: int,
    skipped: frozenset[int] = _NONE_SKIPPED,
) -> Iterator[Step]:
    """The changes of tier up to the end of a day."""
    for step in changes(scheme, facts, now, skipped):
        if step.moment > end_of(to_day):
            return
        yield step


def direction(scheme: Scheme, before: int | None, after: int) -> Direction:
    """The word for a move between two tiers; None is no tier yet."""
    if before is None:
        return "entered"
    if not scheme.ordered:
        return "moved"
    return "upgraded" if after > before else "downgraded"


def _falls(
    scheme: Scheme, facts: Facts, now: Standing, skipped: frozenset[int]
) -> list[_FallOfLadder]:
    """The falls of all ladders, by moment; those of one ladder keep their order."""
    falls = [
        (moment, number, rung)
        for number, ladder in enumerate(scheme.ladders)
        for moment, rung in ladder.measure.falls(facts, now.moment, now.readings[number])
    ]
    if skipped:
        falls = [(_on_a_day(moment, skipped), number, rung) for moment, number, rung in falls]
    falls.sort(key=_MOMENT)
    return falls


def _on_a_day(moment: int, skipped: frozenset[int]) -> int:
    day = day_of(moment)
    return midnight_of(day + 1) if day in skipped else moment
