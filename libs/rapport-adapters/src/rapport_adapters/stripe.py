"""Stripe's webhooks: payments, refunds and disputes.

A payment is its payment intent, which may have several charges; a charge that has none is a payment
itself. Refunds and disputes name the payment and no customer. `charge.refunded` tells a running
total of refunds that are told one by one as well, so it is passed over.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from rapport_adapters.adapter import Adapter, Headers, Told, source_event
from rapport_adapters.body import Value, parse
from rapport_adapters.errors import SignatureRefused
from rapport_adapters.settings import Secrets, SourceSettings
from rapport_adapters.signatures import only, require_hmac, require_recent
from rapport_contracts.ranges import currencies
from rapport_contracts.source import SourceEvent
from rapport_contracts.values import Name

_WAY_OUT: Final = "Let the endpoint in Stripe send snapshot events of the payments API."
_NO_CUSTOMER: Final = (
    "Create each payment for a customer, or name the source's client_metadata_key and set that"
    " metadata on each payment."
)

# fmt: off
_ZERO_DECIMAL: Final = frozenset({
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
})
# fmt: on
_THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""All others have two decimals at Stripe, ISK and UGX too, which by ISO 4217 have none."""

_EXPIRED: Final = "expired_uncaptured_charge"


class Settings(SourceSettings):
    """`secrets` are the endpoint's signing secrets. The client is the customer, or what the payment
    says under `client_metadata_key` where that is named: both would mix two kinds of numbers.
    `account` is the connected account, for an endpoint of Connect; without it, events are of the
    endpoint's own account. `accepts_test_mode` is for sandboxes, where no money moves."""

    secrets: Secrets
    client_metadata_key: Name | None = None
    account: Name | None = None
    accepts_test_mode: bool = False


def verify(headers: Headers, body: bytes, settings: Settings, now: datetime) -> None:
    """Raise SignatureRefused unless one of the `v1` signatures is one of ours, over the signed time
    and the body. While Stripe rolls a secret there is a signature for each; `v0` is of test mode
    and proves nothing."""
    parts = [part.strip().partition(b"=") for part in only(headers, "Stripe-Signature").split(b",")]
    times = [value for name, _, value in parts if name == b"t"]
    signatures = [value for name, _, value in parts if name == b"v1"]
    if len(times) != 1 or not signatures:
        raise SignatureRefused("malformed", "Stripe-Signature has not one t and a v1")
    require_hmac(settings.secrets, times[0] + b"." + body, signatures)
    require_recent(times[0], now)


def read(body: bytes, settings: Settings) -> Told:
    """The event of a webhook's body. Raises Unreadable."""
    event = parse(body, _WAY_OUT)
    kind = event["type"].text()
    if kind in _PASSED_OVER:
        return Told(nothing_because=_PASSED_OVER[kind])
    if kind not in _READERS:
        return Told(nothing_because="it says nothing of money that came or went")
    not_ours = _not_ours(event, settings)
    if not_ours is not None:
        return Told(nothing_because=not_ours)
    about = event["data"]["object"]
    if not about.is_there:
        raise about.unreadable("is missing")
    told = _READERS[kind](event, about, settings)
    return Told(nothing_because=told) if isinstance(told, str) else Told((told,))


def _not_ours(event: Value, settings: Settings) -> str | None:
    """Why an event is none of the source's; None for one that is. A live endpoint of Connect gets
    events of every connected account, those of test mode too."""
    account = event["account"]
    if (account.name() if account.is_there else None) != settings.account:
        return "it is of another account than the source's"
    if not event["livemode"].flag() and not settings.accepts_test_mode:
        return "it is of test mode"
    return None


def _intent(event: Value, intent: Value, settings: Settings) -> SourceEvent:
    return _settled(event, intent, intent["amount_received"], settings)


def _charge(event: Value, charge: Value, settings: Settings) -> SourceEvent | str:
    if charge["payment_intent"].is_there:
        return "its payment intent tells the same"
    if not charge["captured"].flag():
        return "it is not captured yet"
    return _settled(event, charge, charge["amount_captured"], settings)


