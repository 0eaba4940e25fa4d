"""A mapping is data alone: what a system sends becomes events, or problems by field."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rapport_adapters.errors import SignatureRefused, Unreadable
from rapport_adapters.mapping import webhook
from rapport_adapters.mapping.document import KINDS, MappingDocument, Values, fields_of
from rapport_adapters.mapping.reading import MAX_EVENTS, MAX_PROBLEMS, Mapped, Problem, mapped
from rapport_adapters.settings import SourceSettings
from rapport_contracts.codec import encode_source
from rapport_contracts.ranges import MAX_AMOUNT_MINOR, currencies
from tests.unit.rapport_adapters.senders import (
    MAPPING,
    NOW,
    PRACTICE,
    SECRET,
    mapping_headers,
    sample,
    told,
)

SOURCE = SourceSettings(practice_id=PRACTICE, source="lotus-desk")
DESK = json.loads((Path(__file__).parent / "mappings" / "lotus-desk.json").read_text("utf-8"))
PAYMENT: dict[str, Any] = {
    "kind": {"constant": "payment.settled"},
    "values": {
        "id": {"path": "/id"},
        "subject": {"path": "/who"},
        "time": {"path": "/at"},
        "payment_id": {"path": "/id"},
        "amount_minor": {"path": "/sum", "unit": "minor"},
        "currency": {"path": "/cur"},
    },
}
PAID: dict[str, Any] = {
    "id": "p-1",
    "who": "c-17",
    "at": "2026-05-12T10:20:00+08:00",
    "sum": 48000,
    "cur": "CNY",
}


SAYS: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "a-day-of-the-desk",
        [
            {
                "type": "booking.created",
                "id": "5001",
                "time": "2026-05-12T10:20:00+08:00",
                "subject": "730017",
                "data": {
                    "booking_id": "A-88",
                    "starts_at": "2026-05-20T18:00:00+08:00",
                    "counsellor_id": "c07",
                    "site": "s-1",
                },
            },
            {
                "type": "booking.cancelled",
                "id": "5002",
                "time": "2026-05-12T03:00:00Z",
                "data": {"booking_id": "A-61", "site": "s-1", "cancelled_by": "client"},
            },
            {
                "type": "payment.settled",
                "id": "5004",
                "time": "2026-05-12T10:20:30.123000Z",
                "subject": "730017",
                "data": {"payment_id": "99001", "amount_minor": 48050, "currency": "CNY"},
            },
            {
                "type": "payment.refunded",
                "id": "5005",
                "time": "2026-05-12T11:20:30Z",
                "data": {
                    "payment_id": "99001",
                    "refund_id": "R-7",
                    "amount_minor": 8050,
                    "currency": "CNY",
                },
            },
        ],
    )
]
"""Sample -> its events."""


def of(mapping: dict[str, Any], payload: Any) -> Mapped:
    return mapped(json.dumps(payload).encode(), MappingDocument.model_validate(mapping), SOURCE)


def payment(payload: dict[str, Any], **values: Any) -> Any:
    """What a payment becomes by `PAYMENT` with other values, as JSON; or its problems."""
    mapping = {**PAYMENT, "values": {**PAYMENT["values"], **values}}
    found = of(mapping, {**PAID, **payload})
    if found.problems:
        return [(problem.field, problem.mapping, problem.reason) for problem in found.problems]
    return json.loads(encode_source(found.events[0]))


def test_what_the_desk_sends_becomes_these_events() -> None:
    """Nested objects, a list, words, units, two ways of time, a zone; and ids that are numbers."""
    ((name, expected),) = SAYS
    assert told(webhook.ADAPTER, sample("mapping", name), MAPPING) == expected


def test_a_payload_that_tells_nothing_says_so() -> None:
    found = webhook.ADAPTER.read(sample("mapping", "nothing-but-notes"), MAPPING)
    assert found.events == ()
    assert found.nothing_because == "no part of it is of a kind that the mapping takes"


def test_a_problem_refuses_the_whole_body_and_names_both_fields() -> None:
    with pytest.raises(Unreadable) as refused:
        webhook.ADAPTER.read(sample("mapping", "an-amount-with-three-decimals"), MAPPING)
    assert refused.value.field == "/batch/rows/0/bill/sum/value"
    assert "/values/amount_minor" in refused.value.reason


def test_every_field_of_events_can_be_mapped() -> None:
    fields = {name for kind in KINDS for name in fields_of(kind)}
    assert fields == Values.model_fields.keys()


def test_every_problem_of_a_payload_is_told() -> None:
    """A settlement may leave out its client, since it may name who pays."""
    found = of(PAYMENT, {"at": "yesterday", "sum": -1, "cur": "cny", "who": None})
    assert [(each.field, each.mapping, each.reason) for each in found.problems] == [
        ("/id", "/values/id", "is missing"),
        ("/at", "/values/time", "is no date and time of RFC 3339"),
        ("/id", "/values/payment_id", "is missing"),
        ("/cur", "/values/currency", "is not in capitals"),
    ]


@pytest.mark.parametrize(
    ("payload", "values", "problem"),
    [
        ({"cur": "XXQ"}, {}, ("/cur", "/values/currency", "must be a currency code of ISO 4217")),
        ({"sum": 1.0}, {}, ("/sum", "/values/amount_minor", "Input should be a valid integer")),
        ({"sum": "48"}, {}, ("/sum", "/values/amount_minor", "Input should be a valid integer")),
        (
            {"sum": 0.001},
            {"amount_minor": {"path": "/sum", "unit": "main"}},
            ("/sum", "/values/amount_minor", "is no amount from 0 on with at most the 2 decimals"),
        ),
        (
            {"sum": "1,50"},
            {"amount_minor": {"path": "/sum", "unit": "text"}},
            ("/sum", "/values/amount_minor", "is no number as text"),
        ),
        (
            {"sum": 10**12},
            {"amount_minor": {"path": "/sum", "unit": "main"}},
            ("/sum", "/values/amount_minor", "Input should be less than or equal to"),
        ),
        (
            {"sum": "480.00"},
            {"amount_minor": {"path": "/sum", "unit": "main"}},
            ("/sum", "/values/amount_minor", "is no number"),
        ),
        ({"at": "2026-05-12 10:20"}, {}, ("/at", "/values/time", "has no offset")),
        (
            {"at": 2**40},
            {"time": {"path": "/at", "format": "unix_seconds"}},
            ("/at", "/values/time", "is no time in seconds since 1970"),
        ),
        ({"id": True}, {}, ("/id", "/values/id", "Input should be a valid string")),
        ({"id": {"a": 1}}, {}, ("/id", "/values/id", "Input should be a valid string")),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused_by_field(
    payload: dict[str, Any], values: dict[str, Any], problem: tuple[str, str, str]
) -> None:
    field, mapping, reason = payment(payload, **values)[0]
    assert (field, mapping) == problem[:2]
    assert reason.startswith(problem[2])


def test_a_word_that_the_table_lacks_is_refused_unless_others_tell_nothing() -> None:
    kind = {"path": "/what", "words": {"paid": "payment.settled"}}
    (problem,) = of({**PAYMENT, "kind": kind}, {**PAID, "what": "posted"}).problems
    assert (problem.field, problem.mapping) == ("/what", "/kind")
    passed = of({**PAYMENT, "kind": {**kind, "others": True}}, {**PAID, "what": "posted"})
    assert passed == Mapped((), 1, ())


def test_two_parts_with_one_id_are_refused() -> None:
    found = of({**PAYMENT, "each": "/all"}, {"all": [PAID, PAID]})
    assert len(found.events) == 1
    assert [(each.field, each.mapping) for each in found.problems] == [("/all/1/id", "/values/id")]


def test_what_only_two_values_together_make_wrong_is_named_in_the_payload() -> None:
    values = {
        **{name: PAYMENT["values"][name] for name in ("id", "subject", "time")},
        "booking_id": {"path": "/id"},
        "starts_at": {"path": "/at"},
        "replaces": {"path": "/old"},
    }
    mapping = {"kind": {"constant": "booking.rescheduled"}, "values": values}
    (problem,) = of(mapping, {**PAID, "old": "p-1"}).problems
    assert (problem.field, problem.mapping) == ("/old", "/values/replaces")


def test_without_an_id_it_is_the_hash_of_the_body_and_the_parts_number() -> None:
    mapping = {**PAYMENT, "each": "/all", "values": {**PAYMENT["values"], "id": {"hash": "body"}}}
    first = of(mapping, {"all": [PAID, PAID]})
    again = of(mapping, {"all": [PAID, PAID]})
    other = of(mapping, {"all": [PAID, PAID], "sent": 2})
    ids = [event.id for event in first.events]
    assert [each.rpartition("/")[2] for each in ids] == ["1", "2"]
    assert ids == [event.id for event in again.events]
    assert not set(ids) & {event.id for event in other.events}


@pytest.mark.parametrize("each", [None, 1, {}, "x"])
def test_what_is_no_list_is_refused(each: Any) -> None:
    (problem,) = of({**PAYMENT, "each": "/all"}, {"all": each}).problems
    assert (problem.field, problem.mapping) == ("/all", "/each")


def test_events_and_problems_of_a_payload_are_bounded() -> None:
    mapping = {**PAYMENT, "each": "/all"}
    (problem,) = of(mapping, {"all": [PAID] * (MAX_EVENTS + 1)}).problems
    assert (problem.field, problem.mapping) == ("/all", "/each")
    assert len(of(mapping, {"all": [{}] * MAX_EVENTS}).problems) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": {"constant": "payment.paid"}}, "kind/constant"),
        ({"kind": {"path": "/a"}}, "kind"),
        ({"kind": {"path": "/a", "words": {}}}, "kind/words"),
        ({"each": "a"}, "each"),
        ({"each": "/a" * 17}, "each"),
        ({"zone": "Moon/Base"}, "zone"),
        ({"script": "1 + 1"}, "script"),
        ({"of": {"payment.refunded": {}}}, "of/payment.refunded"),
        (
            {"of": {"payment.settled": {"refund_id": {"path": "/a"}}}},
            "of/payment.settled/refund_id",
        ),
        ({"values": {}}, "values/id"),
        ({"values": {**PAYMENT["values"], "site": {"path": "/a"}}}, "values/site"),
        ({"values": {**PAYMENT["values"], "id": {}}}, "values/id"),
        ({"values": {**PAYMENT["values"], "id": {"constant": "1"}}}, "values/id/constant"),
        (
            {"values": {**PAYMENT["values"], "currency": {"constant": "XXQ"}}},
            "values/currency/constant",
        ),
        (
            {"values": {**PAYMENT["values"], "amount_minor": {"path": "/a"}}},
            "values/amount_minor/unit",
        ),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_by_field(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MappingDocument.model_validate({**PAYMENT, **change})
    assert place in {"/".join(map(str, each["loc"])) for each in refused.value.errors()}


AMOUNTS = st.integers(0, MAX_AMOUNT_MINOR)


@given(minor=AMOUNTS, currency=st.sampled_from(sorted(currencies())))
def test_an_amount_is_the_same_in_each_unit(minor: int, currency: str) -> None:
    decimals = currencies()[currency]
    whole, rest = divmod(minor, 10**decimals)
    text = f"{whole}.{rest:0{decimals}}" if decimals else str(whole)
    mapping = MappingDocument.model_validate(
        {
            **PAYMENT,
            "each": "/all",
            "values": {**PAYMENT["values"], "amount_minor": {"path": "/sum", "unit": "main"}},
        }
    )
    paid = {**PAID, "cur": currency}
    body = json.dumps({"all": [{**paid, "sum": 0}]}).replace('"sum": 0', f'"sum": {text}')
    (event,) = mapped(body.encode(), mapping, SOURCE).events
    assert json.loads(encode_source(event))["data"]["amount_minor"] == minor
    as_text = payment({"sum": text, "cur": currency}, amount_minor={"path": "/sum", "unit": "text"})
    assert as_text["data"]["amount_minor"] == minor
    assert payment({"sum": minor, "cur": currency})["data"]["amount_minor"] == minor


@given(
    seconds=st.integers(694_224_000, 6_900_000_000),
    zone=st.sampled_from(["Asia/Shanghai", "UTC", "Asia/Tokyo"]),
)
def test_an_instant_is_the_same_in_each_format(seconds: int, zone: str) -> None:
    """In zones that have not put their clocks back since 1992: no hour was there twice."""

    def read(written: Any, form: str) -> datetime:
        mapping = {
            **PAYMENT,
            "zone": zone,
            "values": {**PAYMENT["values"], "time": {"path": "/at", "format": form}},
        }
        (event,) = of(mapping, {**PAID, "at": written}).events
        return event.time

    at = datetime.fromtimestamp(seconds, UTC)
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert read(at.isoformat(), "rfc3339") == at
    assert read(local.isoformat(" "), "rfc3339") == at
    assert read(seconds, "unix_seconds") == at
    assert read(seconds * 1000, "unix_milliseconds") == at


CANARY = "zqcanary"
ODD = st.sampled_from(
    [CANARY, f"{CANARY}\x00", CANARY * 40, {CANARY: 1}, [CANARY], None, True, -1, 1.5, 10**400]
)


@given(data=st.data())
def test_no_problem_repeats_what_was_sent(data: st.DataObject) -> None:
    payload = json.loads(sample("mapping", "a-day-of-the-desk"))
    rows = payload["batch"]["rows"]
    row = data.draw(st.sampled_from(rows))
    for name in data.draw(st.sets(st.sampled_from(sorted(row)), min_size=1)):
        if isinstance(row[name], dict):
            row[name] = {key: data.draw(ODD) for key in row[name]}
        else:
            row[name] = data.draw(ODD)
    found = of(DESK, payload)
    for problem in found.problems:
        assert isinstance(problem, Problem)
        assert all(problem[2:])
        assert CANARY not in "".join(problem)


PATHS = st.sampled_from(["/a", "/a/b", "/0", "/~0~1", "/a/0/b", "/c"])
PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "~/", "0"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(payload=PAYLOADS, paths=st.lists(PATHS, min_size=6, max_size=6), each=st.none() | PATHS)
def test_any_payload_becomes_events_or_problems(
    payload: Any, paths: list[str], each: str | None
) -> None:
    values = {
        name: {**how, "path": path}
        for (name, how), path in zip(PAYMENT["values"].items(), paths, strict=True)
    }
    found = of({**PAYMENT, "values": values, "each": each}, payload)
    assert found.passed_over == 0
    assert found.events or found.problems or (each is not None)


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_signature_is_read_as_it_is_declared(encoding: Any) -> None:
    settings = MAPPING.model_copy(
        update={"signature": webhook.Signature(header="X-Sign", encoding=encoding, prefix="v1=")}
    )
    body = sample("mapping", "a-day-of-the-desk")
    headers = mapping_headers(body, header="X-Sign", encoding=encoding, prefix="v1=")
    webhook.ADAPTER.verify(headers, body, settings, NOW)
    for wrong in (
        mapping_headers(body, header="X-Sign", encoding=encoding),
        mapping_headers(body, "another-secret", header="X-Sign", encoding=encoding, prefix="v1="),
        [("X-Sign", "v1=" + SECRET)],
        [("X-Sign", "v1=é")],
    ):
        with pytest.raises(SignatureRefused):
            webhook.ADAPTER.verify(wrong, body, settings, NOW)
