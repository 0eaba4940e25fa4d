"""What operators did and why: rows that nobody can change, written with the act itself (F37)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from rapport_runtime.database import execute, fetch

Action = Literal[
    "pause",
    "resume",
    "replay",
    "drop",
    "skip",
    "restored",
    "purge",
    "create",
    "rotate",
    "revoke",
]

_RECORD = """
    INSERT INTO audit (who, action, kind, subject, why, ends_at, count)
    VALUES (%(actor)s, %(action)s, %(kind)s, %(subject)s, %(reason)s, %(ends_at)s, %(count)s)
"""
_PAGE = """
    SELECT id, at, who AS actor, action, kind, subject, why AS reason, ends_at, count FROM audit
    WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
"""


@dataclass(frozen=True)
class AuditEntry:
    """One act of an operator or of a practice. `actor` is `key <id>`, or the account that gave
    the command.

    `kind` is worker, topic, practice, letters, records, retention, database, key, clients (whose
    facts are said anew), hold or flags (of a client, that were lifted). For letters
    `subject` is an id or a filter and `count` the number of letters, and `reason` may be None; so
    it may for keys, and for the others it may not. For records `subject` is the
    topic/partition@offset of the first of `count`; for retention it is a class, and `count` the
    number of rows that went.
    """

    actor: str
    action: Action
    kind: str
    subject: str
    reason: str | None
    count: int = 1
    ends_at: datetime | None = None


def record(tx: Connection, entry: AuditEntry) -> None:
    """Write the entry in the transaction of the act. Raises psycopg.Error."""
    execute(tx, _RECORD, vars(entry))


def page(tx: Connection, *, after: int, limit: int) -> list[Any]:
    """Up to `limit` entries with an id above `after`, the oldest first. Each row has `id`, `at`
    and the fields of `AuditEntry`."""
    return fetch(tx, _PAGE, {"after": after, "limit": limit})
