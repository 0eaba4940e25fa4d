"""API keys on their way from the service that makes them to those that only take them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from rapport_runtime.database import execute, fetch_one, fetch_value

PublishKey = Callable[[Connection, str], None]
"""Puts the key of this id, as it is now, into the outbox of the transaction."""

_READ = """
    SELECT id, secret_hash, practice_id, scopes, label, created_at, expires_at, revoked_at
    FROM api_key WHERE id = %(id)s
"""
# What a key may do never changes, and it only ever ends: so the order does not matter in which its
# records come, and an old one, replayed or of a sender that was restored, revives no key.
_MERGE = """
    INSERT INTO api_key AS known
        (id, secret_hash, practice_id, scopes, label, created_at, expires_at, revoked_at, shared)
    VALUES (%(id)s, %(secret_hash)s, %(practice_id)s, %(scopes)s, %(label)s, %(created_at)s,
        %(expires_at)s, %(revoked_at)s, true)
    ON CONFLICT (id) DO UPDATE SET expires_at = least(known.expires_at, excluded.expires_at),
        revoked_at = least(known.revoked_at, excluded.revoked_at)
"""
# The sender says every few seconds that all that became of keys stands in the log.
_IS_READ = """
    SELECT coalesce((
        SELECT processed_through > now() - interval '15 minutes' FROM consumer_position
        WHERE consumer_group = %(group)s AND topic = %(topic)s AND partition = 0
    ), false)
"""


class KeyLog(NamedTuple):
    """The topic of one partition from which this service, as the group, has its keys."""

    group: str
    topic: str

    def is_read(self, tx: Connection) -> bool:
        """Whether all that became of keys up to 15 minutes ago has been read."""
        return bool(fetch_value(tx, _IS_READ, self._asdict()))


def shared_key(tx: Connection, key_id: str) -> Any:
    """A key as it is told to other services: a row with `id`, `secret_hash`, `practice_id`,
    `scopes`, `label`, `created_at`, `expires_at` and `revoked_at`. Raises LookupError."""
    row = fetch_one(tx, _READ, {"id": key_id})
    if row is None:
        raise LookupError(f"no key {key_id}")
    return row


class ToldKey(Protocol):
    """A key as the contracts tell it: `secret_sha256` is the hash in hexadecimal digits."""

    @property
    def key_id(self) -> str: ...
    @property
    def secret_sha256(self) -> str: ...
    @property
    def practice_id(self) -> str | None: ...
    @property
    def scopes(self) -> Sequence[str]: ...
    @property
    def label(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def revoked_at(self) -> datetime | None: ...


def key_columns(told: ToldKey) -> dict[str, Any]:
    """The columns of `shared_key` of a key that another service has told of."""
    return {
        "id": told.key_id,
        "secret_hash": bytes.fromhex(told.secret_sha256),
        "practice_id": told.practice_id,
        "scopes": list(told.scopes),
        "label": told.label,
        "created_at": told.created_at,
        "expires_at": told.expires_at,
        "revoked_at": told.revoked_at,
    }


def merge_key(tx: Connection, key: Mapping[str, Any]) -> None:
    """Store a key that another service has made, or its end: the columns of `shared_key`."""
    execute(tx, _MERGE, key)
