"""A practice's change of zone: whose clients are to be turned, and what is told of them then."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from rapport_runtime.row_security import row_level_security

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

CLIENT = "a pseudonym; where its gapless sequence of activities stands"


def upgrade() -> None:
    create_practice_zone()
    create_told_anew()
    row_level_security(
        op, "practice_zone", api_may=("SELECT", "INSERT", "UPDATE"), operator_sees=True
    )
    row_level_security(op, "told_anew")
    op.add_column("client", sa.Column("zone", sa.Text))
    op.add_column("client", sa.Column("told_anew_through", sa.BigInteger))
    op.create_table_comment(
        "client",
        f"{CLIENT}; zone: that of the days of its facts, null for the first one of its practice",
    )


def downgrade() -> None:
    op.create_table_comment("client", CLIENT)
    op.drop_column("client", "told_anew_through")
    op.drop_column("client", "zone")
    op.drop_table("told_anew")
    op.drop_table("practice_zone")


def create_practice_zone() -> None:
    op.create_table(
        "practice_zone",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("first_zone", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.Column("done_client", sa.Text(collation="C")),
        comment="practices that have changed their zone: the first one, that of clients who have"
        " none of their own; changed_at: not all clients are turned, done_client: the last that was"
        " looked at",
        postgresql_with={"fillfactor": 50},
    )


def create_told_anew() -> None:
    op.create_table(
        "told_anew",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("ledger_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("first_sequence", sa.BigInteger, nullable=False),
        sa.Column("deltas", postgresql.JSONB),
        sa.Index(
            "told_anew_by_sequence",
            "practice_id",
            "client_id",
            "first_sequence",
            postgresql_where=sa.text("deltas IS NOT NULL"),
        ),
        comment="what rows of the ledger cause in the zone that their client's practice has now, in"
        " place of what they tell themselves",
    )
