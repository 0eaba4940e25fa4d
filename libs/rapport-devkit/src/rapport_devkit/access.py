"""API keys and clients for a running stack: an operator's, and one practice's."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rapport_devkit.api_client import ApiClient
from rapport_devkit.stack import Stack

_OPERATIONS = "status:read,dead-letters:read,dead-letters:decide,controls:read,controls:write"
OPERATOR_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "ingestion": f"practices:read,practices:write,clock:write,{_OPERATIONS}",
        "scoring": _OPERATIONS,
        "outreach": _OPERATIONS,
    }
)
PRACTICE_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "ingestion": (
            "practices:read,clients:read,clients:write,events:write,sources:write,dead-letters:read"
        ),
        "scoring": "tiers:read,dead-letters:read",
        "outreach": (
            "contacts:write,consents:write,preferences:read,reads:read,messages:read,"
            "messages:write,playbook:read,playbook:write,channels:read,dead-letters:read"
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Clients of the running services' APIs, by service; closed with their stack."""

    practice_id: str
    operator: Mapping[str, ApiClient]
    practice: Mapping[str, ApiClient]


def open_access(stack: Stack, practice_id: str) -> Access:
    """New keys for an operator and for one practice, and clients that use them."""

    def clients(scopes: Mapping[str, str], holder: str | None) -> dict[str, ApiClient]:
        return {
            service: stack.api(service, stack.create_key(service, scopes[service], holder))
            for service in stack.options.services
        }

    return Access(
        practice_id=practice_id,
        operator=clients(OPERATOR_SCOPES, None),
        practice=clients(PRACTICE_SCOPES, practice_id),
    )
