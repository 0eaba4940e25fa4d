"""The REST API on Postgres: what each key may do, what the answers are, that events count once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from rapport_runtime.database import Database, execute
from rapport_runtime.metrics import PAYMENTS_OVERDRAWN, VISITS_TAKEN_BACK

pytestmark = pytest.mark.integration

DAY_0 = datetime(2024, 6, 1, tzinfo=UTC)
Call = Callable[..., httpx.Response]


@pytest.fixture
def at_day_0(call: Call) -> None:
    answer = call("PUT", "/v1/clock", key="operator", json={"now": DAY_0.isoformat()})
    assert answer.json() == {"now": "2024-06-01T00:00:00Z", "state": "advancing"}


def event(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    """Wang Fang paid 50.00 yesterday."""
    return {
        "specversion": "1.0",
        "type": "rapport.payment.settled.v1",
        "id": event_id,
        "source": "till",
        "practiceid": "lakeside",
        "subject": "wang-fang",
        "time": (DAY_0 - timedelta(days=1)).isoformat(),
        "data": {"payment_id": "p1", "amount_minor": 5000, "currency": "CNY"},
        **changes,
    }


def look_up(call: Call, *items: dict[str, str], key: str = "lakeside") -> list[Any]:
    """The answers of a look-up; None for a client that was not found."""
    answer = call("POST", "/v1/clients/lookup", key, json={"items": items})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    assert all(item["found"] is (item["client"] is not None) for item in found)
    return [item["client"] for item in found]


def wang_fang(call: Call) -> str:
    """The id of the client of `event()`."""
    (client,) = look_up(call, {"namespace": "till", "external_id": "wang-fang"})
    return str(client["client_id"])


def booked(starts_at: str) -> dict[str, Any]:
    """What makes the event one of an hour at a time."""
    data = {"booking_id": "b1", "starts_at": starts_at}
    return {"type": "rapport.booking.created.v1", "data": data}


def test_nothing_is_accepted_before_the_simulated_clock_is_set(call: Call) -> None:
    assert call("GET", "/v1/clock", key="operator").json() == {"now": None, "state": "unset"}
    answer = call("POST", "/v1/events", json=event())
    assert (answer.status_code, answer.json()["reason"]) == (409, "clock-not-set")


@pytest.mark.usefixtures("at_day_0")
def test_events_count_once_and_show_as_activity(call: Call) -> None:
    late = event("e3", time=(DAY_0 + timedelta(days=3)).isoformat())
    answer = call("POST", "/v1/events", json=[event(), event(), late, event("e2", data=None)])
    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [(item["index"], item["id"]) for item in items] == list(
        enumerate(["e1", "e1", "e3", "e2"])
    )
    assert [(item["outcome"], item["reason"], item["pointer"]) for item in items] == [
        ("accepted", None, None),
        ("duplicate", None, None),
        ("rejected", "occurred-in-the-future", "/time"),
        ("rejected", "invalid-field", "/data"),
    ]
    page = call("GET", f"/v1/clients/{wang_fang(call)}/activity").json()
    assert [(item["kind"], item["amount_minor"], item["currency"]) for item in page["items"]] == [
        ("settled", 5000, "CNY")
    ]
    [source] = call("GET", "/v1/sources").json()["items"]
    assert (source["source"], source["events"]) == ("till", 1)
    assert source["last_accepted_at"] == "2024-06-01T00:00:00Z"


@pytest.mark.usefixtures("at_day_0")
def test_an_event_that_takes_a_visit_back_is_told_and_counted(call: Call) -> None:
    def booking(kind: str, hour: int) -> dict[str, Any]:
        at = (DAY_0 - timedelta(hours=hour)).isoformat()
        changes = {"type": f"rapport.booking.{kind}.v1", "time": at, "data": {"booking_id": "b1"}}
        return event(f"{kind}-1", **changes)

    counter = VISITS_TAKEN_BACK.labels("cancelled")
    before = counter._value.get()
    came, gone = booking("completed", 9), booking("cancelled", 3)
    answer = call("POST", "/v1/events", json=[came, gone])
    assert [item["took_back_visit"] for item in answer.json()["items"]] == [False, True]
    (again,) = call("POST", "/v1/events", json=gone).json()["items"]
    assert (again["outcome"], again["took_back_visit"]) == ("duplicate", False)
    assert counter._value.get() == before + 1


@pytest.mark.usefixtures("at_day_0")
def test_a_package_tells_what_is_left_of_it(call: Call) -> None:
    card = {"source": "till", "package_id": "card"}
    assert call("GET", "/v1/packages", params=card).status_code == 404
    data = {"payment_id": "p1", "amount_minor": 5000, "currency": "CNY"}
    bought = event(subject="her-mother", data=data | {"package_id": "card", "units": 10})
    hour = {"type": "rapport.booking.completed.v1", "data": {"booking_id": "b1"}}
    hour["data"] |= {"package_id": "card"}
    assert call("POST", "/v1/events", json=[bought, event("e2", **hour)]).status_code == 200
    counted = {"bought": 10, "used": 1, "refunded": 0, "left": 9}
    shown = call("GET", "/v1/packages", params=card).json()
    assert shown == card | counted | {"client_id": wang_fang(call)}
    assert call("GET", "/v1/packages", key="harbour", params=card).status_code == 404


@pytest.mark.usefixtures("at_day_0")
def test_a_refund_beyond_what_was_paid_is_counted(call: Call) -> None:
    paid = event("paid", data={"payment_id": "p1", "amount_minor": 300, "currency": "CNY"})
    kind = "rapport.payment.refunded.v1"
    back = {**paid, "id": "back", "type": kind, "data": {**paid["data"], "amount_minor": 900}}
    counter = PAYMENTS_OVERDRAWN.labels("refunded")
    before = counter._value.get()
    answer = call("POST", "/v1/events", json=[paid, back])
    assert [item["outcome"] for item in answer.json()["items"]] == ["accepted", "accepted"]
    assert counter._value.get() == before + 1


@pytest.mark.usefixtures("at_day_0")
@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        pytest.param(
            {"data": {"payment_id": "p1", "currency": "CNY"}}, "/data/amount_minor", id="no amount"
        ),
        pytest.param(
            {"data": {"payment_id": "p1", "amount_minor": -1, "currency": "CNY"}},
            "/data/amount_minor",
            id="a negative amount",
        ),
        pytest.param(
            {"data": {"payment_id": "p1", "amount_minor": 10**20, "currency": "CNY"}},
            "/data/amount_minor",
            id="twenty digits",
        ),
        pytest.param(
            {"data": {"payment_id": "p1", "amount_minor": 1, "currency": "USD"}},
            "/data/currency",
            id="another currency",
        ),
        pytest.param({"time": "1970-01-01T00:00:00Z"}, "/time", id="1970"),
        pytest.param({"time": "9999-12-31T23:59:59-05:00"}, "/time", id="the end of time"),
        pytest.param(booked("1900-01-01T00:00:00Z"), "/data/starts_at", id="an hour of 1900"),
        pytest.param(booked("2500-01-01T00:00:00Z"), "/data/starts_at", id="an hour of 2500"),
        pytest.param({"practiceid": "harbour"}, "/practiceid", id="another's practice"),
    ],
)
def test_a_single_event_that_is_rejected_is_a_problem(
    call: Call, wrong: dict[str, Any], pointer: str
) -> None:
    answer = call("POST", "/v1/events", json=event(**wrong))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


@pytest.mark.usefixtures("at_day_0")
def test_a_single_event_is_told_all_its_faults(call: Call) -> None:
    wrong = event(" ", time="1970-01-01T00:00:00Z", data={"payment_id": "p1", "amount_minor": -1})
    faults = call("POST", "/v1/events", json=wrong).json()["errors"]
    assert {fault["pointer"]: fault["reason"] for fault in faults} == dict.fromkeys(
        ("/id", "/time", "/data/amount_minor", "/data/currency"), "invalid-field"
    )


@pytest.mark.usefixtures("at_day_0")
def test_a_conflicting_duplicate_is_a_conflict(call: Call) -> None:
    assert call("POST", "/v1/events", json=event()).status_code == 200
    other = event(data={"payment_id": "p1", "amount_minor": 1, "currency": "CNY"})
    assert call("POST", "/v1/events", json=other).status_code == 409


@pytest.mark.usefixtures("at_day_0")
def test_a_payment_of_another_client_is_a_conflict(call: Call) -> None:
    assert call("POST", "/v1/events", json=event()).status_code == 200
    answer = call("POST", "/v1/events", json=event("e2", subject="li-na"))
    assert answer.status_code == 409
    [fault] = answer.json()["errors"]
    assert (fault["pointer"], fault["reason"]) == ("/subject", "other-client")


@pytest.mark.usefixtures("at_day_0")
def test_an_activity_says_what_it_follows_from(call: Call) -> None:
    booking = {"booking_id": "b1", "starts_at": "2024-06-03T02:00:00Z", "counsellor_id": "c-07"}
    booked = event(type="rapport.booking.created.v1", data=booking, backfill=True)
    completed = event(
        "e2", type="rapport.booking.completed.v1", data={"booking_id": "b1"}, time=DAY_0.isoformat()
    )
    assert call("POST", "/v1/events", json=[booked, completed]).status_code == 200
    page = call("GET", f"/v1/clients/{wang_fang(call)}/activity").json()
    shown = ("source", "cause_id", "last_of_cause", "backfill", "attributes")
    assert [tuple(item[name] for name in shown) for item in page["items"]] == [
        ("till", "e1", True, True, {"counsellor_id": "c-07"}),
        ("till", "e2", False, False, {"counsellor_id": "c-07"}),
        ("till", "e2", True, False, {"counsellor_id": "c-07"}),
    ]
    assert len({item["object_id"] for item in page["items"]}) == 1


@pytest.mark.usefixtures("at_day_0")
@pytest.mark.parametrize("body", [[], [event()] * 1001, "text", None])
def test_what_is_not_one_to_a_thousand_events_is_refused(call: Call, body: Any) -> None:
    assert call("POST", "/v1/events", json=body).status_code in {413, 422}


@pytest.mark.usefixtures("at_day_0")
def test_a_client_is_registered_once_and_found(call: Call) -> None:
    names = {"namespace": "desk", "external_id": "li-na"}
    first = call("PUT", "/v1/clients", json=names)
    again = call("PUT", "/v1/clients", json=names)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    client_id = first.json()["client_id"]
    assert first.json() == {**names, "client_id": client_id}
    path = f"/v1/clients/{client_id}"
    assert call("GET", path).json() == {
        "client_id": client_id,
        "known_since": "2024-06-01T00:00:00Z",
        "registered": True,
        "identities": [names],
    }
    activity = call("GET", f"{path}/activity").json()["items"]
    assert [one["kind"] for one in activity] == ["registered"]


@pytest.mark.usefixtures("at_day_0")
def test_a_client_is_found_by_its_id_and_by_each_of_its_identities(
    call: Call, database: Database
) -> None:
    assert call("POST", "/v1/events", json=event()).status_code == 200
    client_id = wang_fang(call)
    with database.transaction() as tx:
        add = "INSERT INTO identity VALUES ('lakeside', 'desk', 'wf', %(client_id)s)"
        execute(tx, add, {"client_id": client_id})
    names = [
        {"namespace": "desk", "external_id": "wf"},
        {"namespace": "till", "external_id": "wang-fang"},
    ]
    client = call("GET", f"/v1/clients/{client_id}").json()
    assert (client["registered"], client["identities"]) == (False, names)
    swapped = {"namespace": "desk", "external_id": "wang-fang"}
    by_id, unknown = {"client_id": client_id}, {"client_id": "unknown"}
    found = look_up(call, names[1], swapped, by_id, unknown, names[0], by_id)
    assert found == [client, None, client, None, client, client]


@pytest.mark.usefixtures("at_day_0")
def test_a_client_of_another_practice_is_not_found(call: Call) -> None:
    names = {"namespace": "desk", "external_id": "li-na"}
    client_id = call("PUT", "/v1/clients", json=names).json()["client_id"]
    for path in (f"/v1/clients/{client_id}", f"/v1/clients/{client_id}/activity"):
        assert call("GET", path).status_code == 200
        assert call("GET", path, key="harbour").status_code == 404
    assert look_up(call, {"client_id": client_id}, names, key="harbour") == [None, None]
    assert call("GET", "/v1/clients", key="harbour").json()["items"] == []


@pytest.mark.usefixtures("at_day_0")
@pytest.mark.parametrize(
    "items",
    [
        pytest.param([], id="none"),
        pytest.param([{"client_id": "c"}] * 1001, id="more than a thousand"),
        pytest.param([{}], id="no name"),
        pytest.param([{"namespace": "desk"}], id="half an identity"),
        pytest.param([{"client_id": "c", "namespace": "d", "external_id": "e"}], id="both ways"),
        pytest.param([{"client_id": ""}], id="an empty id"),
        pytest.param([{"client_id": None}], id="null"),
    ],
)
def test_a_look_up_names_each_of_a_thousand_clients_in_one_way(call: Call, items: Any) -> None:
    answer = call("POST", "/v1/clients/lookup", json={"items": items})
    assert answer.status_code == 422
    thousand = [{"client_id": "c"}] * 1000
    assert look_up(call, *thousand) == [None] * 1000


@pytest.mark.usefixtures("at_day_0")
def test_all_clients_are_listed_in_pages_by_id(call: Call) -> None:
    names = [{"namespace": "desk", "external_id": f"c{number}"} for number in range(5)]
    ids = sorted(call("PUT", "/v1/clients", json=each).json()["client_id"] for each in names)
    pages, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = call("GET", "/v1/clients", params=params).json()
        pages.append([client["client_id"] for client in page["items"]])
        assert all(client["identities"][0] in names for client in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert call("GET", "/v1/clients", params={"limit": 1001}).status_code == 422


@pytest.mark.usefixtures("at_day_0")
def test_activity_comes_in_pages(call: Call) -> None:
    events = [
        event(f"e{n}", data={"payment_id": f"p{n}", "amount_minor": n, "currency": "CNY"})
        for n in range(1, 6)
    ]
    assert call("POST", "/v1/events", json=events).status_code == 200
    client_id = wang_fang(call)
    amounts, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = call("GET", f"/v1/clients/{client_id}/activity", params=params).json()
        amounts.append([one["amount_minor"] for one in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert amounts == [[1, 2], [3, 4], [5]]


@pytest.mark.usefixtures("at_day_0")
def test_the_clock_is_the_operators_and_never_goes_back(call: Call) -> None:
    earlier = {"now": (DAY_0 - timedelta(seconds=1)).isoformat()}
    assert call("PUT", "/v1/clock", key="operator", json=earlier).status_code == 409
    assert call("PUT", "/v1/clock", json=earlier).status_code == 403
    for wrong in ("2025-01-01T00:00:00", "2199-12-31T00:00:00Z"):
        answer = call("PUT", "/v1/clock", key="operator", json={"now": wrong})
        assert answer.status_code == 422


def test_the_document_shows_what_an_event_is(call: Call) -> None:
    document = call("GET", "/openapi.json").json()
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert "BookingCreated" in document["components"]["schemas"]
    assert "anyOf" in body["schema"]
