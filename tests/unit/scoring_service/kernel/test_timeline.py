"""Random clients of every built-in scheme and example: folded live, each day, and by the oracle."""

from random import Random

import pytest

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.timeline import changes, stand
from tests.support.generators.scheme_histories import DOCUMENTS, SCHEMES, history, told
from tests.support.worlds.scheme_clients import daily_trail, live_trail, oracle_differs

HISTORIES, EACH_DAY = 30, 2
_YEAR = 366


@pytest.mark.parametrize("key", SCHEMES)
def test_live_folding_gives_what_the_oracle_gives(key: str) -> None:
    for number in range(HISTORIES):
        random = Random(f"{key}/{number}")
        arrivals = history(DOCUMENTS[key], random)
        last = arrivals[-1].day.toordinal() + 2 * _YEAR if arrivals else 0
        trail = live_trail(SCHEMES[key], arrivals, last)
        assert oracle_differs(SCHEMES[key], arrivals, trail, last, random, 4) == [], number


@pytest.mark.parametrize("key", SCHEMES)
def test_live_folding_gives_what_standing_anew_each_day_gives(key: str) -> None:
    for number in range(EACH_DAY):
        arrivals = history(DOCUMENTS[key], Random(f"{key}/each day/{number}"))
        last = arrivals[-1].day.toordinal() + _YEAR if arrivals else 0
        live = live_trail(SCHEMES[key], arrivals, last)
        assert live == daily_trail(SCHEMES[key], arrivals, last), number


@pytest.mark.parametrize("key", SCHEMES)
def test_the_order_of_facts_and_a_word_said_twice_change_nothing(key: str) -> None:
    for number in range(HISTORIES):
        random = Random(f"{key}/shuffled/{number}")
        arrivals = history(DOCUMENTS[key], random)
        in_order, shuffled = Digest(), Digest()
        for arrival in arrivals:
            told(in_order, arrival.fact)
        for arrival in random.sample(arrivals, len(arrivals)):
            told(shuffled, arrival.fact)
        today = arrivals[-1].day.toordinal() if arrivals else 739_000
        now = stand(SCHEMES[key], in_order, today, today)
        again = stand(SCHEMES[key], shuffled, today, today)
        assert (now.cell, now.score) == (again.cell, again.score), number
        coming = list(changes(SCHEMES[key], in_order, now))
        assert coming == list(changes(SCHEMES[key], shuffled, again)), number
