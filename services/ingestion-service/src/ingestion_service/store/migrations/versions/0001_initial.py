"""Practices, clients, identities, the ledger and the clock, beside the runtime tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from rapport_runtime.row_security import (
    API_ROLE,
    WORKER_ROLE,
    append_only,
    grant,
    row_level_security,
)
from rapport_runtime.schema import tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


OWN = (
    *("deferred", "practice_queue", "clock", "source_count", "ledger"),
    *("source_object", "identity", "client", "practice"),
)


def upgrade() -> None:
    tables_v1.create(op)
    create_practice()
    create_client()
    create_source_object()
    create_ledger()
    create_source_count()
    create_clock()
    create_queues()
    row_level_security(op, "practice", api_may=("SELECT", "INSERT", "UPDATE"), operator_sees=True)
    row_level_security(op, "client", api_may=("SELECT", "INSERT", "UPDATE"))
    row_level_security(op, "identity", api_may=("SELECT", "INSERT", "UPDATE"))
    row_level_security(op, "source_object", api_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    row_level_security(op, "ledger", api_may=("SELECT", "INSERT"))
    row_level_security(op, "source_count", api_may=("SELECT", "INSERT", "UPDATE"))
    row_level_security(op, "practice_queue", api_may=("SELECT", "UPDATE"), operator_sees=True)
    row_level_security(op, "deferred", api_may=())
    op.execute(f"GRANT INSERT, UPDATE (expires_at, revoked_at) ON api_key TO {API_ROLE}")
    op.execute(f"GRANT SELECT ON SEQUENCE deferred_deferred_id_seq TO {API_ROLE}")


def downgrade() -> None:
    for table in OWN:
        op.drop_table(table)
    tables_v1.drop(op)
    op.execute("DROP FUNCTION ledger_is_append_only")


def create_practice() -> None:
    op.create_table(
        "practice",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("region", sa.Text),
        sa.Column("discreet_name", sa.Text),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
    )


def create_client() -> None:
    op.create_table(
        "client",
        sa.Column(
            "practice_id",
            sa.Text(collation="C"),
            sa.ForeignKey("practice.practice_id"),
            primary_key=True,
        ),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True)),
        sa.Column("registered_sequence", sa.BigInteger),
        sa.Column("registered_on", sa.Date),
        sa.CheckConstraint(
            "num_nulls(registered_at, registered_sequence, registered_on) IN (0, 3)",
            name="client_registered_once",
        ),
        comment="a pseudonym; where its gapless sequence of activities stands",
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "identity",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("namespace", sa.Text(collation="C"), primary_key=True),
        sa.Column("external_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "client_id"], ["client.practice_id", "client.client_id"]
        ),
        sa.Index("identity_by_client", "practice_id", "client_id"),
        comment="how a client is named outside; the namespace is the source of its events",
    )


def create_source_object() -> None:
    op.create_table(
        "source_object",
        sa.Column("practice_id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("object_id", sa.Text(collation="C"), nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("standing", sa.LargeBinary),
        sa.PrimaryKeyConstraint("external_id", "kind", "source", "practice_id"),
        comment="a booking or payment, and what its events came to so far; its owner is the client"
        " whom its first accepted event names",
        # A new row is changed by the transaction that adds it, and is four times as long then: with
        # this both fit on the page, and no index is touched.
        postgresql_with={"fillfactor": 20},
    )


def create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("event_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("ledger_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("namespace", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("object_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True)),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("attributes", postgresql.JSONB),
        sa.Column("backfill", sa.Boolean, nullable=False),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        sa.Column("first_sequence", sa.BigInteger, nullable=False),
        sa.Column("deltas", postgresql.JSONB),
        sa.Column("zone_rules", sa.Text, nullable=False),
        sa.Index(
            "ledger_by_client",
            "practice_id",
            "client_id",
            "first_sequence",
            postgresql_where=sa.text("deltas IS NOT NULL"),
        ),
        comment="every accepted source event, and what was published for it; ledger_id is the order"
        " of acceptance within a client, zone_rules the version by which its days were found",
    )
    append_only(op, "ledger")


def create_source_count() -> None:
    op.create_table(
        "source_count",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_accepted_at", sa.DateTime(timezone=True), nullable=False),
        comment="what was ever accepted of a source: the sum over its buckets",
        postgresql_with={"fillfactor": 50},
    )


def create_clock() -> None:
    op.create_table(
        "clock",
        sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("simulated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("is_only", name="clock_is_one_row"),
        comment="simulated time; empty where time is real or not set yet",
    )
    grant(op, "clock", role=WORKER_ROLE, may=("SELECT",))
    grant(op, "clock", role=API_ROLE, may=("SELECT", "INSERT", "UPDATE"))


def create_queues() -> None:
    op.create_table(
        "practice_queue",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("hold_id", sa.Text, nullable=False),
        sa.Column("stands_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting", sa.BigInteger, nullable=False),
        sa.Column("incarnation", sa.Text, nullable=False),
        sa.Column(
            "drained_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        comment="a practice of which records wait, and the time at which it stands meanwhile",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "deferred",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("deferred_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("record_offset", sa.BigInteger, nullable=False),
        sa.Column("record_timestamp", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("deferred_at", sa.DateTime(timezone=True), nullable=False),
        comment="source records that wait; deferred_id is their order within a practice",
    )
