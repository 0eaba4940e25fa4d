"""A reader's answers are judged: one by a part of the facts, or by one of them twice, is found."""

import json
from pathlib import Path
from typing import Any

import pytest

import scoring_service
from tests.support.generators.due_clients import AMOUNT, with_due_clients
from tests.support.generators.workload import PRACTICES, WorkloadSize, generate
from tests.support.oracles.ledger import SourceClient
from tests.support.pipeline.tier_watch import Readings, version_faults

RULES = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text("utf-8")
)
FALLS_ON = 3
WORKLOAD = with_due_clients(generate(WorkloadSize(events=10, clients=4, days=6)), FALLS_ON, 4)
PRACTICE = PRACTICES[1]
OWNER = SourceClient(PRACTICE.practice_id, PRACTICE.source, f"due-{FALLS_ON}-0")
"""One visit and one payment, three months before the day before the fall, sent on the first day."""


def answer(day: int = 1, **changes: Any) -> dict[str, Any]:
    """What scoring tells of that client on a day before the fall, or what it says otherwise."""
    values = {
        "last_completed_on": "2024-11-12",
        "completed_count": "1",
        "settled_less_refunded_minor": str(AMOUNT),
    }
    return {
        "tier": changes.pop("tier", "silver"),
        "version": changes.pop("version", 1),
        "score": changes.pop("score", "47.00"),
        "as_of": WORKLOAD.noon(day).isoformat(),
        "zone": PRACTICE.zone,
        "explanation": [
            {"line": name, "input": name, "value": value}
            for name, value in (values | changes).items()
        ],
    }


@pytest.fixture(scope="module")
def readings() -> Readings:
    return Readings(RULES, WORKLOAD)


def test_all_of_the_facts_may_be_seen_and_on_the_day_of_sending_some(readings: Readings) -> None:
    assert readings.permits(OWNER, answer())
    unpaid = {"tier": "bronze", "score": "29.50", "settled_less_refunded_minor": "0"}
    assert readings.permits(OWNER, answer(0, **unpaid))
    assert not readings.permits(OWNER, answer(1, **unpaid))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"completed_count": "2"}, id="a fact twice"),
        pytest.param({"settled_less_refunded_minor": "0"}, id="a fact missing"),
        pytest.param({"last_completed_on": "2024-11-13"}, id="another day"),
        pytest.param({"tier": "bronze"}, id="another tier"),
        pytest.param({"score": "12.00"}, id="another score"),
    ],
)
def test_anything_else_is_found(readings: Readings, told: dict[str, str]) -> None:
    assert not readings.permits(OWNER, answer(**told))


def test_time_moves_the_client_on_its_day(readings: Readings) -> None:
    assert not readings.permits(OWNER, answer(FALLS_ON))
    fallen = {"tier": "bronze", "score": "39.50"}
    assert readings.permits(OWNER, answer(FALLS_ON, **fallen))


def test_versions_go_on_and_have_one_tier_each() -> None:
    history = {1: "silver", 2: "bronze"}
    told = [answer(version=1), answer(version=2, tier="bronze")]
    assert list(version_faults(told, history)) == []
    assert len(list(version_faults(told[::-1], history))) == 1
    assert len(list(version_faults([answer(version=2)], history))) == 1
    assert len(list(version_faults([answer(version=3)], history))) == 1
