"""Declared sources, and the records of those that are not declared, which wait."""

import sqlalchemy as sa
from alembic import op

from rapport_runtime.row_security import row_level_security

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_source()
    create_undeclared()
    row_level_security(op, "source", api_may=("SELECT", "INSERT", "UPDATE"))
    row_level_security(op, "undeclared", api_may=("SELECT", "UPDATE"))
    row_level_security(op, "undeclared_record", api_may=())


def downgrade() -> None:
    for table in ("undeclared_record", "undeclared", "source"):
        op.drop_table(table)


def create_source() -> None:
    op.create_table(
        "source",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("client_key", sa.Text, nullable=False),
        sa.Column("creates_clients", sa.Boolean, nullable=False),
        sa.Column("zone", sa.Text),
        sa.Column("currency", sa.Text),
        sa.Column("is_fixed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column(
            "declared_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.practice_id"]),
        comment="the systems that a practice has declared; is_fixed: events of it are known, so its"
        " namespace and what its client ids are cannot change",
    )


def create_undeclared() -> None:
    op.create_table(
        "undeclared",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("waiting", sa.BigInteger, nullable=False),
        sa.Column("waits_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_declared", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Index(
            "undeclared_by_turn",
            "moved_at",
            "practice_id",
            "source",
            postgresql_where=sa.text("is_declared"),
        ),
        comment="sources of which records wait until they are declared; is_declared: they are, and"
        " the records move into the queue of their practice, since moved_at",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "undeclared_record",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("record_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("record_offset", sa.BigInteger, nullable=False),
        sa.Column("record_timestamp", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        comment="their records, sealed whole; record_id is their order within a source",
    )
