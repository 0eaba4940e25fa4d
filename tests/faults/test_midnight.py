"""Time alone moves clients: each once, at its midnight, on whatever day, by whoever's clock."""

import itertools
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from scoring_service.bootstrap import rulebook_source
from scoring_service.handlers import SWEEP_ROWS
from tests.support.harness.scoring import ScoringHarness, scoring_harness
from tests.support.worlds.scoring import Log, ScoringWorld
from tools.proof.claims.downtime import changes, differing, write

pytestmark = pytest.mark.integration
CLIENTS = int(os.environ.get("RAPPORT_MIDNIGHT_CLIENTS", "5000"))
"""How many cross one midnight; R14 asks for 50,000, CI takes fewer."""
FILLED = (0, topics.PER_CLIENT_PARTITIONS // 2)
"""The partitions that they are in: one of each worker's, so that few clients make many in each."""

VISIT = datetime(2025, 1, 10, 12, tzinfo=UTC)
FALL = datetime(2025, 4, 10, 23, tzinfo=UTC)
"""The first London midnight after three months, in summer time: recency falls from 75 to 50."""

LEAP_FROM, LEAP_TO = datetime(2024, 2, 20, tzinfo=UTC), datetime(2024, 4, 6, tzinfo=UTC)
STEP = timedelta(hours=6)
RULEBOOK = rulebook_source(SimpleNamespace(rulebook_path=None))  # type: ignore[arg-type]


def test_everybody_who_falls_at_one_midnight_falls_once_and_the_api_answers_meanwhile(
    tmp_path: Path, postgres: Postgres, kafka: Kafka
) -> None:
    """R14: 54.5 points make silver; 30 x 0.5 + 35 x 0.2 + 35 x 0.5 = 39.5 make bronze."""
    clients = list(itertools.islice(_clients(), CLIENTS))
    assert CLIENTS / len(FILLED) > 1.2 * SWEEP_ROWS  # more than one transaction for a partition
    log = Log()
    log.watermark(VISIT)
    for client_id in clients:
        log.activity(client_id, "completed", VISIT.date(), VISIT)
        log.activity(client_id, "settled", VISIT.date(), VISIT, amount_minor=5_000)
    log.watermark(FALL - timedelta(seconds=1))
    with scoring_harness(tmp_path / "midnight", postgres, kafka, launchers=[(), ()]) as scoring:
        scoring.send(log)
        scoring.wait(FALL - timedelta(seconds=1))
        assert _fallen(scoring) == []
        log.watermark(FALL)
        with ThreadPoolExecutor(1) as pool:
            scoring.send(log)
            waiting = pool.submit(scoring.wait, FALL)
            answers = _ask_until(scoring, clients, waiting.done)
            waiting.result()
        fallen = _fallen(scoring)
        assert len(fallen) == CLIENTS
        assert {one["client_id"] for one in fallen} == set(clients)
        moves = Counter(
            (one["from_tier"], one["to_tier"], datetime.fromisoformat(one["effective_at"]))
            for one in fallen
        )
        assert moves == {("silver", "bronze", FALL): CLIENTS}
        assert answers.keys() <= {"silver", "bronze"}


def test_workers_with_wrong_clocks_tell_leap_days_and_summer_time_as_one_that_is_right(
    tmp_path: Path,
    postgres: Postgres,
    kafka: Kafka,
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    """R13: one is ten minutes ahead, the other jumps to and fro; the log's time decides."""
    log, chance, now = Log(), random.Random(7), LEAP_FROM
    while now < LEAP_TO:
        write(chance, log, now)
        now += STEP
    wrong = [["tests.support.servers.altered", how] for how in ("skewed:600", "jumping:600")]
    right = ScoringWorld(log, service_database("scoring"), RULEBOOK, records=5_000)
    right.read_all()
    with scoring_harness(tmp_path / "leap", postgres, kafka, launchers=wrong) as scoring:
        scoring.send(log)
        scoring.wait(now - STEP)
        found = scoring.rows("""
            SELECT practice_id, client_id, version, from_tier, to_tier, reason, origin, score,
                   activity_id, effective_at
            FROM tier_change ORDER BY practice_id, client_id, version
        """)
    expected = changes(right)
    right.close()
    assert len(expected) > 50
    assert differing(expected, found) == 0


def _clients() -> Iterator[str]:
    """The ids of clients in the filled partitions."""
    for number in itertools.count():
        client = f"{number:032x}"
        if topics.partition_of(client, topics.PER_CLIENT_PARTITIONS) in FILLED:
            yield client


def _fallen(scoring: ScoringHarness) -> list[dict[str, Any]]:
    """Each change by time on the bus. The relay may publish an event twice (ADR 2), for readers
    count it once by its id; a client who fell twice has two."""
    found = (event["data"] for event in scoring.log.events(topics.TIER_CHANGES.name))
    return [each for each in found if each.get("reason") == "elapsed_time"]


def _ask_until(
    scoring: ScoringHarness, clients: Sequence[str], done: Callable[[], bool]
) -> Counter[str]:
    """Ask for one client's tier again and again; every answer must be 200. Tier -> how often."""
    key = scoring.stack.create_key("scoring", "tiers:read", "harbour")
    api = scoring.stack.api("scoring", key)
    tiers: Counter[str] = Counter()
    while not (tiers and done()):
        client = clients[sum(tiers.values()) % len(clients)]
        tiers[api.get(f"/v1/clients/{client}/tier")["tier"]] += 1
    return tiers
