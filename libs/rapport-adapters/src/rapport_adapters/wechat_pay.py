"""WeChat Pay's notices, API v3: payments and refunds, signed with RSA, their contents encrypted.

Amounts are in the minor unit of their currency: an order's is not always what its client paid in. A
refund notice names neither openid nor app: the payment says whose it is.
There is no notice of a payment that failed, nor of a dispute.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import Certificate, load_pem_x509_certificate
from pydantic import AfterValidator, Field, SecretStr

from rapport_adapters.adapter import Adapter, Headers, Told, source_event
from rapport_adapters.body import Value, parse
from rapport_adapters.errors import SignatureRefused
from rapport_adapters.settings import Secret, SourceSettings
from rapport_adapters.signatures import only, require_recent
from rapport_contracts.source import SourceEvent
from rapport_contracts.values import Currency, Name

_WAY_OUT: Final = "Let the notice address receive notices of WeChat Pay's API v3 only."
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ALGORITHM: Final = "AEAD_AES_256_GCM"
_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_OF_CLIENTS: Final = "CNY"
_NO_CURRENCY: Final = "Name the currency of the source's orders: a refund may leave it out."


def _certificate(pem: str) -> Certificate | None:
    """The certificate of this PEM; None for one of a public key."""
    is_certificate = pem.lstrip().startswith(_CERTIFICATE)
    return load_pem_x509_certificate(pem.encode()) if is_certificate else None


def _public_key(pem: str) -> RSAPublicKey:
    """The key in this PEM. Raises ValueError, or UnsupportedAlgorithm."""
    certificate = _certificate(pem)
    key = certificate.public_key() if certificate else load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        msg = "is no key of RSA"
        raise ValueError(msg)  # a fault of the settings, which pydantic reports
    return key


def _of_rsa(pem: str) -> str:
    try:
        _public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        msg = "must be a certificate or a public key of RSA, in PEM"
        raise ValueError(msg) from None
    return pem


def _key_of_api_v3(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) != _KEY_BYTES:
        msg = f"must be {_KEY_BYTES} bytes"
        raise ValueError(msg)
    return secret


class Settings(SourceSettings):
    """`public_keys` are WeChat Pay's own, each a certificate of the platform or a public key, in
    PEM, by the serial number or id that stands in `Wechatpay-Serial`. `api_v3_keys` open what is
    encrypted: while the key is changed, the old and the new one. `app_id` is the app whose openids
    the source speaks. `money` says what counts: what the client paid, or the order's total with
    the coupons that the platform paid; `currency` is that of totals whose notice names none."""

    public_keys: Annotated[dict[Name, Annotated[str, AfterValidator(_of_rsa)]], Field(min_length=1)]
    api_v3_keys: Annotated[
        tuple[Annotated[Secret, AfterValidator(_key_of_api_v3)], ...],
        Field(min_length=1, max_length=2),
    ]
    app_id: Name
    money: Literal["payer_total", "total"]
    currency: Currency | None = None


def verify(headers: Headers, body: bytes, settings: Settings, now: datetime) -> None:
    """Raise SignatureRefused unless the key that the notice names has signed time, nonce and
    body."""
    serial = only(headers, "Wechatpay-Serial").decode()
    seconds = only(headers, "Wechatpay-Timestamp")
    nonce = only(headers, "Wechatpay-Nonce")
    encoded = only(headers, "Wechatpay-Signature")
    pem = settings.public_keys.get(serial)
    if pem is None or not _is_valid(pem, now):
        raise SignatureRefused(
            "unknown-key",
            "the source has no valid public key of this serial: add it from the merchant platform",
        )
    if not _is_signed(pem, encoded, b"%b\n%b\n%b\n" % (seconds, nonce, body)):
        raise SignatureRefused("mismatch", "the key that it names did not sign this")
    require_recent(seconds, now)


def _is_valid(pem: str, now: datetime) -> bool:
    certificate = _certificate(pem)
    if certificate is None:
        return True
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _is_signed(pem: str, encoded: bytes, message: bytes) -> bool:
    try:
        signature = base64.b64decode(encoded, validate=True)
        _public_key(pem).verify(signature, message, PKCS1v15(), SHA256())
    except (binascii.Error, InvalidSignature):
        return False
    return True


def read(body: bytes, settings: Settings) -> Told:
    """The event of a notice's body. Raises Unreadable."""
    notice = parse(body, _WAY_OUT)
    kind = notice["event_type"].text()
    if kind == "TRANSACTION.SUCCESS":
        return _payment(_opened(notice["resource"], settings), settings)
    if kind.startswith("REFUND."):
        return _refund(notice, _opened(notice["resource"], settings), settings)
    return Told(nothing_because="it says nothing of a payment or a refund")


