"""What the systems' signatures have in common. Nothing here tells how near a forged one came."""

import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from pydantic import SecretStr

from rapport_adapters.adapter import Headers
from rapport_adapters.errors import SignatureRefused

TOLERANCE_SECONDS: Final = 300
"""A signed time may be so far from now, behind or ahead: then a copy is refused, and clocks may
differ."""

_SECONDS: Final = re.compile(rb"[0-9]{1,12}")


def only(headers: Headers, name: str) -> bytes:
    """The value of the one header of this name.

    Raises SignatureRefused, also for two: which of them a proxy before us looked at, nobody knows.
    """
    found = [value for given, value in headers if given.lower() == name.lower()]
    if len(found) > 1:
        raise SignatureRefused("repeated", f"the header {name} is there more than once")
    if not found or not found[0]:
        raise SignatureRefused("missing", f"there is no header {name}")
    return found[0].encode("utf-8", "replace")


def require_recent(seconds: bytes, now: datetime) -> None:
    """Raise SignatureRefused unless the signed time, in seconds since 1970, is near now."""
    if not _SECONDS.fullmatch(seconds):
        raise SignatureRefused("malformed", "the signed time is not in seconds since 1970")
    age = now.timestamp() - int(seconds)
    if age > TOLERANCE_SECONDS:
        raise SignatureRefused("too-old", f"signed more than {TOLERANCE_SECONDS} seconds ago")
    if age < -TOLERANCE_SECONDS:
        raise SignatureRefused(
            "too-new", f"signed more than {TOLERANCE_SECONDS} seconds ahead; compare the clocks"
        )


def require_hmac(secrets: Sequence[SecretStr], message: bytes, signatures: Iterable[bytes]) -> None:
    """Raise SignatureRefused unless one of the signatures is the HMAC-SHA-256 of the message under
    one of the secrets, in hexadecimal."""
    expected = [
        hmac.digest(each.get_secret_value().encode(), message, "sha256").hex().encode()
        for each in secrets
    ]
    matches = [hmac.compare_digest(one, made) for one in signatures for made in expected]
    if not any(matches):
        raise SignatureRefused(
            "mismatch",
            "signed with none of the source's secrets, or altered on the way; compare the secrets",
        )
