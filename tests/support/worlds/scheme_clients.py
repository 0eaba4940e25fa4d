"""One client of one scheme on the kernel alone: folded live, looked at each day, and by the oracle.

A trail is a list of ((day, place), tier key). The places of a day: 0 its midnight, 1 facts of that
day which were known before, 2 facts that arrive on it.
"""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from random import Random

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.moments import counted_to, day_of, end_of, midnight_of
from scoring_service.domain.kernel.scheme import Scheme
from scoring_service.domain.kernel.timeline import stand, walk
from tests.support.generators.scheme_histories import DOCUMENTS, Arrival, told
from tests.support.oracles.schemes import Look, tier_by

At = tuple[int, int]
Trail = list[tuple[At, str]]


def live_trail(scheme: Scheme, arrivals: Sequence[Arrival], last: int) -> Trail:
    """The changes of tier as facts arrive and time passes in between, up to the day `last`."""
    facts, trail, now = Digest(), Trail(), None
    for day, together in groupby(arrivals, key=lambda each: each.day.toordinal()):
        if now is not None:
            for step in walk(scheme, facts, now, day):
                trail.append((_at(step.moment), scheme.tiers[step.after].key))
        for arrival in together:
            told(facts, arrival.fact)
        now = stand(scheme, facts, day, day)
        _note(trail, (day, 2), scheme.tiers[now.tier].key)
    if now is not None:
        for step in walk(scheme, facts, now, last):
            trail.append((_at(step.moment), scheme.tiers[step.after].key))
    return trail


def daily_trail(scheme: Scheme, arrivals: Sequence[Arrival], last: int) -> Trail:
    """The same by standing anew at every midnight, every end of a day and every arrival."""
    facts, trail = Digest(), Trail()
    waiting = list(arrivals)
    for day in range(arrivals[0].day.toordinal(), last + 1) if arrivals else ():
        if trail:
            for moment in (midnight_of(day), end_of(day)):
                _note(trail, _at(moment), _tier(scheme, facts, moment))
        while waiting and waiting[0].day.toordinal() == day:
            told(facts, waiting.pop(0).fact)
        _note(trail, (day, 2), _tier(scheme, facts, end_of(day)))
    return trail


def oracle_differs(
    scheme: Scheme, arrivals: Sequence[Arrival], trail: Trail, last: int, random: Random, most: int
) -> list[At]:
    """Where the oracle has another tier than the trail: right before and at `most` of its changes,
    and at some other places of the time that it covers."""
    if not arrivals:
        return []
    first = arrivals[0].day.toordinal()
    changed = [at for at, _ in random.sample(trail, min(most, len(trail)))]
    others = [(random.randint(first + 1, last), random.choice((0, 1))) for _ in range(most)]
    places = [*changed, *(_before(at) for at in changed if at > (first, 2)), *others]
    return [
        at
        for at in places
        if _oracle_tier(scheme, arrivals, at) != [t for a, t in trail if a <= at][-1]
    ]


def _oracle_tier(scheme: Scheme, arrivals: Sequence[Arrival], at: At) -> str:
    day, place = at
    known = [a.fact for a in arrivals if (a.day.toordinal(), 2) <= at]
    today = date.fromordinal(day)
    look = Look(known, today, date.fromordinal(day - 1) if place == 0 else today)
    return tier_by(DOCUMENTS[scheme.key], look, DOCUMENTS)[0]


def _tier(scheme: Scheme, facts: Digest, moment: int) -> str:
    return scheme.tiers[stand(scheme, facts, day_of(moment), counted_to(moment)).tier].key


def _note(trail: Trail, at: At, tier: str) -> None:
    if not trail or trail[-1][1] != tier:
        trail.append((at, tier))


def _at(moment: int) -> At:
    return day_of(moment), moment - midnight_of(day_of(moment))


def _before(at: At) -> At:
    day, place = at
    return (day, place - 1) if place else (day - 1, 2)
