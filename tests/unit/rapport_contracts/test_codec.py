"""The codec gives an event, or says exactly why not: the corpus of poison."""

import json
from datetime import UTC, datetime

import pytest

from rapport_contracts import schemas
from rapport_contracts.canonical import (
    Activity,
    ActivityRecorded,
    MessageChanged,
    PracticeRegistered,
    TierChanged,
    UnknownEvent,
    WatermarkAdvanced,
)
from rapport_contracts.catalogue import CANONICAL, SOURCE
from rapport_contracts.codec import (
    MAX_VALUE_BYTES,
    decode,
    decode_source,
    encode,
    encode_source,
    practice_of,
)
from rapport_contracts.errors import InvalidEvent
from rapport_contracts.source import BookingCreated, PaymentSettled

EXAMPLES = schemas.DIRECTORY.parent / "examples"
ACTIVITY, TIERS, PRACTICES, OUTREACH = (
    "client-activity.v1",
    "tier-changes.v1",
    "practices.v1",
    "outreach-events.v1",
)
BOOKINGS, PAYMENTS = "source.bookings.v1", "source.payments.v1"
KEY = b"mei-of-crane-hill"


def example(event_type: str, name: str) -> bytes:
    return (EXAMPLES / f"rapport.{event_type}.v1" / f"{name}.json").read_bytes()


SETTLED = example("payment.settled", "first-hour")
BOOKED = example("booking.created", "first-hour")
RECORDED = example("activity.recorded", "settled")
CHANGED = example("tier.changed", "upgraded-by-activity")
WATERMARK = example("watermark.advanced", "a-second-later")


def altered(value: bytes, pointer: str, to: bytes) -> bytes:
    """The same event, with raw JSON at a pointer (its last part may be new)."""
    document = json.loads(value)
    *way, last = pointer.strip("/").split("/")
    node = document
    for part in way:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[last] = "@@"
    return json.dumps(document, ensure_ascii=False).encode().replace(b'"@@"', to)


def without(value: bytes, pointer: str) -> bytes:
    return altered(value, pointer, b'"@@"').replace(
        json.dumps(pointer.rsplit("/")[-1]).encode(), b'"something_else"'
    )


def refusal(topic: str | None, key: bytes | None, value: bytes | None) -> InvalidEvent:
    """What the topic's codec says against it; fails if it says nothing."""
    codec = decode if topic in CANONICAL else decode_source
    with pytest.raises(InvalidEvent) as caught:
        codec(topic, key, value)  # type: ignore[arg-type]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the parser's own error may repeat the value"
    return caught.value


TEN_THOUSAND_DEEP = b"[" * 10_000 + b"]" * 10_000
NOT_JSON = [
    pytest.param(b"", id="nothing at all"),
    pytest.param(b"moon cake", id="words"),
    pytest.param(SETTLED[:-10], id="cut short"),
    pytest.param(SETTLED + b"{}", id="two values"),
    pytest.param(altered(SETTLED, "/data/amount_minor", b"NaN"), id="NaN"),
    pytest.param(altered(SETTLED, "/data/amount_minor", b"Infinity"), id="Infinity"),
    pytest.param(altered(SETTLED, "/data/tip", b"-Infinity"), id="-Infinity, in an extra field"),
    pytest.param(altered(SETTLED, "/data/tip", b"NaN"), id="NaN, in an extra field"),
    pytest.param(altered(SETTLED, "/data", TEN_THOUSAND_DEEP), id="10,000 lists deep"),
    pytest.param(altered(SETTLED, "/tip", TEN_THOUSAND_DEEP), id="10,000 deep, in an extra field"),
    pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="10,000 objects deep"),
    pytest.param(TEN_THOUSAND_DEEP, id="10,000 lists deep and nothing else"),
    pytest.param(altered(SETTLED, "/id", rb'"\ud800"'), id="a lone high surrogate"),
    pytest.param(altered(SETTLED, "/id", rb'"\udc00 heron"'), id="a lone low surrogate"),
    pytest.param(altered(SETTLED, "/id", b'"a\x00b"'), id="U+0000 as it is"),
    pytest.param(b"\xef\xbb\xbf" + SETTLED, id="a byte order mark"),
]
NOT_UTF8 = [
    pytest.param(b"\xff\xfe", id="no UTF-8 at all"),
    pytest.param(altered(SETTLED, "/id", b'"\xff"'), id="a stray byte in a field"),
    pytest.param(altered(SETTLED, "/tip", b'"\xff"'), id="a stray byte in an extra field"),
    pytest.param(altered(SETTLED, "/id", '"灯"'.encode("gb18030")), id="GB 18030"),
    pytest.param(altered(SETTLED, "/id", b'"\xed\xa0\x80"'), id="a surrogate as UTF-8"),
]


