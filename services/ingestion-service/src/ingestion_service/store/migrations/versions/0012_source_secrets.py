"""The secrets of sources: by which their webhooks are found and read, and what they sign with."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_secret",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("purpose", sa.Text(collation="C"), primary_key=True),
        sa.Column("adapter", sa.Text),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("token_id", sa.Text(collation="C"), unique=True),
        sa.Column("token_hash", sa.LargeBinary),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        sa.CheckConstraint(
            "num_nulls(adapter, token_id, token_hash) = CASE purpose WHEN 'webhook' THEN 0 ELSE 3"
            " END",
            name="source_secret_of_webhook",
        ),
        comment="secrets of declared sources, sealed: the settings by which webhooks are read, with"
        " the hash of their address; or what a source signs its records with",
    )
    row_level_security(
        op, "source_secret", api_may=("SELECT", "INSERT", "UPDATE", "DELETE"), operator_sees=True
    )


def downgrade() -> None:
    op.drop_table("source_secret")
