"""The demo's verdict: whatever does not add up is named, and only that."""

from dataclasses import replace
from typing import Any

import pytest

from rapport_devkit.demo.figures import Figures, Sent

SENT = Sent(records=113, duplicates=8, junk=5, clients=10, seconds=2.0)
GOOD = Figures(
    sent=SENT,
    read=113,
    accepted=100,
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


def test_asks_for_no_deliveries_without_outreach() -> None:
    assert replace(GOOD, messages=[], delivered=None).losses() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"read": 112}, "112 read", id="a record was not read"),
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
