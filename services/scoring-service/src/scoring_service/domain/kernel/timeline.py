"""How a client stands, and every change to come: live folding, the sweep, forecasts and previews
all ask this.

A client is read once. Each ladder then yields its falls in order, and the table is looked at once
for each moment at which one falls: never a try for each day.
"""

from collections.abc import Iterator
from heapq import merge
from itertools import groupby, islice
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
    readings = tuple(ladder.measure.read(facts, moment) for ladder in scheme.ladders)
    cell = sum(
        reading.rung * stride for reading, stride in zip(readings, scheme.strides, strict=True)
    )
    scores = scheme.score_table
    score = None if scores is None else scores[cell]
    return Standing(moment, cell, scheme.tier_table[cell], score, readings)


def changes(
    scheme: Scheme, facts: Facts, now: Standing, skipped: frozenset[int] = _NONE_SKIPPED
) -> Iterator[Step]:
    """Every change of tier after `now` if nothing happens, in order, worked out as it is asked for.

    `skipped` are days that the practice's calendar never had: what is due on one happens on the
    next.
    """
    rungs = [reading.rung for reading in now.readings]
    cell, tier = now.cell, now.tier
    for moment, together in groupby(_falls(scheme, facts, now, skipped), _MOMENT):
        before = cell
        for _, ladder, rung in together:
            cell += (rung - rungs[ladder]) * scheme.strides[ladder]
            rungs[ladder] = rung
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
) -> Iterator[_FallOfLadder]:
    """The falls of all ladders, by moment; those of one ladder keep their order."""
    return merge(
        *(
            _numbered(number, ladder.measure.falls(facts, now.moment, reading), skipped)
            for number, (ladder, reading) in enumerate(
                zip(scheme.ladders, now.readings, strict=True)
            )
        ),
        key=_MOMENT,
    )


def _numbered(
    number: int, falls: Iterator[tuple[int, int]], skipped: frozenset[int]
) -> Iterator[_FallOfLadder]:
    for moment, rung in falls:
        day = day_of(moment)
        yield midnight_of(day + 1) if day in skipped else moment, number, rung
