"""What other systems have noted of clients (ADR 52)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "care_flag",
        *(
            sa.Column(name, sa.Text(collation="C"), primary_key=True)
            for name in ("practice_id", "client_id", "object_id")
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        comment="complaints, risks and cases of clients, as other systems say where they stand;"
        " lifted: a person has said that a risk is over",
    )
    row_level_security(op, "care_flag", api_may=())


def downgrade() -> None:
    op.drop_table("care_flag")
