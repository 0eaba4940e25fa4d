"""Freshness of sources over REST: for a practice its own, for operators the holds (ADR 53)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from ingestion_service.bootstrap import build_stores
from ingestion_service.consumers import GROUP
from ingestion_service.silences import look_at_sources
from ingestion_service.store.silence_gauges import SilenceGauge
from rapport_runtime.database import Database, fetch
from tests.support.doubles.known_secrets import RECORD_KEYS

Call = Callable[..., httpx.Response]
pytestmark = pytest.mark.integration
START = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon at Lakeside."""


def paid(day: int, **changes: Any) -> dict[str, Any]:
    happened = START + timedelta(days=day)
    return {
        "specversion": "1.0",
        "type": "rapport.payment.settled.v1",
        "practiceid": "lakeside",
        "id": f"e{day}",
        "source": "till",
        "subject": "wang-fang",
        "time": happened.isoformat(),
        "data": {"payment_id": f"p{day}", "amount_minor": 100, "currency": "CNY"},
        **changes,
    }


@pytest.fixture
def silent(call: Call, database: Database) -> str:
    """A till that has spoken daily for thirty days, with two events that are parked, and says
    nothing for ten days: the id of Lakeside's hold."""
    for day in range(30):
        now = (START + timedelta(days=day)).isoformat()
        assert call("PUT", "/v1/clock", key="operator", json={"now": now}).status_code == 200
        assert call("POST", "/v1/events", json=paid(day)).is_success
    refund = {"payment_id": "unheard-of", "amount_minor": 1, "currency": "CNY"}
    waits = [
        {**paid(29, id=name, data=refund, type="rapport.payment.refunded.v1"), "subject": None}
        for name in ("r1", "r2")
    ]
    answer = call("POST", "/v1/events", json=waits)
    assert [one["outcome"] for one in answer.json()["items"]] == ["parked", "parked"]
    now = START + timedelta(days=40)
    call("PUT", "/v1/clock", key="operator", json={"now": now.isoformat()})
    stores = build_stores(database, RECORD_KEYS, is_simulated=True)
    with stores.transaction() as tx:
        assert look_at_sources(stores.within(tx), now) == 1
    (hold,) = call("GET", "/v1/holds", key="operator").json()["items"]
    assert (hold["practice_id"], hold["source"]) == ("lakeside", "till")
    hold_id: str = hold["hold_id"]
    return hold_id


def test_a_practice_sees_how_fresh_its_sources_are(call: Call, silent: str) -> None:
    (till,) = call("GET", "/v1/freshness").json()["items"]
    assert (till["source"], till["hold_id"]) == ("till", silent)
    assert (till["usual_gap_days"], till["longest_gap_days"]) == (1, 1)
    assert (till["events_last_30_days"], till["parked"], till["refused"]) == (19, 2, 0)
    assert datetime.fromisoformat(till["last_occurred_at"]) == START + timedelta(days=29)
    assert till["silent_since"] is not None
    assert call("GET", "/v1/freshness", key="harbour").json() == {"items": []}


def test_the_alarm_counts_it(call: Call, silent: str, api_database: Database) -> None:
    """See RapportSourceSilent, and the cases of its rule."""
    gauge, of = SilenceGauge(api_database, GROUP), {"group": GROUP}
    gauge()
    assert REGISTRY.get_sample_value("rapport_silent_sources", of) == 1
    ended = call("POST", f"/v1/holds/{silent}/end", key="operator", json={"why": "they closed"})
    assert ended.status_code == 200
    gauge()
    assert REGISTRY.get_sample_value("rapport_silent_sources", of) == 0


def test_what_is_parked_is_listed_with_its_age(call: Call, silent: str) -> None:
    first = call("GET", "/v1/parked", params={"limit": 1}).json()
    second = call("GET", "/v1/parked", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    ids = [(one["event_id"], one["age_days"]) for one in first["items"] + second["items"]]
    assert ids == [("r1", 11), ("r2", 11)]
    assert second["next_cursor"] is None
    assert call("GET", "/v1/parked", key="harbour").json()["items"] == []


def test_an_operator_ends_a_hold_once_and_says_why(
    call: Call, silent: str, database: Database
) -> None:
    body = {"why": "they have left that system"}
    assert call("POST", f"/v1/holds/{silent}/end", json=body).status_code == 403
    ended = call("POST", f"/v1/holds/{silent}/end", key="operator", json=body)
    assert ended.json() == {"hold_id": silent, "practice_id": "lakeside", "source": "till"}
    again = call("POST", f"/v1/holds/{silent}/end", key="operator", json=body)
    assert (again.status_code, again.json()["reason"]) == (404, "unknown-hold")
    assert call("GET", "/v1/holds", key="operator").json()["items"] == []
    with database.transaction() as tx:
        (entry,) = fetch(tx, "SELECT who, action, kind, subject, why FROM audit")
    assert entry == ("key operator", "resume", "hold", silent, body["why"])