class TestWhatIsNoEventOnAnyTopic:
    @pytest.mark.parametrize("topic", [*SOURCE, *CANONICAL])
    def test_a_tombstone(self, topic: str):
        assert refusal(topic, KEY, None).reason == "tombstone"

    @pytest.mark.parametrize("topic", [*SOURCE, *CANONICAL])
    def test_two_megabytes(self, topic: str):
        assert refusal(topic, KEY, b" " * 2_000_000).reason == "too-large"

    def test_the_limit_is_one_mebibyte_exactly(self):
        padding = b" " * (MAX_VALUE_BYTES - len(SETTLED))
        assert isinstance(decode_source(PAYMENTS, KEY, SETTLED + padding), PaymentSettled)
        assert refusal(PAYMENTS, KEY, SETTLED + padding + b" ").reason == "too-large"

    @pytest.mark.parametrize("topic", [PAYMENTS, ACTIVITY, None])
    @pytest.mark.parametrize("value", NOT_JSON)
    def test_not_json(self, topic: str | None, value: bytes):
        assert refusal(topic, KEY, value).reason == "not-json"

    @pytest.mark.parametrize("topic", [PAYMENTS, ACTIVITY, None])
    @pytest.mark.parametrize("value", NOT_UTF8)
    def test_not_utf8(self, topic: str | None, value: bytes):
        assert refusal(topic, KEY, value).reason == "not-utf8"

    @pytest.mark.parametrize("value", [b"[]", b"null", b"7", b'"x"', b"true"])
    @pytest.mark.parametrize("topic", [PAYMENTS, ACTIVITY, None])
    def test_json_that_is_no_object(self, topic: str | None, value: bytes):
        found = refusal(topic, KEY, value)
        assert (found.reason, found.field) == ("invalid-field", "")

    @pytest.mark.parametrize(
        ("topic", "value"), [(PAYMENTS, SETTLED), (BOOKINGS, BOOKED), (ACTIVITY, RECORDED)]
    )
    @pytest.mark.parametrize("key", [None, b""])
    def test_a_missing_or_empty_key(self, topic: str, value: bytes, key: bytes | None):
        assert refusal(topic, key, value).reason == "missing-key"

    @pytest.mark.parametrize(
        ("topic", "event_type", "reason"),
        [
            pytest.param(PAYMENTS, "rapport.payment.pondered.v1", "unknown-type", id="new"),
            pytest.param(PAYMENTS, "rapport.payment.settled", "unknown-type", id="no version"),
            pytest.param(PAYMENTS, "rapport.payment.settled.v2", "unknown-version", id="new major"),
            pytest.param(
                ACTIVITY, "rapport.activity.recorded.v12", "unknown-version", id="new major, ours"
            ),
            pytest.param(
                PAYMENTS, "rapport.booking.created.v1", "wrong-topic", id="booking as payment"
            ),
            pytest.param(
                BOOKINGS, "rapport.payment.settled.v1", "wrong-topic", id="payment as booking"
            ),
            pytest.param(ACTIVITY, "rapport.tier.changed.v1", "wrong-topic", id="tier as activity"),
            pytest.param(None, "rapport.tier.changed.v1", "wrong-topic", id="a tier by REST"),
            pytest.param(
                PRACTICES, "rapport.watermark.advanced.v1", "wrong-topic", id="no time there"
            ),
        ],
    )
    def test_a_type_that_is_not_for_here(self, topic: str | None, event_type: str, reason: str):
        value = altered(SETTLED, "/type", json.dumps(event_type).encode())
        found = refusal(topic, KEY, value)
        assert (found.reason, found.field) == (reason, "/type")

    @pytest.mark.parametrize(
        "event_type", ["rapport.activity.dreamt.v1", "rapport.activity.recorded"]
    )
    def test_an_unknown_type_of_ours_is_an_event_that_keeps_what_it_numbers(self, event_type: str):
        value = altered(RECORDED, "/type", json.dumps(event_type).encode())
        value = altered(value, "/incarnation", b'"0a1b2c3d"')
        known = json.loads(RECORDED)
        assert decode(ACTIVITY, KEY, value) == UnknownEvent(
            type=event_type,
            practice_id=known["practiceid"],
            client_id=known["data"]["client_id"],
            generation=1,
            sequence=known["data"]["sequence"],
            incarnation="0a1b2c3d",
        )

    def test_an_unknown_type_may_number_nothing(self):
        value = altered(b'{"specversion": "1.0"}', "/type", b'"rapport.moon.risen.v1"')
        assert decode(TIERS, KEY, value) == UnknownEvent(type="rapport.moon.risen.v1")

    @pytest.mark.parametrize(
        ("pointer", "wrong"),
        [
            ("/data/sequence", b"[]"),
            ("/data/sequence", b"0"),
            ("/data/generation", b"4611686018427387905"),
            ("/data/client_id", b"[]"),
            ("/data/client_id", b'"a\\u0000"'),
            ("/practiceid", b"[]"),
        ],
    )
    def test_an_unknown_type_with_a_number_out_of_range_is_refused(
        self, pointer: str, wrong: bytes
    ):
        value = altered(RECORDED, "/type", b'"rapport.activity.dreamt.v1"')
        found = refusal(ACTIVITY, KEY, altered(value, pointer, wrong))
        assert (found.reason, found.field) == ("invalid-field", pointer)

    @pytest.mark.parametrize(("topic", "value"), [(PAYMENTS, SETTLED), (ACTIVITY, RECORDED)])
    def test_another_specversion(self, topic: str, value: bytes):
        found = refusal(topic, KEY, altered(value, "/specversion", b'"0.3"'))
        assert (found.reason, found.field) == ("unknown-version", "/specversion")

    @pytest.mark.parametrize("topic", [PAYMENTS, ACTIVITY, None])
    @pytest.mark.parametrize("value", [b"5", b"null", b"[]"])
    def test_a_type_that_is_no_text(self, topic: str | None, value: bytes):
        found = refusal(topic, KEY, altered(RECORDED, "/type", value))
        assert (found.reason, found.field) == ("invalid-field", "/type")


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
    pytest.param("/data/tip", rb'["ok", "a\u0000b"]', id="U+0000 in an extra field"),
    pytest.param("/id", b'"' + b"x" * 201 + b'"', id="an id of 201 letters"),
    pytest.param("/subject", b"null", id="no subject"),
    pytest.param("/practiceid", b'"Lantern Harbour"', id="a practice id that is no slug"),
    pytest.param("/specversion", b"1.0", id="specversion as a number"),
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

    def test_a_key_that_is_not_the_subject(self):
        found = refusal(PAYMENTS, b"old-bo-the-ferryman", SETTLED)
        assert (found.reason, found.field) == ("invalid-field", "/subject")

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


