"""The codec of source events: it gives the event, or names the field that is wrong."""

import json
from datetime import datetime

import pytest

from rapport_contracts.codec import (
    decode_source,
    encode_source,
)
from rapport_contracts.source import BookingCreated, PaymentSettled, record_key
from tests.support.generators.wire_events import (
    ACTIVITY,
    BOOKED,
    BOOKINGS,
    KEY,
    PAYMENTS,
    SETTLED,
    altered,
    refusal,
    without,
)

SOURCE_FIELDS = [
    pytest.param("/data/amount_minor", b"-1", id="a negative amount"),
    pytest.param("/data/amount_minor", b"99999999999999999999", id="a 20-digit amount"),
    pytest.param("/data/amount_minor", b"9" * 5000, id="a 5,000-digit amount"),
    pytest.param("/data/amount_minor", b"1e999", id="an amount beyond any float"),
    pytest.param("/data/amount_minor", b"9223372036854775808", id="one more than 64 bits hold"),
    pytest.param("/data/amount_minor", b"10000000000001", id="one more than we take"),
    pytest.param("/data/amount_minor", b"true", id="true for one"),
    pytest.param("/data/amount_minor", b"12.50", id="an amount with a point"),
    pytest.param("/data/amount_minor", b"1.0", id="a float that is whole"),
    pytest.param("/data/amount_minor", b'"80000"', id="an amount as text"),
    pytest.param("/data/amount_minor", b"null", id="no amount"),
    pytest.param("/data/currency", b'"yuan"', id="no ISO 4217"),
    pytest.param("/data/currency", b'"RMB"', id="a currency that people say"),
    pytest.param("/data/currency", b'"XYZ"', id="three letters that are no currency"),
    pytest.param("/data/currency", b'"XAU"', id="gold, which has no minor unit"),
    pytest.param("/data/currency", rb'"CNY\n"', id="a currency with a line end"),
    pytest.param("/data/payment_id", b'""', id="an empty id"),
    pytest.param("/data/payment_id", b"7", id="a number for an id"),
    pytest.param("/data", b"[]", id="data that is a list"),
    pytest.param("/id", rb'"a\u0000b"', id="U+0000"),
    pytest.param("/id", b'" "', id="a blank id"),
    pytest.param("/id", rb'"e1\n"', id="an id with a line end"),
    pytest.param("/id", rb'"a\tb"', id="an id with a tab in it"),
    pytest.param("/source", b'"till "', id="a source with a blank behind it"),
    pytest.param("/source", '"\u3000till"'.encode(), id="a source with a wide blank before it"),
    pytest.param("/subject", rb'"\u200b"', id="a subject that nobody sees"),
    pytest.param("/data/payment_id", rb'"\ufeffP-1"', id="an id with a byte order mark"),
    pytest.param("/data/tip", rb'["ok", "a\u0000b"]', id="U+0000 in an extra field"),
    pytest.param("/id", b'"' + b"x" * 201 + b'"', id="an id of 201 letters"),
    pytest.param("/subject", b"null", id="no subject"),
    pytest.param("/practiceid", b'"Lantern Harbour"', id="a practice id that is no slug"),
    pytest.param("/specversion", b"1.0", id="specversion as a number"),
    pytest.param("/backfill", b"1", id="one for true"),
    pytest.param("/backfill", b'"no"', id="no for false"),
    pytest.param("/time", b'"2024-03-10T10:55:12"', id="a naive time"),
    pytest.param("/time", b'"2024-03-10"', id="a date for a time"),
    pytest.param("/time", b'"1989-12-31T23:59:59Z"', id="before 1990"),
    pytest.param("/time", b'"1970-01-01T00:00:00Z"', id="1970"),
    pytest.param("/time", b"1710039312", id="Unix time"),
    pytest.param("/time", b'"1710039312"', id="Unix time as text"),
    pytest.param("/time", b'"2024-02-30T10:00:00Z"', id="30 February"),
    pytest.param("/time", b'"9999-12-31T23:59:59-08:00"', id="a time that UTC cannot tell"),
]


