"""What waits: for a turn, a booking or payment, a client, or a declaration of its source."""

import sqlalchemy as sa

from ingestion_service.store.tables.metadata import key_text, metadata

practice_queue = sa.Table(
    "practice_queue",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
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

deferred = sa.Table(
    "deferred",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("deferred_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("record_offset", sa.BigInteger, nullable=False),
    sa.Column("record_timestamp", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("deferred_at", sa.DateTime(timezone=True), nullable=False),
    comment="source records that wait; deferred_id is their order within a practice",
)

parked = sa.Table(
    "parked",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("event_id", key_text(), primary_key=True),
    sa.Column("kind", key_text(), nullable=False),
    sa.Column("external_id", key_text(), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("parked_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("is_met", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("refused", sa.Text),
    sa.Index("parked_by_object", "external_id", "kind", "source", "practice_id"),
    sa.Index("parked_met", "parked_at", postgresql_where=sa.text("is_met")),
    comment="source events that name no client, sealed, until their booking or payment is known;"
    " is_met: it is known, and refused: why the event was not accepted then",
)

parked_object = sa.Table(
    "parked_object",
    metadata,
    sa.Column("practice_id", key_text(), nullable=False),
    sa.Column("source", key_text(), nullable=False),
    sa.Column("kind", key_text(), nullable=False),
    sa.Column("external_id", key_text(), nullable=False),
    sa.Column("waiting", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column(
        "oldest_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.clock_timestamp(),
    ),
    sa.Column("is_met", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.PrimaryKeyConstraint("external_id", "kind", "source", "practice_id"),
    sa.Index(
        "parked_object_met",
        "practice_id",
        "external_id",
        "kind",
        "source",
        postgresql_where=sa.text("is_met"),
    ),
    sa.Index("parked_object_by_age", "oldest_at", postgresql_where=sa.text("NOT is_met")),
    comment="the bookings and payments for which events are parked: how many, and since when the"
    " oldest is; is_met: its client is known, and the events may be accepted",
    postgresql_with={"fillfactor": 50},
)

parked_count = sa.Table(
    "parked_count",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    comment="how many events of a practice are parked: the sum over its buckets",
)

undeclared = sa.Table(
    "undeclared",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
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

undeclared_record = sa.Table(
    "undeclared_record",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("record_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("record_offset", sa.BigInteger, nullable=False),
    sa.Column("record_timestamp", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    comment="their records, sealed whole; record_id is their order within a source",
)

awaited_client = sa.Table(
    "awaited_client",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("namespace", key_text(), primary_key=True),
    sa.Column("external_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("event_id", key_text(), primary_key=True),
    comment="which parked events wait for a client of which identity",
)
