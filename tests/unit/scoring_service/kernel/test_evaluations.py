"""What an answer costs: a client is read once, and the table is looked at once for each moment at
which a ladder falls."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import overload

import pytest

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.facts import Facts
from scoring_service.domain.kernel.measures.measure import Fall, Measure, Reading
from scoring_service.domain.kernel.scheme import Scheme
from scoring_service.domain.kernel.timeline import changes, next_transition, stand
from tests.support.generators.scheme_histories import DOCUMENTS, SCHEMES, history, told


class Counted(Sequence[int]):
    """A table that counts how often it is looked at."""

    def __init__(self, table: Sequence[int]) -> None:
        self.table, self.looks = table, 0

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        self.looks += 1
        return self.table[place]

    def __len__(self) -> int:
        return len(self.table)


class CountedMeasure:
    """A measure that counts how often it is read, and its falls."""

    def __init__(self, measure: Measure) -> None:
        self.measure, self.reads, self.fallen = measure, 0, 0

    def read(self, facts: Facts, today: int, last: int) -> Reading:
        self.reads += 1
        return self.measure.read(facts, today, last)

    def falls(
        self, facts: Facts, today: int, last: int, reading: Reading, until: int
    ) -> list[Fall]:
        falls = list(self.measure.falls(facts, today, last, reading, until))
        self.fallen += len(falls)
        return falls


def counted(scheme: Scheme) -> tuple[Scheme, Counted, list[CountedMeasure]]:
    table = Counted(scheme.tier_table)
    measures = [CountedMeasure(ladder.measure) for ladder in scheme.ladders]
    ladders = tuple(
        replace(ladder, measure=Measure(each.read, each.falls, each.measure.is_cheap))
        for ladder, each in zip(scheme.ladders, measures, strict=True)
    )
    compiled = replace(scheme, tier_table=table, ladders=ladders)
    table.looks = 0
    return compiled, table, measures


@pytest.mark.parametrize("key", SCHEMES)
def test_the_next_transition_costs_the_falls_and_one(key: str) -> None:
    most = 0
    for number in range(8):
        facts = Digest()
        arrivals = history(DOCUMENTS[key], Random(f"{key}/counted/{number}"), most=40)
        for arrival in arrivals:
            told(facts, arrival.fact)
        today = arrivals[len(arrivals) // 2].day.toordinal() if arrivals else 739_000
        for all_of_them in (False, True):
            scheme, table, measures = counted(SCHEMES[key])
            now = stand(scheme, facts, today, today)
            if all_of_them:
                list(changes(scheme, facts, now))
            else:
                next_transition(scheme, facts, now)
            falls = sum(measure.fallen for measure in measures)
            assert table.looks <= falls + 1, number
            assert all(measure.reads == 1 for measure in measures), number
            most = max(most, table.looks)
    assert most > 1


def test_a_year_of_silence_is_no_year_of_tries() -> None:
    facts = Digest()
    for day in range(739_000, 739_100):
        facts.put("completed", day, 1)
        facts.put("settled", day, 60_000)
    scheme, table, measures = counted(SCHEMES["rfm"])
    now = stand(scheme, facts, 739_100, 739_100)
    assert [scheme.tiers[step.after].key for step in changes(scheme, facts, now)] == [
        "silver",
        "bronze",
        "iron",
    ]
    assert table.looks <= sum(measure.fallen for measure in measures) + 1 < 20
    assert [measure.reads for measure in measures] == [1, 1, 1]