ACTIVITY_FIELDS = [
    pytest.param("/data/count", b"true", id="true for one"),
    pytest.param("/data/count", b'"1"', id="a count as text"),
    pytest.param("/data/count", b"1.0", id="a float that is whole"),
    pytest.param("/data/count", b"2147483648", id="a count beyond 32 bits"),
    pytest.param("/data/amount_minor", b"99999999999999999999", id="a 20-digit amount"),
    pytest.param("/data/amount_minor", b"-9223372036854775809", id="one less than 64 bits hold"),
    pytest.param("/data/amount_minor", b"1e999", id="an amount beyond any float"),
    pytest.param("/data/kind", b'""', id="an empty kind"),
    pytest.param("/data/on", b'"2024-02-30"', id="30 February"),
    pytest.param("/data/on", b'"1969-12-31"', id="a day before all calendars"),
    pytest.param("/data/on", b'"2200-01-01"', id="a day after all calendars"),
    pytest.param("/data/occurred_at", b'"1970-01-01T23:59:59Z"', id="before all instants"),
    pytest.param("/data/accepted_at", b'"2199-12-30T00:00:00Z"', id="after all instants"),
    pytest.param("/data/zone", b'"localtime"', id="a zone that is a file"),
    pytest.param("/data/attributes", b'{"site": [1]}', id="an attribute that is a list"),
    pytest.param("/data/last_of_cause", b'"yes"', id="a text for true"),
    pytest.param("/data/sequence", b"0", id="a sequence that starts at nought"),
    pytest.param("/data/occurred_at", b'"2024-03-10T02:50:00"', id="a naive instant"),
    pytest.param("/data/client_id", rb'"a\u0000b"', id="U+0000"),
    pytest.param("/data/client_id", b'""', id="an empty id"),
    pytest.param("/time", b'"2024-03-10T02:50:00"', id="a naive time"),
    pytest.param("/time", b"1710039312", id="Unix time"),
    pytest.param("/practiceid", b"null", id="no practice"),
    pytest.param("/specversion", b"1.0", id="specversion as a number"),
    pytest.param("/data", b"null", id="no data"),
]


