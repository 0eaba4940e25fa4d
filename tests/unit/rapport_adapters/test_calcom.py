"""Cal.com: each sample is a trap, and says what becomes of it."""

import hashlib
import json
from typing import Any

import pytest

from rapport_adapters.calcom import ADAPTER
from rapport_adapters.errors import SignatureRefused, Unreadable
from tests.unit.rapport_adapters.senders import CALCOM, NOW, calcom_headers, sample, told

ADA, TOM = "ada.fenn@mail.example", "tom.fenn@mail.example"
UID, NEW_UID = "kT4vQ2mX8sLw1ZpRb6NdYa", "Hn7cF3yUe9GtKq5WxJ2sMo"
AT, STARTS = "2026-05-04T08:15:30.538000Z", "2026-05-12T09:30:00Z"
MOVED_AT, NEW_START = "2026-05-06T17:40:01.002000Z", "2026-05-14T13:00:00Z"
CANCELLED_AT, ENDED_AT = "2026-05-11T20:05:00Z", "2026-05-12T10:20:00Z"
CODES = {"counsellor_id": "31", "service_code": "7012"}


def of(uid: str, client: str) -> str:
    """The id of one client's booking."""
    return hashlib.sha256(f"{uid}\0{client}".encode()).hexdigest()


def event(kind: str, time: str, client: str, uid: str = UID, **data: Any) -> dict[str, Any]:
    """An event but for its id."""
    return {
        "type": f"booking.{kind}",
        "time": time,
        "subject": client,
        "data": {"booking_id": of(uid, client), **data},
    }


CREATED = event("created", AT, ADA, starts_at=STARTS, **CODES)
MOVED = event(
    "rescheduled", MOVED_AT, ADA, NEW_UID, starts_at=NEW_START, replaces=of(UID, ADA), **CODES
)
MOVED_ALONE = event("rescheduled", MOVED_AT, ADA, NEW_UID, starts_at=NEW_START, **CODES)


def cancelled(client: str = ADA, **by: str) -> dict[str, Any]:
    return event("cancelled", CANCELLED_AT, client, **by, **CODES)


SAYS = [
    ("created", [CREATED]),
    (
        "created-for-two",
        [CREATED, event("created", AT, TOM, starts_at=STARTS, **CODES)],
    ),
    ("created-with-one-address-twice", [CREATED]),
    ("created-with-the-counsellors-among-the-attendees", [CREATED]),
    (
        "created-by-phone",
        [event("created", AT, "+447700900123", starts_at=STARTS, **CODES)],
    ),
    ("created-but-pending", [event("requested", AT, ADA, starts_at=STARTS, **CODES)]),
    ("created-with-a-title-cut-through-an-emoji", [CREATED]),
    ("requested", [event("requested", AT, ADA, starts_at=STARTS, **CODES)]),
    (
        "rejected",
        [event("cancelled", "2026-05-05T07:00:00Z", ADA, cancelled_by="counsellor", **CODES)],
    ),
    ("moved", [MOVED]),
    ("moved-as-a-request", [MOVED]),
    ("moved-under-the-same-uid", [MOVED_ALONE]),
    ("moved-without-the-old-uid", [MOVED_ALONE]),
    ("cancelled-by-one-of-two", [cancelled(cancelled_by="client"), cancelled(TOM)]),
    ("cancelled-by-the-counsellor", [cancelled(cancelled_by="counsellor")]),
    ("cancelled-by-nobody-known", [cancelled()]),
    ("cancelled-to-ask-for-another-time", [cancelled(cancelled_by="counsellor")]),
    ("marked-as-no-show", [event("no_show", "2026-05-12T10:05:00Z", ADA)]),
    ("mark-taken-off", [event("completed", "2026-05-13T09:00:00Z", ADA)]),
    (
        "one-of-two-marked",
        [
            event("completed", "2026-05-12T10:05:00Z", ADA),
            event("no_show", "2026-05-12T10:05:00Z", TOM),
        ],
    ),
    ("ended", [event("completed", ENDED_AT, ADA, assumed=True, **CODES)]),
    ("ended-in-an-envelope", [event("completed", ENDED_AT, ADA, assumed=True, **CODES)]),
]
SAYS_NOTHING = [
    ("created-by-the-counsellors-for-themselves", "it is among the practice's own people"),
    ("cancelled-because-it-was-moved", "the booking was moved; the new one says from where"),
    ("ended-but-cancelled", "the hour was not to take place"),
    ("paid", "the payment system tells what was paid"),
    ("payment-begun", "nothing was paid yet"),
    (
        "guests-not-in-the-call",
        "who was in the video call proves nothing; mark no-shows",
    ),
    ("recording-ready", "it says nothing of a booking"),
    ("test-of-the-webhook", "it says nothing of a booking"),
]
CANNOT_SAY = [
    ("moved-without-the-new-uid", "/payload/uid", "is missing"),
    ("created-in-local-time", "/payload/startTime", "has no offset"),
    ("created-for-nobody", "/payload/attendees", "names nobody"),
    ("ended-without-attendees", "/attendees", "is missing"),
    ("a-template-of-ones-own", "/triggerEvent", "is missing"),
    ("attendee-without-an-address", "/payload/attendees/0/email", "is no e-mail address"),
]


