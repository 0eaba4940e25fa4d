"""What an API key may do: every scope, whose keys may have it, and which APIs ask for it."""

from typing import Final, Literal, NamedTuple, get_args

ScopeName = Literal[
    "admin",
    "channels:read",
    "clients:read",
    "clients:write",
    "clock:write",
    "consents:write",
    "contacts:write",
    "controls:read",
    "controls:write",
    "dead-letters:decide",
    "dead-letters:read",
    "events:write",
    "messages:read",
    "messages:write",
    "playbook:read",
    "playbook:write",
    "practices:read",
    "practices:write",
    "preferences:read",
    "reads:read",
    "sources:write",
    "status:read",
    "tiers:read",
]
_INGESTION, _SCORING, _OUTREACH = "ingestion-service", "scoring-service", "outreach-service"
_ALL = (_INGESTION, _SCORING, _OUTREACH)


class Scope(NamedTuple):
    """One scope: `holder` says whose keys may have it, `services` whose APIs ask for it."""

    name: ScopeName
    holder: Literal["practice", "operator", "anyone"]
    services: tuple[str, ...]
    permits: str


SCOPES: Final = (
    Scope("admin", "operator", (_INGESTION,), "make, list, rotate and revoke API keys"),
    Scope("practices:read", "anyone", (_INGESTION,), "read practices; a practice's key: its own"),
    Scope("practices:write", "operator", (_INGESTION,), "register practices"),
    Scope("clock:write", "operator", (_INGESTION,), "move simulated time, in development"),
    Scope("events:write", "practice", (_INGESTION,), "send what happened to bookings and payments"),
    Scope("clients:write", "practice", (_INGESTION,), "register clients by their identities"),
    Scope("sources:write", "practice", (_INGESTION,), "declare the systems that report"),
    Scope("clients:read", "practice", (_INGESTION,), "look up clients, activity and sources"),
    Scope("tiers:read", "practice", (_SCORING,), "read tiers, histories and the feed of changes"),
    Scope("contacts:write", "practice", (_OUTREACH,), "say how clients can be reached"),
    Scope("consents:write", "practice", (_OUTREACH,), "say what clients consented to"),
    Scope("preferences:read", "practice", (_OUTREACH,), "read contacts, masked, and consents"),
    Scope("reads:read", "practice", (_OUTREACH,), "read which keys have read a client's data"),
    Scope("messages:read", "practice", (_OUTREACH,), "read messages, and what they say"),
    Scope("messages:write", "practice", (_OUTREACH,), "approve, cancel and decide on messages"),
    Scope("playbook:read", "practice", (_OUTREACH,), "read the playbook"),
    Scope("playbook:write", "practice", (_OUTREACH,), "change the playbook"),
    Scope("channels:read", "practice", (_OUTREACH,), "read whether each channel sends"),
    Scope("dead-letters:read", "anyone", _ALL, "read records that were set aside"),
    Scope("dead-letters:decide", "anyone", _ALL, "replay or drop them"),
    Scope("status:read", "operator", _ALL, "read how far the service has come"),
    Scope("controls:read", "operator", _ALL, "read what is paused, and the audit"),
    Scope("controls:write", "operator", _ALL, "pause and resume"),
)
"""All scopes; there is one for each name in `ScopeName`."""


def scopes_of(service: str) -> tuple[Scope, ...]:
    """Those that the API of this service asks for."""
    return tuple(scope for scope in SCOPES if service in scope.services)


NAMES: Final[tuple[str, ...]] = get_args(ScopeName)
