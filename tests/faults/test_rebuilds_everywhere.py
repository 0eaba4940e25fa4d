"""Clients are rebuilt and a practice moves while events come and workers of all three services die:
what each service holds is what a recomputation holds, and nobody sees anything in between."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from tests.support.pipeline.rebuild_findings import look_at_rebuilds
from tests.support.pipeline.rebuilds import LONG, SHORT, RebuildPlan, run_rebuilds

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
SEEDS = (1, 2, 3)
SEED = int(os.environ.get("RAPPORT_REBUILD_SEED", "20261201"))


def _seeded(plan: RebuildPlan, seed: int) -> RebuildPlan:
    return replace(plan, size=replace(plan.size, seed=seed))


@pytest.mark.parametrize(
    ("plan", "seed"),
    [
        pytest.param(SHORT, SEED, id="short", marks=pytest.mark.slow),
        *(
            pytest.param(LONG, SEED + each, id=f"long-{each}", marks=pytest.mark.storm)
            for each in SEEDS
        ),
    ],
)
@pytest.mark.timeout(900)
def test_every_fact_counts_once_whoever_is_rebuilt_moved_or_killed(
    tmp_path: Path,
    topic_prefix: str,
    postgres: Postgres,
    kafka: Kafka,
    plan: RebuildPlan,
    seed: int,
) -> None:
    """The seed is printed; RAPPORT_REBUILD_SEED sets it."""
    print(f"seed {seed}")
    folder = tmp_path / topic_prefix.rstrip("-")
    findings = run_rebuilds(
        _seeded(plan, seed), folder, look_at_rebuilds, postgres=postgres, kafka=kafka, say=print
    )
    print(findings.figures)
    assert findings.worst() == ""
    _something_happened(findings.figures, plan)


def _something_happened(figures: Mapping[str, Any], plan: RebuildPlan) -> None:
    assert figures["least kills"] >= 1
    assert figures["rebuilds"] >= 1
    assert figures["moves"] == len(plan.moves)
    assert figures["generations by reason"].keys() == {"rebuild", "zone"}
    assert figures["answers while rebuilding"] > 0
    assert figures["win-backs"] > 0
    assert figures["withheld for a booking"] > 0
