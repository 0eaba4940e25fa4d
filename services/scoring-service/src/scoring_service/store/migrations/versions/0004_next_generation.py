"""Generations of clients' facts that are folded beside those that answer (ADR 48)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE

from rapport_runtime.row_security import row_level_security

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "next_generation",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("zone", sa.Text, nullable=False, comment="empty before the first fact"),
        sa.Column(
            "facts", sa.BigInteger, comment="how many are said anew; null until it is opened"
        ),
        sa.Column("came", sa.BigInteger, nullable=False, comment="how many sequences were folded"),
        sa.Column("is_whole", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("missing", INT8MULTIRANGE, nullable=False, comment="gaps in the sequence"),
        sa.Column("stretches", sa.Text, nullable=False, comment="as in client"),
        sa.Column("first_skipped_sequence", sa.BigInteger),
        sa.Column("first_repeated_sequence", sa.BigInteger),
        sa.Column("digest", sa.LargeBinary, nullable=False),
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
