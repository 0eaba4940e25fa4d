"""Identities that parked events wait for, relations, and whether undeclared sources wait."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "practice",
        sa.Column("undeclared_sources", sa.Text, nullable=False, server_default="accept"),
    )
    op.create_table(
        "awaited_client",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("namespace", sa.Text(collation="C"), primary_key=True),
        sa.Column("external_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("event_id", sa.Text(collation="C"), primary_key=True),
        comment="which parked events wait for a client of which identity",
    )
    op.create_table(
        "relation",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("kind", sa.Text(collation="C"), primary_key=True),
        sa.Column("from_namespace", sa.Text(collation="C"), primary_key=True),
        sa.Column("from_external_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "said_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        comment="who stands to which client in which relation: kind payer, who pays for whom",
    )
    row_level_security(op, "awaited_client", api_may=("SELECT", "INSERT", "DELETE"))
    row_level_security(op, "relation", api_may=("SELECT", "INSERT", "UPDATE", "DELETE"))


def downgrade() -> None:
    op.drop_table("relation")
    op.drop_table("awaited_client")
    op.drop_column("practice", "undeclared_sources")
