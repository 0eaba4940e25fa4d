"""Links that end one purpose on one channel for one client, without a key (RFC 8058, S21)."""

import base64
import binascii
import hashlib
import hmac
import json

from outreach_service.domain.consents import Subscription
from outreach_service.domain.terms import Channel, Purpose

LONGEST_TOKEN = 1000
"""Characters; real ones have about 180."""

_TAG_BYTES = 16


def unsubscribe_key(index_key: str) -> bytes:
    """The 32-byte key that signs links, derived from the blind index's key (base64)."""
    return hmac.digest(base64.b64decode(index_key), b"rapport unsubscribe v1", hashlib.sha256)


def unsubscribe_token(key: bytes, subscription: Subscription) -> str:
    """A token for a URL: the subscription (pseudonymous ids only), signed. It does not expire: a
    message may be opened years later, and no must stay as easy as yes (RELIABILITY L1)."""
    said = json.dumps([*subscription], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_tag(key, said) + said).rstrip(b"=").decode()


def unsubscribe_url(public_url: str, key: bytes, subscription: Subscription) -> str:
    """Where the link in a message, and its List-Unsubscribe header, point to."""
    return f"{public_url.rstrip('/')}/v1/unsubscribe/{unsubscribe_token(key, subscription)}"


def subscription_of(key: bytes, token: str) -> Subscription | None:
    """What `unsubscribe_token` was given; None for any token that it did not make."""
    try:
        sealed = base64.b64decode(
            token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError):
        return None
    tag, said = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, said)):
        return None
    practice_id, client_id, channel, purpose = json.loads(said)
    return Subscription(practice_id, client_id, Channel(channel), Purpose(purpose))


def _tag(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, hashlib.sha256)[:_TAG_BYTES]
