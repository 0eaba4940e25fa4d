"""WeChat Pay: each sample is a trap, and says what becomes of it."""

import base64
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from rapport_adapters.errors import SignatureRefused, Unreadable
from rapport_adapters.wechat_pay import ADAPTER
from tests.unit.rapport_adapters.senders import (
    API_V3_KEY,
    KEY_ID,
    NOW,
    OLD_API_V3_KEY,
    SERIAL,
    certificate,
    payment_event,
    sample,
    seal,
    sealed,
    told,
    wechat_headers,
    wechat_settings,
)

TRANSACTION, REFUND = "4200002512202605127091234567", "50302405472026052004079463166"
MINUTE_5 = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
event = partial(payment_event, TRANSACTION)


def settled(minor: int, currency: str = "CNY") -> dict[str, Any]:
    time = "2026-05-12T23:30:05+08:00"
    said = event("settled", TRANSACTION, time, amount_minor=minor, currency=currency)
    return {**said, "subject": "oLh0Inv3ntedAdaFenn000000001"}


def refunded(minor: int, currency: str = "CNY") -> dict[str, Any]:
    time = "2026-05-20T16:47:37+08:00"
    money = {"amount_minor": minor, "currency": currency}
    return event("refunded", REFUND, time, refund_id=REFUND, **money)


SAYS = [
    ("payment", settled(28_000)),
    ("payment-with-nothing-beside", settled(28_000)),
    ("payment-without-associated-data", settled(28_000)),
    ("payment-without-a-currency", settled(28_000)),
    ("payment-of-an-order-in-dollars", settled(7000)),
    ("refund", refunded(14_000)),
    ("refund-of-an-order-in-dollars", refunded(3500)),
    (
        "refund-that-did-not-arrive",
        event(
            "refund_failed",
            "EV-2026052109000012345",
            "2026-05-21T09:00:00+08:00",
            refund_id=REFUND,
        ),
    ),
    (
        "refund-closed",
        event(
            "refund_failed",
            "EV-2026052209000012345",
            "2026-05-22T09:00:00+08:00",
            refund_id=REFUND,
        ),
    ),
]
SAYS_NOTHING = [
    ("payment-not-made", "the payment has not succeeded"),
    ("refund-under-way", "the refund is under way"),
    ("another-notice", "it says nothing of a payment or a refund"),
]
CANNOT_SAY = [
    (
        "payment-in-another-app",
        "/resource/ciphertext/appid",
        "is another app than the source's",
    ),
    ("payment-by-a-partner", "/resource/ciphertext/payer/openid", "is missing"),
]


@pytest.mark.parametrize(("name", "expected"), SAYS)
def test_a_sample_becomes_this_event(name: str, expected: dict[str, Any]) -> None:
    assert told(ADAPTER, sealed(name), wechat_settings()) == [expected]


@pytest.mark.parametrize(("name", "reason"), SAYS_NOTHING)
def test_a_sample_tells_nothing_and_why(name: str, reason: str) -> None:
    assert ADAPTER.read(sealed(name), wechat_settings()) == ((), reason)


