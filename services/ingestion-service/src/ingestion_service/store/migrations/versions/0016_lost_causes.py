"""What a restore lost and the topic shows, until it comes again (ADR 28)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lost_cause",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("event_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("object_id", sa.Text(collation="C")),
        sa.Index("lost_cause_by_client", "practice_id", "client_id"),
        comment="source events that a restore lost, until they come again, with the ids that the"
        " topic shows",
    )
    op.create_table(
        "lost_client",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        comment="clients of whom a restore lost something, until they are rebuilt",
    )
    row_level_security(op, "lost_cause", api_may=("SELECT", "DELETE"))
    row_level_security(op, "lost_client", api_may=())


def downgrade() -> None:
    op.drop_table("lost_client")
    op.drop_table("lost_cause")
