"""The sequences of signals of care, apart from those of activities (ADR 52)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "care_sequence",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "client_id"], ["client.practice_id", "client.client_id"]
        ),
        comment="where a client's gapless sequence of signals of care stands",
        postgresql_with={"fillfactor": 70},
    )
    row_level_security(op, "care_sequence", api_may=("SELECT", "INSERT", "UPDATE"))


def downgrade() -> None:
    op.drop_table("care_sequence")
