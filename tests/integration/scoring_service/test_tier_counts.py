"""Clients by tier are counted as they move: the counters say what counting them would."""

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime

import pytest

from rapport_devkit.databases import ServiceDatabase
from scoring_service.store.clients import PostgresClients
from tests.support.generators.tier_histories import RFM
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
CLIENTS = 12
COUNTED = "SELECT practice_id, tier, count(*) AS clients FROM client GROUP BY 1, 2 ORDER BY 1, 2"
KEPT = """
    SELECT practice_id, tier, sum(clients)::int8 AS clients FROM tier_count
    GROUP BY 1, 2 HAVING sum(clients) <> 0 ORDER BY 1, 2
"""


def years() -> Log:
    """Clients of two practices who come more or less often, and later no more."""
    log = Log()
    log.watermark(datetime(2024, 1, 1, tzinfo=UTC))
    for number in range(CLIENTS):
        practice = ("harbour", "lakeside")[number % 2]
        for month in range(1, number + 1):
            day = date(2024, month, 3)
            at = datetime(2024, month, 3, 9, tzinfo=UTC)
            client = f"{number:032x}"
            log.activity(client, "completed", day, at, practice=practice)
            log.activity(client, "settled", day, at, practice=practice, amount_minor=9000)
    for month in range(1, 13):
        log.watermark(datetime(2025, month, 1, tzinfo=UTC))
    return log


def counts(made: ServiceDatabase, records: int) -> tuple[Collection[object], Collection[object]]:
    """Clients by practice and tier: as counted, and as the counters say."""
    world = ScoringWorld(years(), made, RFM, records=records)
    world.read_all()
    counted, kept = world.rows(COUNTED), world.rows(KEPT)
    moves = world.rows("SELECT count(*) AS n FROM tier_change WHERE from_tier IS NOT NULL")
    world.close()
    assert moves[0].n > CLIENTS
    return [tuple(row) for row in counted], [tuple(row) for row in kept]


@pytest.mark.parametrize("records", [7, 5000])
def test_the_counters_say_what_counting_would(
    service_database: Callable[[str], ServiceDatabase], records: int
) -> None:
    counted, kept = counts(service_database("scoring"), records)
    assert counted == kept


def test_a_move_that_is_not_counted_is_seen(
    service_database: Callable[[str], ServiceDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresClients._count
    monkeypatch.setattr(PostgresClients, "_count", lambda self, moved: real(self, moved[1:]))
    counted, kept = counts(service_database("scoring"), 5000)
    assert counted != kept
