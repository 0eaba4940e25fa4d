"""What is no event on any topic: the codec says exactly why not."""

import json

import pytest

from rapport_contracts.canonical import (
    UnknownEvent,
)
from rapport_contracts.catalogue import CANONICAL, SOURCE
from rapport_contracts.codec import (
    MAX_VALUE_BYTES,
    decode,
    decode_source,
)
from rapport_contracts.source import PaymentSettled
from tests.support.generators.wire_events import (
    ACTIVITY,
    BOOKED,
    BOOKINGS,
    KEY,
    PAYMENTS,
    PRACTICES,
    RECORDED,
    SETTLED,
    TIERS,
    altered,
    refusal,
)

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