@pytest.mark.parametrize(("name", "expected"), SAYS)
def test_a_sample_becomes_these_events(name: str, expected: list[dict[str, Any]]) -> None:
    body = sample("calcom", name)
    digest = hashlib.sha256(body).hexdigest()
    numbered = [{**each, "id": f"{digest}/{n}"} for n, each in enumerate(expected, start=1)]
    assert told(ADAPTER, body, CALCOM) == numbered


@pytest.mark.parametrize(("name", "reason"), SAYS_NOTHING)
def test_a_sample_tells_nothing_and_why(name: str, reason: str) -> None:
    assert ADAPTER.read(sample("calcom", name), CALCOM) == ((), reason)


@pytest.mark.parametrize(("name", "field", "reason"), CANNOT_SAY)
def test_a_sample_cannot_be_read_and_where(name: str, field: str, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(sample("calcom", name), CALCOM)
    assert (refused.value.field, refused.value.reason) == (field, reason)
    assert refused.value.way_out


def test_times_without_an_offset_are_of_the_zone_that_the_source_names() -> None:
    london = CALCOM.model_copy(update={"zone": "Europe/London"})
    (event,) = told(ADAPTER, sample("calcom", "created-in-local-time"), london)
    assert event["time"] == "2026-05-04T09:15:30+01:00"
    assert event["data"]["starts_at"] == "2026-05-12T10:30:00+01:00"


@pytest.mark.parametrize(
    "text", ["2026-05-12", "20260512T093000Z", "2026-W20-2T09:30", "2026-05-12T25:00Z", "today", ""]
)
def test_what_is_no_date_and_time_is_refused_whatever_the_zone(text: str) -> None:
    document = json.loads(sample("calcom", "created"))
    document["payload"]["startTime"] = text
    london = CALCOM.model_copy(update={"zone": "Europe/London"})
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(json.dumps(document).encode(), london)
    assert refused.value.field == "/payload/startTime"
    assert refused.value.reason == "is no date and time of RFC 3339"


@pytest.mark.parametrize("email", ["ada\ud83d@mail.example", "", "@", "ada@", 7, None])
def test_an_address_that_is_none_is_refused(email: Any) -> None:
    document = json.loads(sample("calcom", "created"))
    document["payload"]["attendees"][0]["email"] = email
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(json.dumps(document).encode(), CALCOM)
    assert refused.value.field == "/payload/attendees/0/email"


def test_the_id_of_a_clients_booking_is_what_it_always_was() -> None:
    """Another way to make it would part what was told before from what is told after."""
    (event,) = told(ADAPTER, sample("calcom", "created"), CALCOM)
    assert (
        event["data"]["booking_id"]
        == "6b833d12ff184218f96819aee00f00d96a75a54ebabb6560d0538c2c4cba81ce"
    )


def test_no_address_stands_in_an_id() -> None:
    for name, _ in SAYS:
        for each in told(ADAPTER, sample("calcom", name), CALCOM):
            del each["subject"]
            assert "@" not in json.dumps(each)


def test_a_booking_that_one_moves_and_another_marks_is_one() -> None:
    """The chain: the mark names the new uid, whichever way the address is written."""
    moved = told(ADAPTER, sample("calcom", "moved"), CALCOM)[0]["data"]
    mark = json.loads(sample("calcom", "marked-as-no-show"))
    mark["payload"]["bookingUid"] = NEW_UID
    (marked,) = told(ADAPTER, json.dumps(mark).encode(), CALCOM)
    assert marked["data"]["booking_id"] == moved["booking_id"]


def test_a_webhook_without_a_secret_is_refused_with_the_way_out() -> None:
    headers = [("X-Cal-Signature-256", "no-secret-provided")]
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(headers, sample("calcom", "created"), CALCOM, NOW)
    assert refused.value.reason == "missing"
    assert "set one in Cal.com" in refused.value.detail


def test_a_copy_of_years_later_passes_and_gives_the_events_of_before() -> None:
    body = sample("calcom", "created")
    ADAPTER.verify(calcom_headers(body), body, CALCOM, NOW.replace(year=2029))
    assert ADAPTER.read(body, CALCOM) == ADAPTER.read(body, CALCOM)
