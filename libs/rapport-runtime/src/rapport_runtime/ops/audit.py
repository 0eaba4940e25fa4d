"""What operators did and why: rows that nobody can change, written with the entry itself (F37)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

Action = Literal["pause", "resume", "replay", "drop"]

_NOTE = sa.text("""
    INSERT INTO audit (who, action, kind, subject, why, ends_at, count)
    VALUES (:who, :action, :kind, :subject, :why, :ends_at, :count)
""")
_PAGE = sa.text("""
    SELECT id, at, who, action, kind, subject, why, ends_at, count FROM audit
    WHERE id > :after ORDER BY id LIMIT :limit
""")


@dataclass(frozen=True)
class AuditEntry:
    """Something that was done to something. `who` is `key <id>` or whoever gave the command.

    `kind` is worker, topic, practice or letters; of letters `subject` is an id or a filter and
    `count` how many there were. `why` may be missing for letters only.
    """

    who: str
    action: Action
    kind: str
    subject: str
    why: str | None
    count: int = 1
    ends_at: datetime | None = None


def record(tx: sa.Connection, entry: AuditEntry) -> None:
    """Write the entry down in the transaction that does it."""
    tx.execute(_NOTE, vars(entry))


def page(tx: sa.Connection, *, after: int, limit: int) -> Sequence[sa.Row[Any]]:
    """Up to `limit` entries with an id beyond `after`, in the order in which they were done."""
    return tx.execute(_PAGE, {"after": after, "limit": limit}).all()
