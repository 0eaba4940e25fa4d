"""The practices' own playbooks as rows."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from outreach_service.ports.records import StoredPlaybook
from rapport_runtime.database import fetch_one

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
    """`Playbooks` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def find(self, practice_id: str) -> StoredPlaybook | None:
        """See `Playbooks.find`."""
        row = fetch_one(self._tx, _CURRENT, {"practice_id": practice_id})
        return None if row is None else _stored(row)

    def save(self, practice_id: str, body: Mapping[str, Any]) -> StoredPlaybook:
        """See `Playbooks.save`."""
        return _stored(
            fetch_one(self._tx, _SAVE, {"practice_id": practice_id, "body": Jsonb(body)})
        )


def _stored(row: Any) -> StoredPlaybook:
    return StoredPlaybook(row.version, row.body, row.updated_at)
