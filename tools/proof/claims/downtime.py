"""Scoring switched off for two days, and the same log read again in other batches: same history."""

import json
import random
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import scoring_service
from rapport_devkit.databases import create_database, drop_database
from rapport_runtime.migrations import upgrade
from tests.support.worlds.scoring import Log, ScoringWorld
from tools.claim import Bench, Measured, at_least, none

ZONES = ("Asia/Shanghai", "Europe/London")
START = datetime(2025, 2, 20, tzinfo=UTC)
STEP = timedelta(hours=3)
STEPS = 60 * 8
OFF_FROM, OFF_STEPS = 30 * 8, 16
CLIENTS = 60
LATE_SWEEP = 40


def measure(bench: Bench) -> Iterable[Measured]:
    """Three readers of one log: always there; away for 48 hours; late, in small batches."""
    bench.say("scoring off for 48 hours, and the log read again in other batches")
    steady, away, again = histories(bench)
    ends = START + (OFF_FROM + OFF_STEPS) * STEP
    meanwhile = [row for row in steady if START + OFF_FROM * STEP <= row[-1] < ends]
    return [
        at_least("downtime: changes in the log", len(steady), 100),
        at_least("downtime: changes due while scoring was off", len(meanwhile), 1),
        none("downtime: changes that differ after 48 hours off", differing(steady, away)),
        none("downtime: that differ in batches of 7 with a late sweep", differing(steady, again)),
    ]


def histories(bench: Bench) -> tuple[list[Any], list[Any], list[Any]]:
    """The changes of the three readers; each ends with its `effective_at`."""
    rulebook = json.loads(
        (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text("utf-8")
    )
    chance = random.Random(bench.seed)
    log = Log()
    with ExitStack() as stack:
        steady, away, again = (
            stack.enter_context(_world(bench, log, rulebook, records))
            for records in (5_000, 5_000, 7)
        )
        for step in range(STEPS):
            write(chance, log, START + step * STEP)
            steady.read_all()
            if not OFF_FROM <= step < OFF_FROM + OFF_STEPS:
                away.read_all()
        away.read_all()
        again.sweep_only_every(LATE_SWEEP)
        again.read_all()
        return changes(steady), changes(away), changes(again)


def write(chance: random.Random, log: Log, now: datetime) -> None:
    """What reaches the log in one step: facts of today, of long ago, of tomorrow, corrections."""
    for _ in range(chance.choice((0, 1, 2, 4, 6))):
        number = chance.randrange(CLIENTS)
        zone = ZONES[number % 2]
        age = chance.choice((0, 0, 0, 0, 1, 5, 30, 90, 200, 390, -1))
        at = now - timedelta(days=age, minutes=chance.randrange(170))
        kind = chance.choice(("completed", "completed", "settled", "settled", "refunded"))
        undone = chance.random() < 0.1
        log.activity(
            f"client-{number}",
            kind,
            at.astimezone(ZoneInfo(zone)).date(),
            at,
            zone=zone,
            accepted_at=now,
            count=-1 if undone else 1,
            amount_minor=chance.choice((900, 2_500, 6_000)) * (-1 if undone else 1),
            refers_to="a0" if undone else None,
        )
    log.watermark(now)


def changes(world: ScoringWorld) -> list[Any]:
    """Every change that a reader wrote down, in the order of its clients and versions."""
    rows = world.rows("""
        SELECT practice_id, client_id, version, from_tier, to_tier, reason, origin, score,
               activity_id, effective_at
        FROM tier_change ORDER BY practice_id, client_id, version
    """)
    return [tuple(row) for row in rows]


def differing(one: list[Any], other: list[Any]) -> int:
    """How many changes one has and the other has not."""
    return len(set(one) ^ set(other))


@contextmanager
def _world(bench: Bench, log: Log, rulebook: Any, records: int) -> Iterator[ScoringWorld]:
    prefix = f"d{secrets.token_hex(5)}_"
    made = create_database(bench.postgres.url(), "scoring", prefix=prefix)
    upgrade(made.owner_url, "scoring_service")
    world = ScoringWorld(log, made, rulebook, records=records)
    try:
        yield world
    finally:
        world.close()
        drop_database(bench.postgres.url(), "scoring", prefix=prefix)
