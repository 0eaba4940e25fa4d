"""The systems as they sign, seal and send; nothing here is the adapters' own code."""

import base64
import functools
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rapport_adapters import calcom, stripe, wechat_pay
from rapport_adapters.mapping import webhook
from rapport_adapters.mapping.document import MappingDocument
from rapport_contracts.codec import decode_source, encode_source

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 5, 12, 10, 20, 30, tzinfo=UTC)
PRACTICE = "lantern-harbour"
SECRET = "whsec_invented_of_lantern_harbour"
OLD_SECRET = "whsec_invented_and_rolled_away"
API_V3_KEY = "invented-key-of-api-v3-32-bytes!"
OLD_API_V3_KEY = "the-key-that-was-there-before-32"
SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
KEY_ID = "PUB_KEY_ID_0119000000002026051200000000000001"

Headers = list[tuple[str, str]]


def sample(system: str, name: str) -> bytes:
    """The body of a sample, as it stands in its file."""
    return (SAMPLES / system / f"{name}.json").read_bytes()


def told(adapter: Any, body: bytes, settings: Any) -> list[dict[str, Any]]:
    """What a body tells, as it would stand in an event's JSON, without the envelope's constants.

    Each event is what the contracts take: it is read back by their codec.
    """
    events = adapter.read(body, settings).events
    for event in events:
        assert decode_source(None, None, encode_source(event)) == event
    documents = [json.loads(encode_source(event)) for event in events]
    for document in documents:
        constants = [document.pop(name) for name in ("specversion", "source", "practiceid")]
        assert constants == ["1.0", settings.source, PRACTICE]
        document["type"] = document["type"].removeprefix("rapport.").removesuffix(".v1")
    return documents


# Cal.com

CALCOM = calcom.Settings(practice_id=PRACTICE, source="calcom", secrets=(SECRET,))


def payment_event(
    payment_id: str, kind: str, event_id: str, time: str, **data: Any
) -> dict[str, Any]:
    """An event of a payment that names no client, as a reversal does."""
    return {
        "type": f"payment.{kind}",
        "id": event_id,
        "time": time,
        "data": {"payment_id": payment_id, **data},
    }


def calcom_headers(body: bytes, secret: str = SECRET) -> Headers:
    """A hexadecimal HMAC of the body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return [("Content-Type", "application/json"), ("X-Cal-Signature-256", digest)]


# Stripe

STRIPE = stripe.Settings(practice_id=PRACTICE, source="stripe", secrets=(SECRET,))


def stripe_signature(body: bytes, at: datetime = NOW, secret: str = SECRET) -> str:
    """The signature of a body at a time."""
    signed = b"%d.%b" % (int(at.timestamp()), body)
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def stripe_headers(body: bytes, at: datetime = NOW, secret: str = SECRET) -> Headers:
    """One header with the time and a signature."""
    signature = stripe_signature(body, at, secret)
    return [("Stripe-Signature", f"t={int(at.timestamp())},v1={signature}")]


# WeChat Pay

WECHAT_PAY = "wechat pay"


@functools.cache
def rsa_key(_whose: str) -> rsa.RSAPrivateKey:
    """A key for these tests alone."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def certificate(begins: datetime = NOW - timedelta(days=400), days: int = 1800) -> str:
    """A certificate of that key, in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "invented platform")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key(WECHAT_PAY).public_key())
        .serial_number(int(SERIAL, 16))
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(rsa_key(WECHAT_PAY), SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


@functools.cache
def public_key() -> str:
    """The public half of that key, in PEM."""
    half = rsa_key(WECHAT_PAY).public_key()
    return half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def wechat_settings(**changes: Any) -> wechat_pay.Settings:
    """A source that knows a certificate and a public key of the platform."""
    declared: dict[str, Any] = {
        "practice_id": PRACTICE,
        "source": "wechat-pay",
        "public_keys": {SERIAL: certificate(), KEY_ID: public_key()},
        "api_v3_keys": (API_V3_KEY,),
        "app_id": "wx0000lanternharb",
        "money": "payer_total",
    }
    return wechat_pay.Settings(**{**declared, **changes})


def sealed(name: str, key: str = API_V3_KEY) -> bytes:
    """The body of a notice: the sample's resource, encrypted."""
    return seal(json.loads(sample("wechat_pay", name)), key)


def seal(document: dict[str, Any], key: str = API_V3_KEY) -> bytes:
    """The notice of a document with its resource in it, encrypted as far as the notice is one."""
    notice, content = document["notice"], json.dumps(document["resource"]).encode()
    resource = notice.get("resource") if isinstance(notice, dict) else None
    nonce = resource.get("nonce") if isinstance(resource, dict) else None
    if isinstance(nonce, str) and nonce.isascii() and len(nonce) == 12:
        beside = resource.get("associated_data") or ""
        about = beside.encode("utf-8", "replace") if isinstance(beside, str) else b""
        ciphertext = AESGCM(key.encode()).encrypt(nonce.encode(), content, about)
        resource["ciphertext"] = base64.b64encode(ciphertext).decode()
    return json.dumps(notice).encode()


def wechat_headers(
    body: bytes, at: datetime = NOW, serial: str = SERIAL, whose: str = WECHAT_PAY
) -> Headers:
    """Time, nonce, serial, and the signature over them and the body."""
    seconds, nonce = int(at.timestamp()), "9mQ2invented"
    signed = b"%d\n%b\n%b\n" % (seconds, nonce.encode(), body)
    signature = rsa_key(whose).sign(signed, padding.PKCS1v15(), SHA256())
    return [
        ("Wechatpay-Serial", serial),
        ("Wechatpay-Timestamp", str(seconds)),
        ("Wechatpay-Nonce", nonce),
        ("Wechatpay-Signature", base64.b64encode(signature).decode()),
    ]


# A system that a mapping reads

MAPPING = webhook.Settings(
    practice_id=PRACTICE,
    source="lotus-desk",
    secrets=(SECRET,),
    signature=webhook.Signature(header="X-Lotus-Signature", prefix="sha256="),
    mapping=MappingDocument.model_validate_json(
        (Path(__file__).parent / "mappings" / "lotus-desk.json").read_text("utf-8")
    ),
)


def mapping_headers(
    body: bytes,
    secret: str = SECRET,
    *,
    header: str = "X-Lotus-Signature",
    encoding: str = "hex",
    prefix: str = "sha256=",
) -> Headers:
    """An HMAC of the body in a header that is declared."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    written = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    return [(header, prefix + written)]
