"""What few source events say, and events without a client, which wait for their object."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from rapport_runtime.row_security import row_level_security

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW = (
    "every accepted source event, and what was published for it; ledger_id is the order of"
    " acceptance within a client, zone_rules the version by which its days were found"
)


def upgrade() -> None:
    op.add_column("ledger", sa.Column("details", postgresql.JSONB))
    op.create_table_comment("ledger", f"{ROW}, details what few events say")
    create_parked()
    row_level_security(op, "parked", api_may=("SELECT", "INSERT", "UPDATE"))


def downgrade() -> None:
    op.drop_table("parked")
    op.create_table_comment("ledger", ROW)
    op.drop_column("ledger", "details")


def create_parked() -> None:
    op.create_table(
        "parked",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("event_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_met", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("refused", sa.Text),
        sa.Index("parked_by_object", "external_id", "kind", "source", "practice_id"),
        sa.Index("parked_met", "parked_at", postgresql_where=sa.text("is_met")),
        comment="source events that name no client, sealed, until their booking or payment is"
        " known; is_met: it is known, and refused: why the event was not accepted then",
    )
