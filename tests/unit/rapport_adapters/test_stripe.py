"""Stripe: each sample is a trap, and says what becomes of it."""

import hashlib
import hmac
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from rapport_adapters.errors import SignatureRefused, Unreadable
from rapport_adapters.stripe import ADAPTER
from tests.unit.rapport_adapters.senders import (
    NOW,
    OLD_SECRET,
    SECRET,
    STRIPE,
    payment_event,
    sample,
    stripe_headers,
    stripe_signature,
    told,
)

PAYMENT, CHARGE = "pi_3PinventedLantern01", "ch_3PinventedLantern01"
REFUND, DISPUTE = "re_3PinventedLantern01", "du_1PinventedHarbour01"
MINUTE_5 = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
event = partial(payment_event, PAYMENT)


def settled(minor: int, currency: str = "GBP") -> dict[str, Any]:
    said = event(
        "settled",
        "evt_3PinventedLantern01a",
        "2026-05-10T08:25:10Z",
        amount_minor=minor,
        currency=currency,
    )
    return {**said, "subject": "cus_QinventedAda01"}


REFUNDED = event(
    "refunded",
    REFUND,
    "2026-05-12T15:33:20Z",
    refund_id=REFUND,
    amount_minor=2500,
    currency="GBP",
)
CHARGED_BACK = event(
    "charged_back",
    DISPUTE,
    "2026-05-17T06:40:00Z",
    chargeback_id=DISPUTE,
    amount_minor=9000,
    currency="GBP",
)
OF_A_CHARGE: dict[str, Any] = {"payment_id": CHARGE}

SAYS = [
    ("payment-succeeded", settled(9000)),
    ("payment-captured-in-part", settled(6000)),
    ("payment-in-yen", settled(15_000, "JPY")),
    ("payment-in-dinar", settled(25_120, "KWD")),
    ("payment-in-krona-of-iceland", settled(15_000, "ISK")),
    ("payment-in-shillings-of-uganda", settled(200_000, "UGX")),
    ("payment-in-ariary", settled(9_000_000, "MGA")),
    ("payment-in-forint", settled(2_500_000, "HUF")),
    (
        "charge-without-a-payment",
        {
            **settled(9000),
            "id": "evt_3PinventedLantern01b",
            "data": {**settled(9000)["data"], **OF_A_CHARGE},
        },
    ),
    (
        "charge-captured-in-part",
        {
            **settled(6000),
            "id": "evt_3PinventedLantern01c",
            "time": "2026-05-11T08:25:10Z",
            "data": {**settled(6000)["data"], **OF_A_CHARGE},
        },
    ),
    ("refund-created", REFUNDED),
    ("refund-updated", REFUNDED),
    ("refund-updated-of-an-older-api", REFUNDED),
    (
        "refund-of-a-charge-without-a-payment",
        {**REFUNDED, "data": {**REFUNDED["data"], **OF_A_CHARGE}},
    ),
    (
        "refund-failed",
        event(
            "refund_failed",
            "evt_3PinventedLantern02d",
            "2026-05-15T15:46:40Z",
            refund_id=REFUND,
        ),
    ),
    (
        "refund-cancelled",
        event(
            "refund_failed",
            "evt_3PinventedLantern02e",
            "2026-05-13T16:33:20Z",
            refund_id=REFUND,
        ),
    ),
    ("dispute-created", CHARGED_BACK),
    ("dispute-money-withdrawn", CHARGED_BACK),
    (
        "dispute-won",
        event(
            "chargeback_reversed",
            "evt_1PinventedHarbour01c",
            "2026-06-09T10:13:20Z",
            chargeback_id=DISPUTE,
        ),
    ),
    (
        "dispute-money-reinstated",
        event(
            "chargeback_reversed",
            "evt_1PinventedHarbour01d",
            "2026-06-09T10:13:22Z",
            chargeback_id=DISPUTE,
        ),
    ),
    (
        "dispute-lost",
        {**CHARGED_BACK, "id": "evt_1PinventedHarbour01e", "time": "2026-06-21T00:00:00Z"},
    ),
]
SAYS_NOTHING = [
    ("payment-failed", "the same payment may still succeed"),
    ("charge-of-a-payment", "its payment intent tells the same"),
    ("charge-captured-of-a-payment", "its payment intent tells the same"),
    ("charge-not-captured", "it is not captured yet"),
    (
        "charge-refunded-in-all",
        "it tells a running total; each refund is told by itself",
    ),
    ("refund-pending", "the refund is under way"),
    ("refund-of-what-expired-uncaptured", "what it gives back was never captured"),
    ("dispute-inquiry", "an inquiry moves no money"),
    ("dispute-inquiry-closed", "the dispute ended without moving money"),
    ("dispute-under-review", "it says nothing of money that came or went"),
    ("customer-created", "it says nothing of money that came or went"),
    ("payment-in-test-mode", "it is of test mode"),
    ("refund-in-test-mode", "it is of test mode"),
    ("payment-of-a-connected-account", "it is of another account than the source's"),
]
CANNOT_SAY = [
    ("payment-without-a-customer", "/data/object/customer", "names no client"),
    (
        "payment-in-parts-of-a-krona",
        "/data/object/amount_received",
        "has decimals that ISK has not",
    ),
    ("thin-event", "/data/object", "is missing"),
]


@pytest.mark.parametrize(("name", "expected"), SAYS)
def test_a_sample_becomes_this_event(name: str, expected: dict[str, Any]) -> None:
    assert told(ADAPTER, sample("stripe", name), STRIPE) == [expected]


