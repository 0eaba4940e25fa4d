"""Which of a client's signals of care have come, so that a gap is seen (ADR 52)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "care_heard",
        *(
            sa.Column(name, sa.Text(collation="C"), primary_key=True)
            for name in ("practice_id", "client_id")
        ),
        sa.Column("came", sa.Text, nullable=False),
        comment="the numbers of each client's signals of care that have come, as stretches without"
        " a gap",
    )
    row_level_security(op, "care_heard", api_may=())


def downgrade() -> None:
    op.drop_table("care_heard")
