"""Playbooks as rows: a practice's own, or the deployment's default."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg.types.json import Jsonb

from outreach_service.ports import StoredPlaybook
from rapport_runtime.database import Database, fetch_one

_CURRENT: Final = """
    SELECT version, body, updated_at FROM playbook WHERE practice_id = %(practice_id)s
"""
_SAVE: Final = """
    INSERT INTO playbook (practice_id, version, body, updated_at)
    VALUES (%(practice_id)s, 1, %(body)s, clock_timestamp())
    ON CONFLICT (practice_id) DO UPDATE
    SET version = playbook.version + 1, body = excluded.body, updated_at = excluded.updated_at
    RETURNING version, body, updated_at
"""


class PostgresPlaybooks:
    """`Playbooks` from the API's side of row-level security. `default` has been checked before."""

    def __init__(self, database: Database, default: Mapping[str, Any]) -> None:
        self._database = database
        self._default = default

    def current(self, practice_id: str) -> StoredPlaybook:
        """See `Playbooks.current`."""
        with self._database.transaction(practice_id) as tx:
            row = fetch_one(tx, _CURRENT, {"practice_id": practice_id})
        return StoredPlaybook(0, self._default, None) if row is None else _stored(row)

    def save(self, practice_id: str, body: Mapping[str, Any]) -> StoredPlaybook:
        """See `Playbooks.save`."""
        with self._database.transaction(practice_id) as tx:
            params = {"practice_id": practice_id, "body": Jsonb(body)}
            return _stored(fetch_one(tx, _SAVE, params))


def _stored(row: Any) -> StoredPlaybook:
    return StoredPlaybook(row.version, row.body, row.updated_at)
