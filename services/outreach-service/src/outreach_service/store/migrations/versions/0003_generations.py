"""Which generation of a client's facts counts, and the one that is folded beside it (ADR 48)."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "client",
        sa.Column("generation", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    )
    op.create_table(
        "next_generation",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column(
            "facts", sa.BigInteger, comment="how many are said anew; null until it is opened"
        ),
        sa.Column("came", sa.Text, nullable=False, comment="spans of sequences, as JSON"),
        sa.Column("is_whole", sa.Boolean, nullable=False),
        sa.Column("active_at", sa.DateTime(timezone=True)),
        sa.Column("bookings", sa.Text, nullable=False, comment="as rows of booking, as JSON"),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Index("next_generation_by_age", "since"),
        comment="a client's facts that are said anew, until all of them are there",
        postgresql_with={"fillfactor": "50"},
    )
    # An operator's metrics tell how old the oldest is, of anybody.
    row_level_security(op, "next_generation", operator_sees=True)


def downgrade() -> None:
    op.drop_table("next_generation")
    op.drop_column("client", "generation")