@pytest.mark.parametrize(("name", "field", "reason"), CANNOT_SAY)
def test_a_sample_cannot_be_read_and_where(name: str, field: str, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(sealed(name), wechat_settings())
    assert (refused.value.field, refused.value.reason) == (field, reason)
    assert refused.value.way_out


def test_a_source_may_count_the_orders_total() -> None:
    total = wechat_settings(money="total")
    assert told(ADAPTER, sealed("payment"), total) == [settled(30_000)]
    in_dollars = sealed("payment-of-an-order-in-dollars"), sealed("refund-of-an-order-in-dollars")
    assert told(ADAPTER, in_dollars[0], total) == [settled(1000, "USD")]
    assert told(ADAPTER, in_dollars[1], total) == [refunded(500, "USD")]


@pytest.mark.parametrize("currency", ["CNY", "HKD"])
def test_a_total_without_a_currency_is_of_the_one_that_the_source_names(currency: str) -> None:
    named = wechat_settings(money="total", currency=currency)
    assert told(ADAPTER, sealed("refund"), named) == [refunded(15_000, currency)]
    assert told(ADAPTER, sealed("refund-of-an-order-in-dollars"), named) == [refunded(500, "USD")]


@pytest.mark.parametrize("name", ["payment-without-a-currency", "refund"])
def test_a_total_of_no_currency_is_refused(name: str) -> None:
    """What the client paid in says nothing of it."""
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(sealed(name), wechat_settings(money="total"))
    assert refused.value.field == "/resource/ciphertext/amount/currency"
    assert "currency of the source's orders" in refused.value.way_out


def test_what_the_client_paid_is_never_of_the_currency_of_the_totals() -> None:
    named = wechat_settings(currency="USD")
    assert told(ADAPTER, sealed("refund"), named) == [refunded(14_000)]


def test_without_the_clients_currency_what_they_paid_is_of_the_orders() -> None:
    document = json.loads(sample("wechat_pay", "payment"))
    document["resource"]["amount"] = {"payer_total": 1000, "total": 1000, "currency": "HKD"}
    assert told(ADAPTER, seal(document), wechat_settings()) == [settled(1000, "HKD")]


def test_what_the_old_key_sealed_opens_while_both_are_there() -> None:
    both = wechat_settings(api_v3_keys=(API_V3_KEY, OLD_API_V3_KEY))
    for key in (API_V3_KEY, OLD_API_V3_KEY):
        assert told(ADAPTER, sealed("payment", key), both) == [settled(28_000)]
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(sealed("payment", OLD_API_V3_KEY), wechat_settings())
    assert refused.value.field == "/resource/ciphertext"
    assert "API v3 key" in refused.value.way_out


@pytest.mark.parametrize(
    ("field", "value", "at"),
    [
        pytest.param("algorithm", "AEAD_SM4_GCM", "algorithm", id="another algorithm"),
        pytest.param("nonce", "short", "nonce", id="a short nonce"),
        pytest.param("associated_data", "another", "ciphertext", id="other data beside"),
        pytest.param("ciphertext", "%%%", "ciphertext", id="no base64"),
        pytest.param("ciphertext", "", "ciphertext", id="nothing sealed"),
    ],
)
def test_an_altered_seal_opens_nothing(field: str, value: str, at: str) -> None:
    notice = json.loads(sealed("payment"))
    notice["resource"][field] = value
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(json.dumps(notice).encode(), wechat_settings())
    assert refused.value.field == f"/resource/{at}"


def test_a_flipped_bit_opens_nothing() -> None:
    notice = json.loads(sealed("payment"))
    data = bytearray(base64.b64decode(notice["resource"]["ciphertext"]))
    data[7] ^= 1
    notice["resource"]["ciphertext"] = base64.b64encode(data).decode()
    with pytest.raises(Unreadable):
        ADAPTER.read(json.dumps(notice).encode(), wechat_settings())


BODY = sealed("payment")


@pytest.mark.parametrize("serial", [SERIAL, KEY_ID])
def test_a_certificate_and_a_public_key_both_prove_it(serial: str) -> None:
    ADAPTER.verify(wechat_headers(BODY, serial=serial), BODY, wechat_settings(), NOW)


def test_a_serial_that_the_source_does_not_know_is_refused() -> None:
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(wechat_headers(BODY, serial="77AA"), BODY, wechat_settings(), NOW)
    assert refused.value.reason == "unknown-key"


def test_somebody_elses_key_under_a_known_serial_is_refused() -> None:
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(wechat_headers(BODY, whose="forger"), BODY, wechat_settings(), NOW)
    assert refused.value.reason == "mismatch"


@pytest.mark.parametrize(
    "begins", [NOW - timedelta(days=31), NOW + timedelta(days=1)], ids=["over", "to come"]
)
def test_a_certificate_proves_nothing_outside_its_term(begins: Any) -> None:
    settings = wechat_settings(public_keys={SERIAL: certificate(begins, days=30)})
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(wechat_headers(BODY), BODY, settings, NOW)
    assert refused.value.reason == "unknown-key"


@pytest.mark.parametrize("name", ["Wechatpay-Timestamp", "Wechatpay-Nonce"])
def test_time_and_nonce_are_signed_too(name: str) -> None:
    headers = [
        (given, f"{value}1" if given == name and "Nonce" in name else value)
        for given, value in wechat_headers(BODY)
    ]
    if name == "Wechatpay-Timestamp":
        later = str(int(NOW.timestamp()) + 1)
        headers = [(given, later if given == name else value) for given, value in headers]
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(headers, BODY, wechat_settings(), NOW)
    assert refused.value.reason == "mismatch"


@pytest.mark.parametrize("age", [-MINUTE_5, MINUTE_5])
def test_what_was_signed_within_five_minutes_of_now_passes(age: timedelta) -> None:
    ADAPTER.verify(wechat_headers(BODY, NOW - age), BODY, wechat_settings(), NOW)


@pytest.mark.parametrize(
    ("age", "reason"), [(MINUTE_5 + SECOND, "too-old"), (-MINUTE_5 - SECOND, "too-new")]
)
def test_what_was_signed_a_second_beyond_is_refused(age: timedelta, reason: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(wechat_headers(BODY, NOW - age), BODY, wechat_settings(), NOW)
    assert refused.value.reason == reason


def _of_curves() -> str:
    half = ec.generate_private_key(ec.SECP256R1()).public_key()
    return half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        pytest.param({"public_keys": {}}, "public_keys", id="no key"),
        pytest.param({"public_keys": {SERIAL: "MIIB"}}, "public_keys", id="no PEM"),
        pytest.param({"public_keys": {SERIAL: _of_curves()}}, "public_keys", id="not of RSA"),
        pytest.param({"api_v3_keys": ()}, "api_v3_keys", id="no key of API v3"),
        pytest.param({"api_v3_keys": ("k" * 16,)}, "api_v3_keys", id="a key of 16 bytes"),
        pytest.param({"api_v3_keys": ("密" * 32,)}, "api_v3_keys", id="32 letters of 3 bytes"),
        pytest.param({"money": "settlement_total"}, "money", id="another total"),
        pytest.param({"currency": "RMB"}, "currency", id="no code of ISO 4217"),
    ],
)
def test_a_source_that_could_not_work_cannot_be_declared(
    declared: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        wechat_settings(**declared)
    assert {each["loc"][0] for each in refused.value.errors()} == {field}
