"""API keys in memory, at a service that only takes them."""

from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any

from rapport_contracts import canonical

Keys = MutableMapping[str, dict[str, Any]]
Ends = Mapping[str, tuple[datetime | None, datetime | None]]
"""By key id: when it expires, when it was revoked."""


def merge_key(keys: Keys, key: Mapping[str, Any]) -> None:
    """As the statement of that name: the earlier end counts."""
    known = keys.setdefault(key["id"], dict(key))
    for end in ("expires_at", "revoked_at"):
        known[end] = min(filter(None, (known[end], key[end])), default=None)


def key_event(key: Mapping[str, Any]) -> canonical.KeyChanged:
    """The event that tells of a key."""
    data = {name: value for name, value in key.items() if name not in {"id", "secret_hash"}}
    return canonical.KeyChanged(
        id=key["id"],
        source="test",
        time=key["created_at"],
        practiceid=key["practice_id"],
        data=canonical.Key(
            key_id=key["id"],
            secret_sha256=key["secret_hash"].hex(),
            **data | {"scopes": tuple(key["scopes"])},
        ),
    )


def ends_of(keys: Keys) -> Ends:
    """When each key ends."""
    return {name: (key["expires_at"], key["revoked_at"]) for name, key in keys.items()}
