"""Links that end one purpose on one channel for one client, without a key (RFC 8058, S21)."""

import base64
import hashlib
import hmac
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.terms import Channel, Purpose
from rapport_runtime.signing import open_signed, sign

LONGEST_TOKEN = 1000
"""Characters; real ones have about 270."""

_PURPOSE = b"unsubscribe"

_BASE = re.compile(r"https://[a-z0-9.:\[\]-]+(/[\w.~-]+)*/?", re.ASCII | re.IGNORECASE)
_INNER = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Ends of names that no name server outside knows."""


def unsubscribe_key(index_key: str) -> bytes:
    """The 32-byte key that signs links, derived from the blind index's key (base64)."""
    return hmac.digest(base64.b64decode(index_key), b"rapport unsubscribe v1", hashlib.sha256)


def unsubscribe_token(key: bytes, way_out: WayOut) -> str:
    """A token for a URL: the subscription and the contact point (pseudonymous ids only), signed.

    It does not expire: a message may be opened years later, and to withdraw must stay as easy as
    to agree (L1).
    """
    where = [] if way_out.contact_index is None else [way_out.contact_index]
    return sign([*way_out.subscription, *where], key, _PURPOSE)


def is_public_https(url: str) -> bool:
    """Whether links that begin with this address can lead anybody anywhere, by https (RFC 8058)."""
    try:
        host, port = urlsplit(url).hostname or "", urlsplit(url).port
    except ValueError:
        return False
    return _BASE.fullmatch(url) is not None and port != 0 and _is_public(host.rstrip("."))


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host[-1].isdigit() and not host.endswith(_INNER)


def unsubscribe_url(public_url: str, key: bytes, way_out: WayOut) -> str:
    """The address that the link in a message and its List-Unsubscribe header point to."""
    return f"{public_url.rstrip('/')}/v1/unsubscribe/{unsubscribe_token(key, way_out)}"


def way_out_of(key: bytes, token: str) -> WayOut | None:
    """What `unsubscribe_token` was given; None for any token that it did not make."""
    values = open_signed(token, key, _PURPOSE)
    if values is None:
        return None
    practice_id, client_id, channel, purpose, *where = map(str, values)
    subscription = Subscription(practice_id, client_id, Channel(channel), Purpose(purpose))
    return WayOut(subscription, *where)
