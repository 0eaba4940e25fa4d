"""Alibaba Cloud's signature of a request, version 3 (ACS3-HMAC-SHA256)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"


@dataclass(frozen=True)
class AccessKey:
    """An Alibaba Cloud access key."""

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RpcCall:
    """An RPC action with its parameters in the query string and an empty body, by POST to `/`."""

    host: str
    action: str
    version: str
    query: Mapping[str, str] = field(repr=False)
    nonce: str
    at: datetime

    @property
    def query_string(self) -> str:
        """The parameters sorted by name and escaped as RFC 3986 has it."""
        pairs = sorted(self.query.items())
        return "&".join(f"{_escape(name)}={_escape(value)}" for name, value in pairs)


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")


def signed_headers(call: RpcCall, key: AccessKey) -> dict[str, str]:
    """All headers of the call, with its Authorization.

    Source: "V3 request structure and signature", help.aliyun.com/document_detail/2593177; the
    worked example on that page is a test.
    """
    payload = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": call.host,
        "x-acs-action": call.action,
        "x-acs-content-sha256": payload,
        "x-acs-date": call.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": call.nonce,
        "x-acs-version": call.version,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n{call.query_string}\n{lines}\n{names}\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(
        key.secret.encode(), f"{ALGORITHM}\n{digest}".encode(), hashlib.sha256
    ).hexdigest()
    credential = f"Credential={key.key_id},SignedHeaders={names},Signature={signature}"
    return {**headers, "authorization": f"{ALGORITHM} {credential}"}
