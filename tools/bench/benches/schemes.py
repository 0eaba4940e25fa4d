"""What a grading costs on the pure core: CPU microseconds for a client, and bytes stored of one."""

import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.scheme import Scheme
from scoring_service.domain.kernel.timeline import next_transition, stand
from tests.support.generators.scheme_histories import SCHEMES
from tools.bench.environment import Environment
from tools.bench.figures import plain
from tools.bench.sizes import Sizes
from tools.claim import Measured

CLIENTS, RUNS, SEED = 400, 7, 20261201
MOST_DAYS, SINCE = 13, 420
TODAY = date(2026, 6, 30)
PRICES = (2_000, 9_000, 30_000, 60_000, 120_000)
TEN = (
    "rfm",
    "value",
    "scorecard",
    "rfm_need",
    "potential",
    "state",
    "trend",
    "life_cycle",
    "decision_stage",
    "credit",
)


def measure(_: Environment, sizes: Sizes) -> list[Measured]:
    """RFM alone, a scorecard beside it, and ten schemes at once; the least of some runs."""
    clients = digests(Random(SEED))
    lines = []
    for title, keys in {
        "rfm": ("rfm",),
        "rfm and scorecard": TEN[:3:2],
        "ten schemes": TEN,
    }.items():
        schemes = [SCHEMES[key] for key in keys]
        stood, moved = (_cost(clients, schemes, each) for each in (_stand, _stand_and_next))
        figure = f"{stood:.1f}, with the next transition {moved:.1f}"
        lines.append(plain(f"{title}, CPU microseconds a client", figure))
    stored = sum(len(digest.to_bytes()) for digest in clients) / CLIENTS
    days = sum(len(digest.days) for digest in clients) / CLIENTS
    lines.append(plain("bytes of a client", f"{stored:.0f} of {days:.1f} days"))
    return lines


def digests(random: Random) -> list[Digest]:
    """Clients of 1 to `MOST_DAYS` days, each with an hour of some service that was paid."""
    made = []
    for _ in range(CLIENTS):
        digest = Digest()
        for _ in range(random.randint(1, MOST_DAYS)):
            day = (TODAY - timedelta(days=random.randrange(SINCE))).toordinal()
            digest.put("completed", day, 1)
            digest.put("settled", day, random.choice(PRICES))
        made.append(digest)
    return made


def _stand(scheme: Scheme, digest: Digest) -> None:
    today = TODAY.toordinal()
    stand(scheme, digest, today, today)


def _stand_and_next(scheme: Scheme, digest: Digest) -> None:
    today = TODAY.toordinal()
    next_transition(scheme, digest, stand(scheme, digest, today, today))


def _cost(
    clients: Sequence[Digest],
    schemes: Sequence[Scheme],
    ask: Callable[[Scheme, Digest], None],
) -> float:
    """CPU microseconds for each client."""
    least = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        for digest in clients:
            for scheme in schemes:
                ask(scheme, digest)
        least = min(least, time.process_time() - began)
    return least / len(clients) * 1_000_000