@pytest.mark.parametrize(("name", "reason"), SAYS_NOTHING)
def test_a_sample_tells_nothing_and_why(name: str, reason: str) -> None:
    assert ADAPTER.read(sample("stripe", name), STRIPE) == ((), reason)


@pytest.mark.parametrize(("name", "field", "reason"), CANNOT_SAY)
def test_a_sample_cannot_be_read_and_where(name: str, field: str, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(sample("stripe", name), STRIPE)
    assert (refused.value.field, refused.value.reason) == (field, reason)
    assert refused.value.way_out


def test_a_practice_may_name_its_clients_in_the_metadata() -> None:
    """Then the customer's number is never taken, for it is of another kind."""
    named = STRIPE.model_copy(update={"client_metadata_key": "client_id"})
    (event,) = told(ADAPTER, sample("stripe", "payment-without-a-customer"), named)
    assert event["subject"] == "c-17"
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(sample("stripe", "payment-succeeded"), named)
    assert refused.value.field == "/data/object/metadata/client_id"


def test_a_source_of_a_sandbox_accepts_test_mode() -> None:
    sandbox = STRIPE.model_copy(update={"accepts_test_mode": True})
    assert told(ADAPTER, sample("stripe", "payment-in-test-mode"), sandbox) == [settled(9000)]
    assert told(ADAPTER, sample("stripe", "refund-in-test-mode"), sandbox) == [REFUNDED]


@pytest.mark.parametrize("mode", [None, "true", 1])
def test_an_event_of_no_mode_is_refused(mode: Any) -> None:
    document = json.loads(sample("stripe", "payment-succeeded"))
    document["livemode"] = mode
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(json.dumps(document).encode(), STRIPE)
    assert refused.value.field == "/livemode"


def test_a_source_of_a_connected_account_takes_that_ones_events_alone() -> None:
    body = sample("stripe", "payment-of-a-connected-account")
    connected = STRIPE.model_copy(update={"account": "acct_1PinventedHarbour"})
    assert told(ADAPTER, body, connected) == [settled(9000)]
    another = STRIPE.model_copy(update={"account": "acct_1PinventedLantern"})
    reason = "it is of another account than the source's"
    assert ADAPTER.read(body, another) == ((), reason)
    assert ADAPTER.read(sample("stripe", "payment-succeeded"), connected) == ((), reason)


@pytest.mark.parametrize(
    "seconds", [-1, 0, True, 1778401510.5, "1778401510", 2**34, 2**53 - 1, None]
)
def test_a_time_that_is_none_is_refused(seconds: Any) -> None:
    document = json.loads(sample("stripe", "payment-succeeded"))
    document["created"] = seconds
    with pytest.raises(Unreadable) as refused:
        ADAPTER.read(json.dumps(document).encode(), STRIPE)
    assert refused.value.field == "/created"


BODY = sample("stripe", "payment-succeeded")


@pytest.mark.parametrize("age", [-MINUTE_5, timedelta(0), MINUTE_5])
def test_what_was_signed_within_five_minutes_of_now_passes(age: timedelta) -> None:
    ADAPTER.verify(stripe_headers(BODY, NOW - age), BODY, STRIPE, NOW)


@pytest.mark.parametrize(
    ("age", "reason"), [(MINUTE_5 + SECOND, "too-old"), (-MINUTE_5 - SECOND, "too-new")]
)
def test_what_was_signed_a_second_beyond_is_refused(age: timedelta, reason: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify(stripe_headers(BODY, NOW - age), BODY, STRIPE, NOW)
    assert refused.value.reason == reason


def test_one_good_signature_among_several_is_enough() -> None:
    """Stripe sends one for each secret while it rolls them."""
    seconds = int(NOW.timestamp())
    good, old = stripe_signature(BODY), stripe_signature(BODY, secret=OLD_SECRET)
    header = f"t={seconds}, v1={old} ,v0={'0' * 64},v1={good}"
    ADAPTER.verify([("Stripe-Signature", header)], BODY, STRIPE, NOW)


SECONDS = int(NOW.timestamp())
GOOD = stripe_signature(BODY)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param(f"t={SECONDS},v0={GOOD}", "malformed", id="of test mode alone"),
        pytest.param(f"v1={GOOD}", "malformed", id="without a time"),
        pytest.param(f"t={SECONDS},t={SECONDS + 9},v1={GOOD}", "malformed", id="two times"),
        pytest.param(f"t={SECONDS + 9},v1={GOOD}", "mismatch", id="another time"),
        pytest.param(f"t={SECONDS},v1={GOOD[:-1]}", "mismatch", id="cut short"),
        pytest.param(f"t={SECONDS},v1=", "mismatch", id="an empty signature"),
        pytest.param(f"t={SECONDS},v1=Ｆ{GOOD[1:]}", "mismatch", id="beyond ASCII"),
        pytest.param("nonsense", "malformed", id="nonsense"),
    ],
)
def test_a_header_that_proves_nothing_is_refused(header: str, reason: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify([("Stripe-Signature", header)], BODY, STRIPE, NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize("seconds", ["", "-5", "17785944300000", "१७७८५९४४३०", "1e9", "12.5"])
def test_a_time_that_is_none_is_refused_though_signed(seconds: str) -> None:
    signature = hmac.new(
        SECRET.encode(), seconds.encode() + b"." + BODY, hashlib.sha256
    ).hexdigest()
    header = f"t={seconds},v1={signature}"
    with pytest.raises(SignatureRefused) as refused:
        ADAPTER.verify([("Stripe-Signature", header)], BODY, STRIPE, NOW)
    assert refused.value.reason == "malformed"
