"""Alibaba Cloud's check of ACS3-HMAC-SHA256, written from its documentation, not our client."""

import hmac
import re
from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

_AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 +Credential=(?P<id>[^,]+), *SignedHeaders=(?P<headers>[a-z0-9;-]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_MUST_BE_SIGNED = {"host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_CLOCKS_MAY_DIFFER = timedelta(minutes=15)
_NONCES_KEPT = 100_000


class Refused(Exception):
    """A call that Alibaba Cloud refuses: HTTP status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def _percent(raw: bytes) -> str:
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)


def parameters(query: bytes) -> list[tuple[bytes, bytes]]:
    """The decoded parameters of a raw query string, in order of their names."""
    pairs = (item.partition(b"=") for item in query.split(b"&") if item)
    return sorted((unquote_to_bytes(name), unquote_to_bytes(text)) for name, _, text in pairs)


def expected_signature(request: Request, signed: list[str], secret: str) -> str:
    """The signature that this request must have, computed from what arrived."""
    pairs = parameters(request.scope["query_string"])
    query = "&".join(f"{_percent(name)}={_percent(text)}" for name, text in pairs)
    lines = [request.method, request.url.path, query]
    lines += [f"{name}:{request.headers.get(name, '').strip()}" for name in signed]
    lines += ["", ";".join(signed), request.headers.get("x-acs-content-sha256", "")]
    to_sign = "ACS3-HMAC-SHA256\n" + sha256("\n".join(lines).encode()).hexdigest()
    return hmac.digest(secret.encode(), to_sign.encode(), "sha256").hex()


class Signatures:
    """Checks the signatures of requests with one access key; refuses a nonce that comes again."""

    def __init__(self, key_id: str, secret: str) -> None:
        self._key_id = key_id
        self._secret = secret
        self._nonces: OrderedDict[str, None] = OrderedDict()

    def check(self, request: Request, body: bytes, now: datetime) -> None:
        """Raises Refused for a wrong signature or a date more than 15 minutes from `now`."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            raise Refused(400, "IncompleteSignature")
        if found["id"] != self._key_id:
            raise Refused(404, "InvalidAccessKeyId.NotFound")
        signed = found["headers"].split(";")
        if not set(signed) >= _MUST_BE_SIGNED or signed != sorted(signed):
            raise Refused(400, "IncompleteSignature")
        if request.headers.get("x-acs-content-sha256") != sha256(body).hexdigest():
            raise Refused(400, "SignatureDoesNotMatch")
        expected = expected_signature(request, signed, self._secret)
        if not hmac.compare_digest(found["signature"], expected):
            raise Refused(400, "SignatureDoesNotMatch")
        self._check_freshness(request, now)

    def _check_freshness(self, request: Request, now: datetime) -> None:
        try:
            date = request.headers["x-acs-date"].replace("Z", "+0000")
            at = datetime.strptime(date, "%Y-%m-%dT%H:%M:%S%z")
        except (KeyError, ValueError):
            raise Refused(400, "InvalidTimeStamp.Format") from None
        if abs(now - at) > _CLOCKS_MAY_DIFFER:
            raise Refused(400, "InvalidTimeStamp.Expired")
        nonce = request.headers["x-acs-signature-nonce"]
        if nonce in self._nonces:
            raise Refused(400, "SignatureNonceUsed")
        self._nonces[nonce] = None
        if len(self._nonces) > _NONCES_KEPT:
            self._nonces.popitem(last=False)
