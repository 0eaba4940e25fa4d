"""Signed tokens: values that we hand out in an address and take back only if we made them.

A token hides nothing: whoever holds it can read its values. It cannot be altered, and a token of
one purpose does not open for another, even under the same key.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence

Value = str | int
_TAG_BYTES = 16


def sign(values: Sequence[Value], key: bytes, purpose: bytes) -> str:
    """A token for a URL that holds `values`: a tag of 16 bytes, then their JSON, in base64url.

    The tag is the HMAC-SHA-256 of purpose and JSON under `key` (32 bytes), cut to 128 bits. The
    token never expires. Raises UnicodeEncodeError for a text that UTF-8 cannot hold.
    """
    payload = json.dumps([*values], separators=(",", ":"), ensure_ascii=False).encode()
    token = base64.urlsafe_b64encode(_tag(payload, key, purpose) + payload)
    return token.rstrip(b"=").decode()


def open_signed(token: str, key: bytes, purpose: bytes) -> tuple[Value, ...] | None:
    """The values that `sign` was given; None unless it made the token with this key and purpose."""
    try:
        signed = base64.b64decode(
            token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError):
        return None
    tag, payload = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(payload, key, purpose)):
        return None
    return tuple(json.loads(payload))


def _tag(payload: bytes, key: bytes, purpose: bytes) -> bytes:
    # The purpose's length stands first, so that no byte can move from the purpose to the payload.
    message = len(purpose).to_bytes(4, "big") + purpose + payload
    return hmac.digest(key, message, hashlib.sha256)[:_TAG_BYTES]
