"""API keys as operators manage them by REST: each act is one transaction, with its audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import parse_key
from rapport_runtime.ops import keys
from rapport_runtime.ops.keys import KeyRow
from rapport_runtime.ops.shared_keys import PublishKey


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: whole, which nobody sees again, and its row."""

    raw: str
    row: KeyRow


class StoredKeys:
    """The keys of this service, which `publish` tells to the others. `actor` is who acts, for the
    audit: `key <id>`."""

    def __init__(self, database: Database, publish: PublishKey) -> None:
        self._database = database
        self._publish = publish

    def make(
        self,
        actor: str,
        *,
        practice_id: str | None,
        scopes: Sequence[str],
        label: str,
        valid_for: timedelta | None,
    ) -> NewKey:
        """Make a key. Raises ValueError as `keys.create_key`."""
        with self._database.transaction(operator=True) as tx:
            raw = keys.create_key(
                tx, practice_id=practice_id, scopes=scopes, label=label, valid_for=valid_for
            )
            made = _new(tx, raw)
            keys.record_act(tx, actor, "create", made.row.id)
            self._publish(tx, made.row.id)
            return made

    def rotate(self, actor: str, key_id: str, *, overlap: timedelta) -> NewKey:
        """Make a key's successor. Raises LookupError unless the key holds."""
        with self._database.transaction(operator=True) as tx:
            made = _new(tx, keys.rotate_key(tx, key_id, overlap=overlap))
            keys.record_act(tx, actor, "rotate", key_id)
            keys.record_act(tx, actor, "create", made.row.id)
            for changed in (key_id, made.row.id):
                self._publish(tx, changed)
            return made

    def revoke(self, actor: str, key_id: str) -> None:
        """End a key; one that was revoked before stays so. Raises LookupError for none."""
        with self._database.transaction(operator=True) as tx:
            if keys.one_key(tx, key_id) is None:
                raise LookupError(f"no key {key_id}")
            if keys.revoke_key(tx, key_id):
                keys.record_act(tx, actor, "revoke", key_id)
                self._publish(tx, key_id)

    def page(self, *, after: str, limit: int) -> list[KeyRow]:
        """Up to `limit` keys by id, from the one after `after`."""
        with self._database.transaction(operator=True) as tx:
            return keys.list_keys(tx, after=after, limit=limit)


def _new(tx: Connection, raw: str) -> NewKey:
    parts = parse_key(raw)
    row = keys.one_key(tx, parts.id) if parts else None
    if row is None:
        raise LookupError("the key that was just made is not there")
    return NewKey(raw, row)