class TestSourceEvents:
    @pytest.mark.parametrize("topic", [PAYMENTS, None])
    @pytest.mark.parametrize(("pointer", "raw"), SOURCE_FIELDS)
    def test_a_field_that_is_wrong_is_named(self, topic: str | None, pointer: str, raw: bytes):
        found = refusal(topic, KEY, altered(SETTLED, pointer, raw))
        assert found.reason == "invalid-field"
        assert found.field == (pointer if pointer != "/data/tip" else "/data/tip/1")

    @pytest.mark.parametrize(
        "pointer", ["/specversion", "/id", "/source", "/practiceid", "/subject", "/time", "/type"]
    )
    def test_a_field_that_is_missing_is_named(self, pointer: str):
        found = refusal(PAYMENTS, KEY, without(SETTLED, pointer))
        assert (found.reason, found.field) == ("invalid-field", pointer)

    def test_a_field_whose_name_holds_a_null_character_names_its_owner(self):
        value = SETTLED.replace(b'"payment_id"', rb'"a\u0000": 1, "payment_id"')
        assert refusal(PAYMENTS, KEY, value).field == "/data"

    def test_a_pointer_is_escaped(self):
        value = altered(SETTLED, "/data/tip", rb'{"a/b~c": "\u0000"}')
        assert refusal(PAYMENTS, KEY, value).field == "/data/tip/a~1b~0c"

    def test_an_escaped_backslash_before_u0000_is_no_null_character(self):
        event = decode_source(PAYMENTS, KEY, altered(SETTLED, "/id", rb'"\\u0000"'))
        assert event.id == r"\u0000"

    @pytest.mark.parametrize(
        "name", ["\u6797\u5c0f\u6ee1", "c 1042", "a\u200bb", "\U0001f469\u200d\U0001f467", "."]
    )
    def test_an_id_may_be_of_any_script_and_hold_blanks(self, name: str):
        value = altered(SETTLED, "/data/payment_id", json.dumps(name).encode())
        event = decode_source(PAYMENTS, KEY, value)
        assert isinstance(event, PaymentSettled)
        assert event.data.payment_id == name

    @pytest.mark.parametrize("code", ["counsellor_id", "service_code", "site", "product"])
    def test_a_code_that_nobody_sees_is_refused(self, code: str):
        found = refusal(BOOKINGS, KEY, altered(BOOKED, f"/data/{code}", rb'"\u200b"'))
        assert (found.reason, found.field) == ("invalid-field", f"/data/{code}")

    def test_all_fields_that_are_wrong_are_named(self):
        value = altered(altered(SETTLED, "/data/amount_minor", b"-1"), "/time", b'"now"')
        found = refusal(PAYMENTS, KEY, value)
        assert (found.field, [other.field for other in found.others]) == (
            "/time",
            ["/data/amount_minor"],
        )

    @pytest.mark.parametrize("time", ["1989-12-31T23:59:59Z", "2199-12-30T00:00:00Z"])
    def test_a_time_out_of_range_is_told_its_own_range(self, time: str):
        found = refusal(PAYMENTS, KEY, altered(SETTLED, "/time", f'"{time}"'.encode()))
        assert found.detail == "must be from 1990-01-01 to 2199-12-29"

    def test_a_key_that_is_not_the_subject(self):
        found = refusal(PAYMENTS, b"old-bo-the-ferryman", SETTLED)
        assert (found.reason, found.field) == ("invalid-field", "/subject")

    def test_the_key_of_an_event_without_a_client_is_the_id_of_its_payment(self):
        nameless = {key: value for key, value in json.loads(SETTLED).items() if key != "subject"}
        later = json.dumps(nameless | {"type": "rapport.payment.refunded.v1"}).encode()
        event = decode_source(PAYMENTS, nameless["data"]["payment_id"].encode(), later)
        assert (event.subject, record_key(event)) == (None, nameless["data"]["payment_id"])
        found = refusal(PAYMENTS, KEY, later)
        assert (found.reason, found.field) == ("invalid-field", "/data/payment_id")

    def test_the_first_event_about_a_payment_names_its_client(self):
        nameless = {key: value for key, value in json.loads(SETTLED).items() if key != "subject"}
        assert refusal(PAYMENTS, KEY, json.dumps(nameless).encode()).field == "/subject"

    @pytest.mark.parametrize("replaced", ["HOUR-PAPER-KITE", "", None, 7])
    def test_a_booking_replaces_another_one(self, replaced: object):
        booked = json.loads(BOOKED)
        booked["data"] |= {"booking_id": "HOUR-PAPER-KITE", "replaces": replaced}
        value = json.dumps(booked).encode()
        if replaced is None:
            assert decode_source(None, None, value).data.replaces is None
        else:
            assert refusal(None, None, value).field == "/data/replaces"

    def test_a_body_needs_no_key_and_may_be_of_any_source_type(self):
        assert isinstance(decode_source(None, None, SETTLED), PaymentSettled)
        assert isinstance(decode_source(None, None, BOOKED), BookingCreated)

    def test_a_body_with_a_key_must_equal_it(self):
        assert refusal(None, b"old-bo-the-ferryman", SETTLED).field == "/subject"

    def test_fields_from_the_future_are_ignored(self):
        value = altered(altered(SETTLED, "/mood", b'{"x": [1]}'), "/data/tip", b"5")
        assert decode_source(PAYMENTS, KEY, value) == decode_source(PAYMENTS, KEY, SETTLED)

    @pytest.mark.parametrize("raw", [b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59Z"'])
    def test_a_start_that_another_zone_cannot_tell(self, raw: bytes):
        found = refusal(BOOKINGS, KEY, altered(BOOKED, "/data/starts_at", raw))
        assert (found.reason, found.field) == ("invalid-field", "/data/starts_at")

    @pytest.mark.parametrize("start", ["1970-01-02T00:00:00Z", "2199-12-29T23:59:59Z"])
    def test_a_start_may_be_long_ago_or_far_ahead(self, start: str):
        event = decode_source(
            BOOKINGS, KEY, altered(BOOKED, "/data/starts_at", f'"{start}"'.encode())
        )
        assert isinstance(event, BookingCreated)
        assert event.data.starts_at == datetime.fromisoformat(start)

    @pytest.mark.parametrize(
        "start",
        [
            pytest.param("1900-01-01T00:00:00Z", id="the null date of many databases"),
            pytest.param("1970-01-01T23:59:59Z", id="just too early"),
            pytest.param("2199-12-30T00:00:00Z", id="just too late"),
        ],
    )
    def test_a_start_that_no_reader_can_hold_is_refused(self, start: str):
        found = refusal(BOOKINGS, KEY, altered(BOOKED, "/data/starts_at", f'"{start}"'.encode()))
        assert (found.reason, found.field) == ("invalid-field", "/data/starts_at")
        assert found.detail == "must be from 1970-01-02 to 2199-12-29"

    def test_zero_is_an_amount(self):
        event = decode_source(PAYMENTS, KEY, altered(SETTLED, "/data/amount_minor", b"0"))
        assert isinstance(event, PaymentSettled)
        assert event.data.amount_minor == 0

    def test_encoded_and_decoded_it_is_the_same(self):
        event = decode_source(PAYMENTS, KEY, SETTLED)
        assert decode_source(PAYMENTS, KEY, encode_source(event)) == event

    def test_a_topic_that_is_no_sources_is_the_callers_error(self):
        with pytest.raises(KeyError):
            decode_source(ACTIVITY, KEY, SETTLED)
