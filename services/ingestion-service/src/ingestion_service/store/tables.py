"""The tables of the database `ingestion`; a test compares them with what the migrations make."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from rapport_runtime.schema.metadata import runtime_tables

metadata = sa.MetaData()
runtime_tables(metadata)


def _key_text() -> sa.Text:
    """Text that is compared byte by byte: look-ups are faster, and ids sort the same everywhere."""
    return sa.Text(collation="C")


practice = sa.Table(
    "practice",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
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
    sa.Column("undeclared_sources", sa.Text, nullable=False, server_default="accept"),
)

client = sa.Table(
    "client",
    metadata,
    sa.Column("practice_id", _key_text(), sa.ForeignKey("practice.practice_id"), primary_key=True),
    sa.Column("client_id", _key_text(), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("known_since", sa.DateTime(timezone=True), nullable=False),
    sa.Column("registered_at", sa.DateTime(timezone=True)),
    sa.Column("registered_sequence", sa.BigInteger),
    sa.Column("registered_on", sa.Date),
    sa.Column("zone", sa.Text),
    sa.Column("told_anew_through", sa.BigInteger),
    sa.CheckConstraint(
        "num_nulls(registered_at, registered_sequence, registered_on) IN (0, 3)",
        name="client_registered_once",
    ),
    comment="a pseudonym; where its gapless sequence of activities stands; zone: that of the days"
    " of its facts, null for the first one of its practice",
    postgresql_with={"fillfactor": 70},
)

care_sequence = sa.Table(
    "care_sequence",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("client_id", _key_text(), primary_key=True),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["practice_id", "client_id"], ["client.practice_id", "client.client_id"]
    ),
    comment="where a client's gapless sequence of signals of care stands",
    postgresql_with={"fillfactor": 70},
)

identity = sa.Table(
    "identity",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("namespace", _key_text(), primary_key=True),
    sa.Column("external_id", _key_text(), primary_key=True),
    sa.Column("client_id", _key_text(), nullable=False),
    sa.ForeignKeyConstraint(
        ["practice_id", "client_id"], ["client.practice_id", "client.client_id"]
    ),
    sa.Index("identity_by_client", "practice_id", "client_id"),
    comment="how a client is named outside; the namespace is the source of its events",
)

# The keys begin with what differs most: a comparison then seldom looks at more than one column.
source_object = sa.Table(
    "source_object",
    metadata,
    sa.Column("practice_id", _key_text(), nullable=False),
    sa.Column("source", _key_text(), nullable=False),
    sa.Column("kind", _key_text(), nullable=False),
    sa.Column("external_id", _key_text(), nullable=False),
    sa.Column("object_id", _key_text(), nullable=False),
    sa.Column("namespace", _key_text()),
    sa.Column("owner_external_id", _key_text()),
    sa.Column("standing", sa.LargeBinary),
    sa.PrimaryKeyConstraint("external_id", "kind", "source", "practice_id"),
    sa.Index("source_object_by_owner", "practice_id", "namespace", "owner_external_id"),
    comment="a booking, a payment, or a refund or chargeback of one, and what its events came to so"
    " far; its owner is the client whom its first accepted event names, null where all wait",
    postgresql_with={"fillfactor": 20},
)

# No foreign keys to client, identity and source_object: they would cost three look-ups for each
# row, and only one statement writes here, with objects and clients that it has locked. The primary
# key keeps duplicates out (R7).
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("event_id", _key_text(), primary_key=True),
    sa.Column("ledger_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("namespace", _key_text(), nullable=False),
    sa.Column("external_id", _key_text(), nullable=False),
    sa.Column("object_id", _key_text(), nullable=False),
    sa.Column("kind", _key_text(), nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("starts_at", sa.DateTime(timezone=True)),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("attributes", postgresql.JSONB),
    sa.Column("backfill", sa.Boolean, nullable=False),
    sa.Column("client_id", _key_text(), nullable=False),
    sa.Column("first_sequence", sa.BigInteger, nullable=False),
    sa.Column("deltas", postgresql.JSONB),
    sa.Column("zone_rules", sa.Text, nullable=False),
    sa.Column("details", postgresql.JSONB),
    sa.Index(
        "ledger_by_client",
        "practice_id",
        "client_id",
        "first_sequence",
        postgresql_where=sa.text("deltas IS NOT NULL"),
    ),
    sa.Index(
        "ledger_without_effect",
        "practice_id",
        "client_id",
        postgresql_where=sa.text("deltas IS NULL"),
    ),
    comment="every accepted source event, and what was published for it; ledger_id is the order of"
    " acceptance within a client, zone_rules the version by which its days were found, details what"
    " few events say",
)

told_anew = sa.Table(
    "told_anew",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("client_id", _key_text(), primary_key=True),
    sa.Column("ledger_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("source", _key_text(), nullable=False),
    sa.Column("event_id", _key_text(), nullable=False),
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

lost_cause = sa.Table(
    "lost_cause",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("event_id", _key_text(), primary_key=True),
    sa.Column("client_id", _key_text(), nullable=False),
    sa.Column("object_id", _key_text()),
    sa.Index("lost_cause_by_client", "practice_id", "client_id"),
    comment="source events that a restore lost, until they come again, with the ids that the topic"
    " shows",
)

lost_client = sa.Table(
    "lost_client",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("client_id", _key_text(), primary_key=True),
    comment="clients of whom a restore lost something, until they are rebuilt",
)

practice_zone = sa.Table(
    "practice_zone",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("first_zone", sa.Text, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True)),
    sa.Column("done_client", _key_text()),
    comment="practices that have changed their zone: the first one, that of clients who have none"
    " of their own; changed_at: not all clients are turned, done_client: the last that was looked"
    " at",
    postgresql_with={"fillfactor": 50},
)

source_count = sa.Table(
    "source_count",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("last_occurred_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_accepted_at", sa.DateTime(timezone=True), nullable=False),
    comment="what was ever accepted of a source: the sum over its buckets",
)

source_day = sa.Table(
    "source_day",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("look_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("silent_since", sa.DateTime(timezone=True)),
    sa.Column("hold_id", _key_text()),
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

practice_queue = sa.Table(
    "practice_queue",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("event_id", _key_text(), primary_key=True),
    sa.Column("kind", _key_text(), nullable=False),
    sa.Column("external_id", _key_text(), nullable=False),
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
    sa.Column("practice_id", _key_text(), nullable=False),
    sa.Column("source", _key_text(), nullable=False),
    sa.Column("kind", _key_text(), nullable=False),
    sa.Column("external_id", _key_text(), nullable=False),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    comment="how many events of a practice are parked: the sum over its buckets",
)

source = sa.Table(
    "source",
    metadata,
    sa.Column("practice_id", _key_text(), sa.ForeignKey("practice.practice_id"), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("namespace", _key_text(), nullable=False),
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

undeclared = sa.Table(
    "undeclared",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("namespace", _key_text(), primary_key=True),
    sa.Column("external_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("event_id", _key_text(), primary_key=True),
    comment="which parked events wait for a client of which identity",
)

relation = sa.Table(
    "relation",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("kind", _key_text(), primary_key=True),
    sa.Column("from_namespace", _key_text(), primary_key=True),
    sa.Column("from_external_id", _key_text(), primary_key=True),
    sa.Column("namespace", _key_text(), primary_key=True),
    sa.Column("external_id", _key_text(), primary_key=True),
    sa.Column(
        "said_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
    ),
    comment="who stands to which client in which relation: kind payer, who pays for whom",
)

clock = sa.Table(
    "clock",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("simulated_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("is_only", name="clock_is_one_row"),
    comment="simulated time; empty where time is real or not set yet",
)

rebuild = sa.Table(
    "rebuild",
    metadata,
    sa.Column("scope", _key_text(), primary_key=True),
    sa.Column("done_practice", _key_text()),
    sa.Column("done_client", _key_text()),
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

import_job = sa.Table(
    "import_job",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("job_id", _key_text(), primary_key=True),
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
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("booking_id", _key_text(), primary_key=True),
    sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("planned_booking_by_hour", "practice_id", "source", "starts_at", "booking_id"),
    comment="bookings that the last snapshots of a source have said to be planned, and for when",
)

source_secret = sa.Table(
    "source_secret",
    metadata,
    sa.Column("practice_id", _key_text(), primary_key=True),
    sa.Column("source", _key_text(), primary_key=True),
    sa.Column("purpose", _key_text(), primary_key=True),
    sa.Column("adapter", sa.Text),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("token_id", _key_text(), unique=True),
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