def _settled(event: Value, payment: Value, amount: Value, settings: Settings) -> SourceEvent:
    return source_event(
        "payment.settled",
        settings,
        id=event["id"].name(),
        time=event["created"].happened_in_seconds(),
        subject=_client(payment, settings),
        data={"payment_id": payment["id"].name(), **_money(amount, payment["currency"])},
    )


def _refund(event: Value, refund: Value, settings: Settings) -> SourceEvent | str:
    """Each refund by itself. Its success has the refund's own id and time, so each of the webhooks
    that tell of it gives the same event."""
    refund_id = refund["id"].name()
    status = refund["status"].text()
    about = {"payment_id": _payment_id(refund), "refund_id": refund_id}
    reason = refund["reason"]
    if reason.is_there and reason.text() == _EXPIRED:
        return "what it gives back was never captured"
    if status == "succeeded":
        return source_event(
            "payment.refunded",
            settings,
            id=refund_id,
            time=refund["created"].happened_in_seconds(),
            subject=None,
            data={**about, **_money(refund["amount"], refund["currency"])},
        )
    if status in {"failed", "canceled"}:
        return _reversal("payment.refund_failed", event, about, settings)
    return "the refund is under way"


def _dispute(_event: Value, dispute: Value, settings: Settings) -> SourceEvent | str:
    """Money goes when a dispute opens, not when it is lost: both webhooks give the same event."""
    if dispute["status"].text().startswith("warning_"):
        return "an inquiry moves no money"
    opened_at = dispute["created"].happened_in_seconds()
    return _charged_back(dispute["id"].name(), opened_at, dispute, settings)


def _closed(event: Value, dispute: Value, settings: Settings) -> SourceEvent | str:
    """One that was lost is told again, later: it may have been won before."""
    status = dispute["status"].text()
    if status == "won":
        return _reinstated(event, dispute, settings)
    if status == "lost":
        at = event["created"].happened_in_seconds()
        return _charged_back(event["id"].name(), at, dispute, settings)
    return "the dispute ended without moving money"


def _reinstated(event: Value, dispute: Value, settings: Settings) -> SourceEvent:
    about = {"payment_id": _payment_id(dispute), "chargeback_id": dispute["id"].name()}
    return _reversal("payment.chargeback_reversed", event, about, settings)


def _charged_back(event_id: str, time: datetime, dispute: Value, settings: Settings) -> SourceEvent:
    return source_event(
        "payment.charged_back",
        settings,
        id=event_id,
        time=time,
        subject=None,
        data={
            "payment_id": _payment_id(dispute),
            "chargeback_id": dispute["id"].name(),
            **_money(dispute["amount"], dispute["currency"]),
        },
    )


def _reversal(kind: str, event: Value, about: dict[str, str], settings: Settings) -> SourceEvent:
    return source_event(
        kind,
        settings,
        id=event["id"].name(),
        time=event["created"].happened_in_seconds(),
        subject=None,
        data=about,
    )


def _client(payment: Value, settings: Settings) -> str:
    key = settings.client_metadata_key
    named = payment["customer"] if key is None else payment["metadata"][key]
    if not named.is_there:
        raise named.unreadable("names no client", _NO_CUSTOMER)
    return named.name()


def _payment_id(part: Value) -> str:
    intent = part["payment_intent"]
    return (intent if intent.is_there else part["charge"]).name()


def _money(amount: Value, currency: Value) -> dict[str, int | str]:
    """Stripe's amount in the minor unit of ISO 4217."""
    code, number = currency.currency(), amount.amount()
    decimals = 0 if code in _ZERO_DECIMAL else 3 if code in _THREE_DECIMAL else 2
    shift = currencies()[code] - decimals
    minor, rest = divmod(number * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    if rest:
        raise amount.unreadable(f"has decimals that {code} has not")
    return {"amount_minor": minor, "currency": code}


_READERS: Final[Mapping[str, Callable[[Value, Value, Settings], SourceEvent | str]]] = {
    "payment_intent.succeeded": _intent,
    "charge.succeeded": _charge,
    "charge.captured": _charge,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _reinstated,
    "charge.dispute.closed": _closed,
}
_PASSED_OVER: Final[Mapping[str, str]] = {
    "charge.refunded": "it tells a running total; each refund is told by itself",
    "payment_intent.payment_failed": "the same payment may still succeed",
}

ADAPTER: Final = Adapter(Settings, verify, read)