class TestCanonicalEvents:
    @pytest.mark.parametrize(("pointer", "raw"), ACTIVITY_FIELDS)
    def test_a_field_that_is_wrong_is_named(self, pointer: str, raw: bytes):
        found = refusal(ACTIVITY, KEY, altered(RECORDED, pointer, raw))
        assert (found.reason, found.field) == ("invalid-field", pointer)

    @pytest.mark.parametrize("pointer", ["/id", "/practiceid", "/type", "/data/client_id"])
    def test_a_field_that_is_missing_is_named(self, pointer: str):
        found = refusal(ACTIVITY, KEY, without(RECORDED, pointer))
        assert (found.reason, found.field) == ("invalid-field", pointer)

    def test_a_field_inside_a_list_is_named(self):
        found = refusal(TIERS, KEY, altered(CHANGED, "/data/explanation/1/points", b"null"))
        assert found.field == "/data/explanation/1/points"

    @pytest.mark.parametrize("raw", [b'"NaN"', b'"Infinity"', b'"100.01"', b'"-0.01"', b'"high"'])
    def test_a_score_that_is_none(self, raw: bytes):
        found = refusal(TIERS, KEY, altered(CHANGED, "/data/score", raw))
        assert (found.reason, found.field) == ("invalid-field", "/data/score")

    def test_u0000_in_an_extra_field(self):
        found = refusal(ACTIVITY, KEY, altered(RECORDED, "/tip", rb'"\u0000"'))
        assert (found.reason, found.field) == ("invalid-field", "/tip")

    def test_fields_from_the_future_are_ignored(self):
        value = altered(altered(RECORDED, "/mood", b'{"x": [1]}'), "/data/tip", b"5")
        assert decode(ACTIVITY, KEY, value) == decode(ACTIVITY, KEY, RECORDED)

    @pytest.mark.parametrize("topic", [ACTIVITY, TIERS])
    def test_a_watermark_belongs_to_a_partition_and_needs_no_key(self, topic: str):
        assert isinstance(decode(topic, None, WATERMARK), WatermarkAdvanced)

    @pytest.mark.parametrize(
        ("topic", "value", "event"),
        [
            (ACTIVITY, RECORDED, ActivityRecorded),
            (TIERS, CHANGED, TierChanged),
            (PRACTICES, example("practice.registered", "lantern-harbour"), PracticeRegistered),
            (OUTREACH, example("message.changed", "delivered"), MessageChanged),
        ],
    )
    def test_each_topic_gives_its_own(self, topic: str, value: bytes, event: type):
        assert type(decode(topic, KEY, value)) is event

    def test_a_topic_that_is_not_ours_is_the_callers_error(self):
        with pytest.raises(KeyError):
            decode(PAYMENTS, KEY, RECORDED)

    @pytest.mark.parametrize("value", [RECORDED, CHANGED])
    def test_the_practice_is_read_without_the_rest(self, value: bytes):
        assert practice_of(value) == json.loads(value)["practiceid"]
        assert practice_of(altered(value, "/data", b"null")) == practice_of(value)

    def test_a_text_that_utf8_cannot_hold_is_not_written(self):
        instant = datetime(2024, 3, 10, tzinfo=UTC)
        event = ActivityRecorded(
            id="\ud800",
            source="ingestion-service",
            time=instant,
            practiceid="lantern-harbour",
            data=Activity(
                client_id="mei",
                generation=1,
                sequence=1,
                kind="registered",
                on=instant.date(),
                zone="Asia/Shanghai",
                count=1,
                occurred_at=instant,
                accepted_at=instant,
            ),
        )
        with pytest.raises(InvalidEvent, match="surrogate"):
            encode(event)
