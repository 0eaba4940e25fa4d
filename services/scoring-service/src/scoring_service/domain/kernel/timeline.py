"""How a client stands, and every change to come: live folding, the sweep, forecasts and previews
all ask this.

A client is read once. Each ladder then yields its falls in order, and the table is looked at once
for each moment at which one falls: never a try for each day.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Literal, NamedTuple

from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import Reading
from scoring_service.domain.kernel.moments import day_of, end_of, midnight_of
from scoring_service.domain.kernel.scheme import Scheme
from scoring_service.domain.kernel.window import NEVER

Direction = Literal["entered", "upgraded", "downgraded", "moved"]
_MOMENT = itemgetter(0)
_NONE_SKIPPED: frozenset[int] = frozenset()
_FallOfLadder = tuple[int, int, int]
"""A moment, the number of the ladder, its rung from then on."""


class Standing(NamedTuple):
    """How a client stands on the day `today` by the facts up to the day `counted_to`: the cell of
    the table, its tier as an index, its score in hundredths if there is one, and what each ladder
    read."""

    today: int
    counted_to: int
    cell: int
    tier: int
    score: int | None
    readings: Sequence[Reading]


class Step(NamedTuple):
    """A change of tier if nothing happens: from one cell to the other, tiers as indices.

    At the midnight of a day time alone made it; at its end a fact that was dated ahead.
    """

    moment: int
    before: int
    after: int
    cells: tuple[int, int]


def stand(scheme: Scheme, facts: Facts, today: int, counted_to: int) -> Standing:
    """How a client stands on a day, by the facts up to a day: the same one, or the one before at
    its midnight. Facts of later days, for a client that keeps a tier, count as those of `today`."""
    readings, cell = [], 0
    for read, stride in scheme.reads:
        reading = read(facts, today, counted_to)
        cell += reading[0] * stride
        readings.append(reading)
    scores = scheme.score_table
    score = None if scores is None else scores[cell]
    return Standing(today, counted_to, cell, scheme.tier_table[cell], score, readings)


def changes(
    scheme: Scheme,
    facts: Facts,
    now: Standing,
    skipped: frozenset[int] = _NONE_SKIPPED,
    until: int = NEVER,
) -> Iterator[Step]:
    """Every change of tier after `now` if nothing happens, in order, up to the moment `until`; the
    table is looked at as far as one asks.

    `skipped` are days that the practice's calendar never had: what is due on one happens on the
    next.
    """
    falls: list[_FallOfLadder] = []
    for number, ladder in enumerate(scheme.ladders):
        reading = now.readings[number]
        found = ladder.measure.falls(facts, now.today, now.counted_to, reading, until)
        falls += [(at, number, rung) for at, rung in found]
    if skipped:
        falls = [(_on_a_day(at, skipped), number, rung) for at, number, rung in falls]
    if until != NEVER:
        falls = [fall for fall in falls if fall[0] <= until]
    return _steps(scheme, now, falls)


def next_transition(
    scheme: Scheme, facts: Facts, now: Standing, skipped: frozenset[int] = _NONE_SKIPPED
) -> Step | None:
    """The first change of tier if nothing happens (F21), None if there is none.

    The cheap ladders tell by when the tier is lost if the others stay as they are, and the others
    are asked up to then. What they say may put it off: only then all falls are asked for.
    """
    if skipped:
        return next(changes(scheme, facts, now, skipped), None)
    today, counted_to, cell, _, _, readings = now
    falls: list[_FallOfLadder] = []
    until = NEVER
    for number, falls_of, drops in scheme.cheap:
        drop = drops[cell]
        for at, rung in falls_of(facts, today, counted_to, readings[number], NEVER):
            falls.append((at, number, rung))
            if rung <= drop:
                until = min(until, at)
                break
    for number, falls_of in scheme.costly:
        found = falls_of(facts, today, counted_to, readings[number], until)
        falls += [(at, number, rung) for at, rung in found]
    step = next(_steps(scheme, now, falls), None)
    if until == NEVER or (step is not None and step.moment <= until):
        return step
    return next(changes(scheme, facts, now), None)


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
    return changes(scheme, facts, now, skipped, end_of(to_day))


def direction(scheme: Scheme, before: int | None, after: int) -> Direction:
    """The word for a move between two tiers; None is no tier yet."""
    if before is None:
        return "entered"
    if not scheme.ordered:
        return "moved"
    return "upgraded" if after > before else "downgraded"


def _steps(scheme: Scheme, now: Standing, falls: list[_FallOfLadder]) -> Iterator[Step]:
    """The changes of tier that some falls make, all those of a moment together; the falls of one
    ladder are in order."""
    falls.sort(key=_MOMENT)
    table, strides = scheme.tier_table, scheme.strides
    rungs = [reading[0] for reading in now.readings]
    cell, tier = now.cell, now.tier
    place = 0
    while place < len(falls):
        before, moment = cell, falls[place][0]
        while place < len(falls) and falls[place][0] == moment:
            _, ladder, rung = falls[place]
            cell += (rung - rungs[ladder]) * strides[ladder]
            rungs[ladder] = rung
            place += 1
        after = table[cell]
        if after != tier:
            yield Step(moment, tier, after, (before, cell))
            tier = after


def _on_a_day(moment: int, skipped: frozenset[int]) -> int:
    day = day_of(moment)
    return midnight_of(day + 1) if day in skipped else moment
