"""The chassis's own tables, which each service's migrations create in its database."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from rapport_runtime.ops.keys import create_api_key_table
from rapport_runtime.row_security import API_ROLE, WORKER_ROLE, Migration, append_only, grant

CHASSIS = ("consumer_position", "outbox", "outbox_watermark", "dead_letter", "worker")

_LETTERS_OF_API = """
    (practice_id = current_setting('rapport.practice_id', true))
    OR (practice_id IS NULL AND current_setting('rapport.operator', true) = 'on')
"""


def create_chassis_tables(op: Migration) -> None:
    """For a service's first migration: make the chassis's tables and open them to both roles.

    Dead letters lie under row-level security: a practice's keys see its own, an operator's those
    that nobody could decode.
    """
    metadata = sa.MetaData()
    _first_tables(metadata)
    metadata.create_all(op.get_bind())
    create_api_key_table(op)
    for table in CHASSIS:
        grant(op, table, role=WORKER_ROLE, may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    for table in ("consumer_position", "outbox_watermark", "worker"):
        grant(op, table, role=API_ROLE)
    grant(op, "outbox", role=API_ROLE, may=("INSERT",))
    # Its values are of all practices, and nothing in it says whose: the API sees how old it is.
    op.execute(f"GRANT SELECT (id, created_at) ON outbox TO {API_ROLE}")
    grant(op, "dead_letter", role=API_ROLE, may=("SELECT", "UPDATE"))
    op.execute("ALTER TABLE dead_letter ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE dead_letter FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY worker ON dead_letter TO {WORKER_ROLE} USING (true)")
    op.execute(
        f"CREATE POLICY api ON dead_letter TO {API_ROLE}"
        f" USING ({_LETTERS_OF_API}) WITH CHECK ({_LETTERS_OF_API})"
    )


def drop_chassis_tables(op: Migration) -> None:
    """Undo `create_chassis_tables`."""
    for table in (*CHASSIS, "api_key"):
        op.execute(f"DROP TABLE {table}")


def create_control_tables(op: Migration) -> None:
    """For a service's second migration: pauses, the audit, and replays with a limit.

    The audit only grows, whoever asks; of the API's transactions only an operator's may read it,
    for it names practices and says in free text why.
    """
    metadata = sa.MetaData()
    _pause_and_audit(metadata)
    metadata.create_all(op.get_bind())
    for table in ("pause", "audit"):
        grant(op, table, role=WORKER_ROLE, may=_CONTROL_GRANTS[table])
        grant(op, table, role=API_ROLE, may=_CONTROL_GRANTS[table])
    append_only(op, "audit")
    op.execute("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY worker ON audit TO {WORKER_ROLE} USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY api_says ON audit FOR INSERT TO {API_ROLE} WITH CHECK (true)")
    op.execute(
        f"CREATE POLICY api_reads ON audit FOR SELECT TO {API_ROLE}"
        " USING (current_setting('rapport.operator', true) = 'on')"
    )
    op.execute("ALTER TABLE dead_letter ADD COLUMN replay_id text, ADD COLUMN stop_after integer")
    op.execute("CREATE INDEX dead_letter_held ON dead_letter (reason) WHERE state = 'held'")
    op.execute(
        "CREATE INDEX dead_letter_replay ON dead_letter (replay_id) WHERE replay_id IS NOT NULL"
    )


def drop_control_tables(op: Migration) -> None:
    """Undo `create_control_tables`."""
    op.execute("DROP TABLE pause, audit")
    op.execute("DROP FUNCTION audit_is_append_only")
    op.execute("ALTER TABLE dead_letter DROP COLUMN replay_id, DROP COLUMN stop_after")
    op.execute("DROP INDEX dead_letter_held")


def chassis_tables(metadata: sa.MetaData) -> None:
    """Add every table of the chassis to `metadata`, as the newest migration leaves it."""
    _first_tables(metadata)
    _pause_and_audit(metadata)
    letters = metadata.tables["dead_letter"]
    letters.append_column(sa.Column("replay_id", sa.Text))
    letters.append_column(sa.Column("stop_after", sa.Integer))
    held = sa.text("state = 'held'")
    sa.Index("dead_letter_held", letters.c.reason, postgresql_where=held)
    replayed = sa.text("replay_id IS NOT NULL")
    sa.Index("dead_letter_replay", letters.c.replay_id, postgresql_where=replayed)


_CONTROL_GRANTS = {
    "pause": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "audit": ("SELECT", "INSERT"),
}


def _now(name: str) -> sa.Column[object]:
    now = sa.func.clock_timestamp()
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=now)


def _pause_and_audit(metadata: sa.MetaData) -> None:
    sa.Table(
        "pause",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        _now("paused_at"),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('worker', 'topic', 'practice')"),
        comment="what operators stopped; in force until it is deleted or ends_at has passed",
    )
    sa.Table(
        "audit",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _now("at"),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.Column("count", sa.Integer, nullable=False, server_default="1"),
        sa.CheckConstraint("action IN ('pause', 'resume', 'replay', 'drop')"),
        sa.CheckConstraint("why IS NOT NULL OR kind = 'letters'", name="audit_of_pauses_says_why"),
        comment="who stopped, started, replayed or dropped what; append-only",
    )


def _first_tables(metadata: sa.MetaData) -> None:
    sa.Table(
        "consumer_position",
        metadata,
        sa.Column("consumer_group", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("topic_id", sa.Text, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("processed_through", sa.DateTime(timezone=True)),
        sa.Column("swept_through", sa.DateTime(timezone=True)),
        comment="where each group stands; moves in the transaction that holds the effects",
    )
    sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Index("outbox_by_bucket", "partition", "id"),
        comment="what is to be published; a bucket is an output partition",
    )
    sa.Table(
        "outbox_watermark",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("published_through", sa.DateTime(timezone=True), nullable=False),
        comment="the last watermark that was published on each output partition",
    )
    sa.Table(
        "dead_letter",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("consumer_group", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("record_offset", sa.BigInteger, nullable=False),
        sa.Column("record_key", sa.LargeBinary),
        sa.Column("record_value", sa.LargeBinary),
        sa.Column("header_names", ARRAY(sa.Text), nullable=False),
        sa.Column("header_values", ARRAY(sa.LargeBinary), nullable=False),
        sa.Column("record_timestamp", sa.BigInteger, nullable=False),
        sa.Column("practice_id", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("field", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="held"),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("consumer_group", "topic", "partition", "record_offset"),
        sa.CheckConstraint("state IN ('held', 'queued', 'replayed', 'dropped')"),
        sa.Index(
            "dead_letter_queued", "topic", "partition", postgresql_where=sa.text("state = 'queued'")
        ),
        comment="records that could not be handled, as they were; a table can erase",
    )
    sa.Table(
        "worker",
        metadata,
        sa.Column("worker_id", sa.Text, primary_key=True),
        sa.Column("consumer_group", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("partitions", ARRAY(sa.Text), nullable=False),
        sa.Column("lag", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("last_error_at", sa.DateTime(timezone=True)),
        comment="what each worker last said of itself",
    )
