"""Bad input: each kind a clear 4xx or a dead letter with its reason, and the service goes on."""

from collections.abc import Iterable

from tests.support.generators.poison import POISON
from tests.support.harness.bad_input import feed
from tools.claim import Bench, Measured, all_of, none


def measure(bench: Bench) -> Iterable[Measured]:
    """Ingestion alone, on a broker of its own."""
    bench.say("bad input, by the bus and by REST")
    outcome = feed(bench.folder / "bad-input", postgres=bench.postgres)
    by_rest = sum(kind.status is not None for kind in POISON) + 1
    return [
        all_of("bad input: kinds sent by the bus", outcome.kinds_on_bus, len(POISON) + 1),
        none("bad input: dead letters without their reason", len(outcome.wrong_letters)),
        all_of("bad input: kinds sent by REST", outcome.kinds_by_rest, by_rest),
        none("bad input: answers other than the 4xx expected", len(outcome.wrong_answers)),
        none("bad input: services stopped, good events lost", len(outcome.stopped)),
    ]
