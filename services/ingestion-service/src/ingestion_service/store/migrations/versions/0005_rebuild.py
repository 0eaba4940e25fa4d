"""How far each rebuild has come that was begun and not ended (ADR 48)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import API_ROLE, WORKER_ROLE, grant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rebuild",
        sa.Column("scope", sa.Text(collation="C"), primary_key=True),
        sa.Column("done_practice", sa.Text(collation="C")),
        sa.Column("done_client", sa.Text(collation="C")),
        sa.Column("clients", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column(
            "begun_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.CheckConstraint(
            "num_nulls(done_practice, done_client) IN (0, 2)", name="rebuild_done_is_a_client"
        ),
        comment="rebuilds of clients that go on: whose, and the last client that is done",
        postgresql_with={"fillfactor": 50},
    )
    grant(op, "rebuild", role=WORKER_ROLE, may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    grant(op, "rebuild", role=API_ROLE, may=())


def downgrade() -> None:
    op.drop_table("rebuild")
