"""Holds that keep tiers: for which source they are, and when they ended (ADR 53)."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("practice_hold", sa.Column("source", sa.Text))
    op.add_column(
        "practice_hold",
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            comment="when a hold ended that kept tiers: what was kept takes effect then",
        ),
    )


def downgrade() -> None:
    op.drop_column("practice_hold", "ended_at")
    op.drop_column("practice_hold", "source")
