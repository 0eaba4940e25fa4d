"""For which bookings and payments events are parked, and how many of each practice (ADR 45)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_parked_object()
    op.create_table(
        "parked_count",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        comment="how many events of a practice are parked: the sum over its buckets",
    )
    row_level_security(
        op, "parked_object", api_may=("SELECT", "INSERT", "UPDATE"), operator_sees=True
    )
    row_level_security(op, "parked_count", api_may=("SELECT", "INSERT", "UPDATE"))


def downgrade() -> None:
    op.drop_table("parked_count")
    op.drop_table("parked_object")


def create_parked_object() -> None:
    op.create_table(
        "parked_object",
        sa.Column("practice_id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("waiting", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column(
            "oldest_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Column("is_met", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("external_id", "kind", "source", "practice_id"),
        sa.Index(
            "parked_object_met",
            "practice_id",
            "external_id",
            "kind",
            "source",
            postgresql_where=sa.text("is_met"),
        ),
        sa.Index("parked_object_by_age", "oldest_at", postgresql_where=sa.text("NOT is_met")),
        comment="the bookings and payments for which events are parked: how many, and since when"
        " the oldest is; is_met: its client is known, and the events may be accepted",
        postgresql_with={"fillfactor": 50},
    )
