"""What is kept of each source: its declaration, its secrets, its rhythm, and its files."""

import sqlalchemy as sa

from ingestion_service.store.tables.metadata import key_text, metadata

source = sa.Table(
    "source",
    metadata,
    sa.Column("practice_id", key_text(), sa.ForeignKey("practice.practice_id"), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("namespace", key_text(), nullable=False),
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
    comment="the systems that a practice has declared; is_fixed: events of it are known, so its"
    " namespace and what its client ids are cannot change",
)

source_secret = sa.Table(
    "source_secret",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("purpose", key_text(), primary_key=True),
    sa.Column("adapter", sa.Text),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("token_id", key_text(), unique=True),
    sa.Column("token_hash", sa.LargeBinary),
    sa.Column(
        "changed_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
    ),
    sa.CheckConstraint(
        "num_nulls(adapter, token_id, token_hash) = CASE purpose WHEN 'webhook' THEN 0 ELSE 3 END",
        name="source_secret_of_webhook",
    ),
    comment="secrets of declared sources, sealed: the settings by which webhooks are read, with the"
    " hash of their address; or what a source signs its records with",
)

source_count = sa.Table(
    "source_count",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_accepted_at", sa.DateTime(timezone=True), nullable=False),
    comment="what was ever accepted of a source: the sum over its buckets",
)

source_day = sa.Table(
    "source_day",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("newest_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("source_day_by_age", "day"),
    comment="what was accepted of a source on a practice-local day, history apart: the sum over its"
    " buckets",
    postgresql_with={"fillfactor": 70},
)

source_watch = sa.Table(
    "source_watch",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("look_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("silent_since", sa.DateTime(timezone=True)),
    sa.Column("hold_id", key_text()),
    sa.Column("incarnation", sa.Text),
    sa.Index("source_watch_by_look", "look_at"),
    sa.Index(
        "source_watch_held",
        "hold_id",
        unique=True,
        postgresql_where=sa.text("hold_id IS NOT NULL"),
    ),
    sa.CheckConstraint(
        "hold_id IS NULL OR silent_since IS NOT NULL", name="source_watch_held_is_silent"
    ),
    sa.CheckConstraint(
        "num_nulls(hold_id, incarnation) IN (0, 2)", name="source_watch_hold_is_announced"
    ),
    comment="when a source is looked at next, and, while it is silent, since when, and the hold of"
    " its practice, null where an operator has ended it",
    postgresql_with={"fillfactor": 50},
)

import_job = sa.Table(
    "import_job",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("job_id", key_text(), primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("file_hash", sa.Text, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("accepted", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("duplicate", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("parked", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("rejected", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column(
        "moved_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.clock_timestamp(),
    ),
    sa.Column("hold_id", sa.Text),
    sa.Column("stands_at", sa.DateTime(timezone=True)),
    sa.Column("incarnation", sa.Text),
    sa.CheckConstraint(
        "num_nulls(hold_id, stands_at, incarnation) IN (0, 3)", name="import_job_hold_is_whole"
    ),
    comment="files that are on their way into the ledger: how far each has come, and the time at"
    " which its practice stands meanwhile",
    postgresql_with={"fillfactor": 50},
)

planned_booking = sa.Table(
    "planned_booking",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("booking_id", key_text(), primary_key=True),
    sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("planned_booking_by_hour", "practice_id", "source", "starts_at", "booking_id"),
    comment="bookings that the last snapshots of a source have said to be planned, and for when",
)
