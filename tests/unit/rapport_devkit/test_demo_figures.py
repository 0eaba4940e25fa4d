"""The demo's verdict: whatever does not add up is named, and only that."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from rapport_contracts.canonical import Activity, ActivityRecorded
from rapport_devkit.demo.figures import Figures, Sent, visits_taken_back
from rapport_devkit.demo.tables import print_verdict

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

SENT = Sent(records=113, duplicates=8, junk=5, clients=10, seconds=2.0)
GOOD = Figures(
    sent=SENT,
    read=113,
    accepted=100,
    taken_back=0,
    dead_letters={"not-json": 3, "unknown-practice": 2},
    unpublished={"ingestion": 0, "scoring": 0},
    lag={"ingestion": 0, "scoring": 0},
    tiers=[{"tier": "bronze", "clients": 7}, {"tier": "gold", "clients": 3}],
    changes={},
    messages=[
        {"channel": "sms", "state": "accepted", "reason": None, "messages": 4},
        {"channel": None, "state": "suppressed", "reason": "no-consent", "messages": 9},
    ],
    deferred={},
    delivered=4,
)


def test_finds_nothing_when_all_adds_up() -> None:
    assert GOOD.duplicates == 8
    assert GOOD.losses() == []


def activity(cause: str, count: int, kind: str = "completed") -> ActivityRecorded:
    """What a source event says of a booking."""
    data = Activity(
        client_id="ada",
        generation=1,
        sequence=1,
        kind=kind,
        on=NOON.date(),
        zone="Asia/Shanghai",
        count=count,
        occurred_at=NOON,
        accepted_at=NOON,
        source="desk",
        cause_id=cause,
    )
    return ActivityRecorded(id=cause, source="test", time=NOON, practiceid="p", data=data)


def test_counts_the_events_that_took_a_visit_back() -> None:
    came = [activity("came", 1), activity("came again", 1)]
    moved = [activity("moved", -1), activity("moved", 1)]
    cancelled = [activity("gone", -1), activity("another", -1, kind="booked")]
    assert visits_taken_back([*came, *moved, *cancelled]) == 1


@pytest.mark.parametrize(("taken_back", "said"), [(0, False), (1, True)])
def test_the_verdict_tells_of_visits_taken_back(taken_back: int, *, said: bool) -> None:
    console = Console(record=True, file=io.StringIO())
    print_verdict(console, [], taken_back)
    text = console.export_text()
    assert "Nothing lost, nothing twice." in text
    assert ("1 completed visit taken back by a later event." in text) is said


def test_asks_for_no_deliveries_without_outreach() -> None:
    assert replace(GOOD, messages=[], delivered=None).losses() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"read": 112}, "112 read", id="a record was not read"),
        pytest.param({"parked": 2}, "2 events wait for their client", id="a number not attached"),
        pytest.param({"accepted": 99}, "9 records unaccounted for", id="an event vanished"),
        pytest.param({"accepted": 101}, "7 records unaccounted for", id="an event counted twice"),
        pytest.param(
            {"dead_letters": {"not-json": 5, "x": 1}}, "put aside", id="a good one refused"
        ),
        pytest.param({"unpublished": {"scoring": 2}}, "2 events never published", id="outbox"),
        pytest.param({"lag": {"scoring": 3}}, "a lag of 3", id="lag"),
        pytest.param({"lag": {"scoring": None}}, "a lag of None", id="unknown lag"),
        pytest.param({"tiers": []}, "0 with a tier", id="a client without a tier"),
        pytest.param({"delivered": 5}, "5 in the sandbox's log", id="sent twice"),
    ],
)
def test_names_what_does_not(change: dict[str, Any], named: str) -> None:
    assert any(named in loss for loss in replace(GOOD, **change).losses())
