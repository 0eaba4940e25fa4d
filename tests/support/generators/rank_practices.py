"""The documents of rank schemes, and practices of random clients whose measures tie and move."""

import json
from datetime import date, timedelta
from random import Random

from scoring_service.domain.kernel.rank import RankScheme
from scoring_service.domain.kernel.rank_documents import compile_rank
from tests.support.generators.scheme_histories import RULEBOOKS, SCHEMES
from tests.support.oracles.schemes import Deed, Document

RANK_DOCUMENTS: dict[str, Document] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted(RULEBOOKS.glob("ranks/*.json"))
}
RANKS: dict[str, RankScheme] = {
    key: compile_rank(document, SCHEMES) for key, document in RANK_DOCUMENTS.items()
}

FIRST = date(2026, 2, 15)
"""The first midnight that is ranked; the days after it have a month's end."""
DAYS = 30
_AMOUNTS = (10_000, 10_000, 20_000, 30_000, 30_000, 50_000, 80_000, 120_000, 500_000)


def with_least(document: Document, least: int) -> Document:
    """The document with another least number of clients."""
    return document | {"decision": document["decision"] | {"least": least}}


def practice(random: Random, clients: int) -> dict[str, list[Deed]]:
    """Clients with payments of few different amounts: a year ago, so that they leave within the
    days, in between, and on the days themselves; some are paid back, some clients never pay."""
    return {f"client-{number:05d}": _payments(random) for number in range(clients)}


def _payments(random: Random) -> list[Deed]:
    deeds = []
    for _ in range(random.choice((0, 1, 1, 2, 3, 4))):
        amount = random.choice(_AMOUNTS)
        on = FIRST + timedelta(days=random.choice((_a_year_ago, _before, _within))(random))
        deeds.append(Deed("settled", on, amount))
        if random.random() < 0.15:
            deeds.append(Deed("refunded", on, random.choice((amount, amount // 2))))
    return deeds


def _a_year_ago(random: Random) -> int:
    return random.randrange(-367, -367 + DAYS)


def _before(random: Random) -> int:
    return random.randrange(-300, 0)


def _within(random: Random) -> int:
    return random.randrange(DAYS)