def _payment(payment: Value, settings: Settings) -> Told:
    if payment["trade_state"].text() != "SUCCESS":
        return Told(nothing_because="the payment has not succeeded")
    app = payment["appid"]
    if app.name() != settings.app_id:
        raise app.unreadable(
            "is another app than the source's", "Declare a source of its own for that app."
        )
    transaction = payment["transaction_id"].name()
    event = source_event(
        "payment.settled",
        settings,
        id=transaction,
        time=payment["success_time"].happened(),
        subject=payment["payer"]["openid"].name(),
        data={"payment_id": transaction, **_money(payment["amount"], settings.money, settings)},
    )
    return Told((event,))


def _refund(notice: Value, refund: Value, settings: Settings) -> Told:
    status = refund["refund_status"].text()
    if status == "SUCCESS":
        return Told((_refunded(refund, settings),))
    if status in {"ABNORMAL", "CLOSED"}:
        return Told((_not_refunded(notice, refund, settings),))
    return Told(nothing_because="the refund is under way")


def _refunded(refund: Value, settings: Settings) -> SourceEvent:
    refund_id = refund["refund_id"].name()
    field = {"payer_total": "payer_refund", "total": "refund"}[settings.money]
    return source_event(
        "payment.refunded",
        settings,
        id=refund_id,
        time=refund["success_time"].happened(),
        subject=None,
        data={
            "payment_id": refund["transaction_id"].name(),
            "refund_id": refund_id,
            **_money(refund["amount"], field, settings),
        },
    )


def _not_refunded(notice: Value, refund: Value, settings: Settings) -> SourceEvent:
    """The money did not arrive, or will not be sent. Such a notice has no time of success; it may
    succeed yet, under the refund's own id."""
    return source_event(
        "payment.refund_failed",
        settings,
        id=notice["id"].name(),
        time=notice["create_time"].happened(),
        subject=None,
        data={
            "payment_id": refund["transaction_id"].name(),
            "refund_id": refund["refund_id"].name(),
        },
    )


def _money(amount: Value, field: str, settings: Settings) -> dict[str, int | str]:
    is_the_clients = settings.money == "payer_total"
    currency = _paid_in(amount) if is_the_clients else _priced_in(amount, settings)
    return {"amount_minor": amount[field].amount(), "currency": currency}


def _paid_in(amount: Value) -> str:
    """The currency of what the client paid; a notice without any is of a payment in yuan."""
    for field in ("payer_currency", "currency"):
        if amount[field].is_there:
            return amount[field].currency()
    return _OF_CLIENTS


def _priced_in(amount: Value, settings: Settings) -> str:
    """The currency of the order's total, which may be another than the client paid in."""
    named = amount["currency"]
    if named.is_there:
        return named.currency()
    if settings.currency is None:
        raise named.unreadable("is missing", _NO_CURRENCY)
    return settings.currency


def _opened(resource: Value, settings: Settings) -> Value:
    """What is encrypted in a notice."""
    if resource["algorithm"].text() != _ALGORITHM:
        raise resource["algorithm"].unreadable(f"must be {_ALGORITHM}")
    nonce = resource["nonce"].text().encode("utf-8", "replace")
    if len(nonce) != _NONCE_BYTES:
        raise resource["nonce"].unreadable(f"must be {_NONCE_BYTES} bytes")
    sealed, beside = resource["ciphertext"], resource["associated_data"]
    about = beside.text().encode("utf-8", "replace") if beside.is_there else b""
    try:
        data = base64.b64decode(sealed.text(), validate=True)
    except ValueError:
        data = b""
    for key in settings.api_v3_keys:
        try:
            plain = AESGCM(key.get_secret_value().encode()).decrypt(nonce, data, about)
        except InvalidTag:
            continue
        return parse(plain, _WAY_OUT, sealed.pointer)
    raise sealed.unreadable(
        "opens with none of the source's API v3 keys",
        "Give the source the API v3 key of the merchant platform, beside the old one for a day.",
    )


ADAPTER: Final = Adapter(Settings, verify, read)
