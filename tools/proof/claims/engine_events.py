"""The engine: what source events of all kinds come to, in any order of arrival."""

from collections.abc import Iterable

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.generators.source_histories import History, histories
from tests.support.worlds.source_histories import faults
from tools.claim import Bench, Measured, all_of, none

HISTORIES = 10_000


def measure(bench: Bench) -> Iterable[Measured]:
    """`HISTORIES` random histories with this run's seed, in memory, against the oracle."""
    bench.say(f"{HISTORIES:,} random histories of source events against the oracle")
    tried, told, wrong = compare(HISTORIES, bench.seed)
    return [
        all_of("source events: random histories compared", tried, HISTORIES),
        Measured("source events: events in them", f"{told:,}", "> histories", told > tried),
        none("source events: histories whose sums differ from the oracle's", wrong),
    ]


def compare(number: int, drawn: int) -> tuple[int, int, int]:
    """Histories tried, events in them, and histories in which something was wrong."""
    figures = [0, 0, 0]

    @seed(drawn)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(histories())
    def each(history: History) -> None:
        figures[0] += 1
        figures[1] += sum(map(len, history.batches))
        figures[2] += any(True for _ in faults(history))

    each()
    return figures[0], figures[1], figures[2]
