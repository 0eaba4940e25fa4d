"""For whom payments count that have counted for another client than whom they name (ADR 55)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LOST = "source events that a restore lost, until they come again, with the ids that the topic shows"


def upgrade() -> None:
    op.create_table(
        "moved_payment",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("payment_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Index("moved_payment_by_client", "practice_id", "namespace", "external_id"),
        comment="payments that have counted for another client than whom their events name, and"
        " the identity of the client for whom they count now",
        postgresql_with={"fillfactor": 70},
    )
    row_level_security(op, "moved_payment", api_may=("SELECT", "INSERT", "UPDATE"))
    op.add_column(
        "lost_cause",
        sa.Column("names_client", sa.Boolean, nullable=False, server_default=sa.true()),
    )
    op.create_table_comment(
        "lost_cause", f"{LOST}; names_client: the event surely names that client"
    )


def downgrade() -> None:
    op.create_table_comment("lost_cause", LOST)
    op.drop_column("lost_cause", "names_client")
    op.drop_table("moved_payment")
