"""The table of who has read clients' personal data."""

from typing import Any

import sqlalchemy as sa

from rapport_runtime.row_security import (
    API_ROLE,
    WORKER_ROLE,
    grant,
    open_to_purge,
    row_level_security,
)
from rapport_runtime.schema import purging

_KEY = ("practice_id", "client_id", "day", "key_id", "what")


def create(op: Any) -> None:
    """Create the table, guarded; `op` is alembic's. The API adds rows and counts them up, and only
    the purge removes any."""
    op.create_table(
        "personal_read",
        *(_part_of_key(name) for name in _KEY),
        sa.Column("count", sa.Integer, nullable=False),
        *(_instant(name) for name in ("first_at", "last_at")),
        sa.CheckConstraint("what IN ('message-text', 'preferences')"),
        postgresql_partition_by="RANGE (day)",
        comment="which API key read personal data of which client, by day of UTC (S16)",
    )
    _only_grow(op)
    purging.by_month(op, "personal_read")
    row_level_security(op, "personal_read", api_may=("SELECT", "INSERT"))
    op.execute(f"GRANT UPDATE (count, last_at) ON personal_read TO {API_ROLE}")
    grant(op, "personal_read", role=WORKER_ROLE)
    open_to_purge(op, "personal_read", sees=_KEY)


def drop(op: Any) -> None:
    """Drop it."""
    op.drop_table("personal_read")
    op.execute("DROP FUNCTION personal_read_only_grows")


def _only_grow(op: Any) -> None:
    """Refuse TRUNCATE, DELETE for all but the purge, and every UPDATE but one that counts up."""
    op.execute("""
        CREATE FUNCTION personal_read_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND acts_as_purge() THEN RETURN old; END IF;
            IF TG_OP = 'UPDATE' THEN
                IF new.count > old.count AND new.last_at >= old.last_at
                    AND to_jsonb(new) - '{count,last_at}'::text[]
                        = to_jsonb(old) - '{count,last_at}'::text[]
                THEN RETURN new; END IF;
            END IF;
            RAISE EXCEPTION 'personal_read only grows' USING ERRCODE = 'restrict_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON personal_read
        FOR EACH ROW EXECUTE FUNCTION personal_read_only_grows()
    """)
    op.execute("""
        CREATE TRIGGER only_grows_whole BEFORE TRUNCATE ON personal_read
        FOR EACH STATEMENT EXECUTE FUNCTION personal_read_only_grows()
    """)


def _part_of_key(name: str) -> sa.Column[Any]:
    kind = sa.Date() if name == "day" else sa.Text(collation="C")
    return sa.Column(name, kind, primary_key=True)


def _instant(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)
