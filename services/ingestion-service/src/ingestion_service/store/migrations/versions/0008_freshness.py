"""When each source spoke, day by day, and which are silent (ADR 53)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import open_to_purge, row_level_security

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_source_day()
    create_source_watch()
    for table in ("source_day", "source_watch"):
        row_level_security(
            op, table, api_may=("SELECT", "INSERT", "UPDATE"), operator_sees=table == "source_watch"
        )
    open_to_purge(op, "source_day", sees=("practice_id", "source", "day", "bucket"))


def downgrade() -> None:
    op.drop_table("source_watch")
    op.drop_table("source_day")


def create_source_day() -> None:
    op.create_table(
        "source_day",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=False),
        sa.Index("source_day_by_age", "day"),
        comment="what was accepted of a source on a practice-local day, history apart: the sum over"
        " its buckets",
        postgresql_with={"fillfactor": "70"},
    )


def create_source_watch() -> None:
    op.create_table(
        "source_watch",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("silent_since", sa.DateTime(timezone=True)),
        sa.Column("hold_id", sa.Text(collation="C")),
        sa.Column("incarnation", sa.Text),
        sa.Index("source_watch_by_look", "look_at"),
        sa.Index(
            "source_watch_held",
            "hold_id",
            unique=True,
            postgresql_where=sa.text("hold_id IS NOT NULL"),
        ),
        sa.CheckConstraint(
            "hold_id IS NULL OR silent_since IS NOT NULL", name="source_watch_held_is_silent"
        ),
        sa.CheckConstraint(
            "num_nulls(hold_id, incarnation) IN (0, 2)", name="source_watch_hold_is_announced"
        ),
        comment="when a source is looked at next, and, while it is silent, since when, and the hold"
        " of its practice, null where an operator has ended it",
        postgresql_with={"fillfactor": "50"},
    )
