"""The codec of our own events: it gives the event, or names the field that is wrong."""

import json
from datetime import UTC, datetime

import pytest

from rapport_contracts.canonical import (
    Activity,
    ActivityRecorded,
    MessageChanged,
    PracticeRegistered,
    TierChanged,
    WatermarkAdvanced,
)
from rapport_contracts.codec import (
    decode,
    encode,
    practice_of,
)
from rapport_contracts.errors import InvalidEvent
from tests.support.generators.wire_events import (
    ACTIVITY,
    CHANGED,
    KEY,
    OUTREACH,
    PAYMENTS,
    PRACTICES,
    RECORDED,
    TIERS,
    WATERMARK,
    altered,
    example,
    refusal,
    without,
)

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
    pytest.param("/data/zone", b'""', id="an empty zone"),
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

    def test_a_zone_that_a_newer_database_of_iana_has_is_let_by(self):
        event = decode(ACTIVITY, KEY, altered(RECORDED, "/data/zone", b'"Mars/Olympus_Mons"'))
        assert event.data.zone == "Mars/Olympus_Mons"

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
