"""Clients with their digests and tiers, the history of changes, practices and rulebooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB

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
    *("tier_change", "tier_count", "partition_zone", "first_watermark", "practice_hold"),
    *("client", "rulebook", "practice"),
)


def upgrade() -> None:
    tables_v1.create(op)
    create_practice()
    create_rulebook()
    create_client()
    create_tier_count()
    create_partition()
    create_practice_hold()
    create_digest_view()
    create_tier_change()
    for table in ("practice", "practice_hold", "tier_change", "tier_count"):
        row_level_security(op, table)
    # An operator's status tells the oldest review that is due, of anybody.
    row_level_security(op, "client", operator_sees=True)


def downgrade() -> None:
    op.execute("DROP VIEW client_day")
    op.execute("DROP FUNCTION digest_days")
    op.execute("DROP FUNCTION digest_number")
    for table in OWN:
        op.drop_table(table)
    op.execute("DROP FUNCTION tier_change_is_append_only")
    tables_v1.drop(op)


def create_practice() -> None:
    op.create_table(
        "practice",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column(
            "said_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'epoch'"),
            comment="when ingestion said so; what it had said before does not replace it",
        ),
    )


def create_rulebook() -> None:
    op.create_table(
        "rulebook",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("body", JSONB, nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        comment="what each version said; a version is never changed",
    )
    grant(op, "rulebook", role=WORKER_ROLE, may=("SELECT", "INSERT"))
    grant(op, "rulebook", role=API_ROLE)


def create_client() -> None:
    op.create_table(
        "client",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("zone", sa.Text, nullable=False, comment="empty before the first fact"),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("missing", INT8MULTIRANGE, nullable=False, comment="gaps in the sequence"),
        sa.Column(
            "stretches",
            sa.Text,
            nullable=False,
            comment="since which sequence which incarnation of the writer's: 1:0a1b2c3d 8:4e5f6a7b",
        ),
        # Since when the digest is incomplete, until the client is rebuilt.
        sa.Column("first_skipped_sequence", sa.BigInteger),
        sa.Column("first_repeated_sequence", sa.BigInteger),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("assessed_on", sa.Date),
        sa.Column("tier", sa.Text),
        sa.Column("score", sa.Integer),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True)),
        sa.Column("review_at", sa.DateTime(timezone=True)),
        sa.Column(
            "held_at",
            sa.DateTime(timezone=True),
            comment="where its held practice stood when it was due; no sweep looks at it meanwhile",
        ),
        sa.Column(
            "open_cause", sa.Text, comment="activities that wait for the last of their source event"
        ),
        # Rows grow by a day bucket at a time; room on the page keeps updates there.
        postgresql_with={"fillfactor": "70"},
        comment="one client: what is known as a digest, and the tier it comes to",
    )
    op.create_index(
        "client_due",
        "client",
        ["partition", "review_at"],
        postgresql_where=sa.text("held_at IS NULL"),
    )
    op.create_index(
        "client_held",
        "client",
        ["partition", "practice_id", "review_at"],
        postgresql_where=sa.text("held_at IS NOT NULL"),
    )
    op.create_index(
        "client_waits",
        "client",
        ["partition"],
        postgresql_where=sa.text(
            "assessed_on IS NULL AND review_at IS NULL AND held_at IS NULL AND zone <> ''"
        ),
    )
    op.create_index("client_by_tier", "client", ["practice_id", "tier", "client_id"])


def create_tier_count() -> None:
    """How many clients of a practice are in a tier, so that nobody counts them. A row is of one
    partition, whose worker alone writes it: no two workers wait for each other there."""
    op.create_table(
        "tier_count",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("tier", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("clients", sa.BigInteger, nullable=False),
        # Each batch changes rows that are there; room on the page keeps updates there.
        postgresql_with={"fillfactor": "50"},
        comment="the clients of a partition in each tier, written with each change",
    )


def create_partition() -> None:
    """What is known of partitions, so that nobody asks all of their clients for it."""
    op.create_table(
        "first_watermark",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("up_to", sa.DateTime(timezone=True), nullable=False),
        comment="when clients whose facts came before it are first assessed",
    )
    op.create_table(
        "partition_zone",
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("zone", sa.Text(collation="C"), primary_key=True),
        comment="the zones whose midnights end a partition's batches (ADR 3)",
    )
    for table in ("first_watermark", "partition_zone"):
        grant(op, table, role=WORKER_ROLE, may=("SELECT", "INSERT"))
        grant(op, table, role=API_ROLE)


def create_practice_hold() -> None:
    op.create_table(
        "practice_hold",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hold_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("incarnation", sa.Text, comment="of the database that said so last"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stands_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "swept_through",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="where its clients stand: the sweep follows stands_at, or the end",
        ),
        sa.CheckConstraint("state IN ('open', 'ending', 'ended')", name="state_is_known"),
        comment="practices for whose clients no time passes in a partition (ADR 35)",
    )
    op.create_index(
        "practice_hold_open",
        "practice_hold",
        ["partition", "incarnation"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "practice_hold_to_sweep",
        "practice_hold",
        ["partition", "practice_id"],
        postgresql_where=sa.text("state <> 'open' OR swept_through < stands_at"),
    )


def create_digest_view() -> None:
    """For people on call: digests as rows, one for each client and day (domain/digest.py)."""
    op.execute("""
        CREATE FUNCTION digest_number(digest bytea, at integer, width integer) RETURNS numeric
        LANGUAGE sql IMMUTABLE STRICT AS $$
            SELECT sum(get_byte(digest, at + i) * 256::numeric ^ i)
                 - CASE WHEN get_byte(digest, at + width - 1) < 128 THEN 0
                        ELSE 256::numeric ^ width END
            FROM generate_series(0, width - 1) AS i
        $$
    """)
    op.execute("""
        CREATE FUNCTION digest_days(digest bytea) RETURNS TABLE (
            on_day date, completed numeric, no_show numeric, settled numeric, refunded numeric
        ) LANGUAGE sql IMMUTABLE STRICT AS $$
            SELECT date '0001-01-01' + (digest_number(digest, at, day)::integer - 1),
                   digest_number(digest, at + day, count),
                   digest_number(digest, at + day + count, count),
                   digest_number(digest, at + day + 2 * count, amount),
                   digest_number(digest, at + day + 2 * count + amount, amount)
            FROM (VALUES (1, 4, 4, 8), (2, 16, 16, 16)) AS width(version, day, count, amount),
                 generate_series(
                     1,
                     length(digest) - (day + 2 * count + 2 * amount),
                     day + 2 * count + 2 * amount
                 ) AS at
            WHERE get_byte(digest, 0) = version
        $$
    """)
    op.execute("""
        CREATE VIEW client_day WITH (security_invoker = true) AS
        SELECT practice_id, client_id, day.* FROM client, digest_days(digest) AS day
    """)
    op.execute(f"GRANT SELECT ON client_day TO {WORKER_ROLE}")


def create_tier_change() -> None:
    op.create_table(
        "tier_change",
        sa.Column("practice_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("client_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("scheme", sa.Text(collation="C"), primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("rulebook_version", sa.Integer, nullable=False),
        sa.Column("is_primary", sa.Boolean, nullable=False),
        sa.Column("from_tier", sa.Text),
        sa.Column("to_tier", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date, comment="the day of a change that was held until later"),
        sa.Column("happened_at", sa.DateTime(timezone=True)),
        sa.Column("activity_id", sa.Text),
        sa.Column("score", sa.Integer),
        sa.Column("on_day", sa.Date, nullable=False),
        comment="every move of every client in every scheme, as it was told",
    )
    append_only(op, "tier_change")
