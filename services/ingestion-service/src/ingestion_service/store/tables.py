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
    sa.CheckConstraint(
        "num_nulls(registered_at, registered_sequence, registered_on) IN (0, 3)",
        name="client_registered_once",
    ),
    comment="a pseudonym; where its gapless sequence of activities stands",
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
    comment="every accepted source event, and what was published for it; ledger_id is the order of"
    " acceptance within a client, zone_rules the version by which its days were found, details what"
    " few events say",
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
    sa.Column("namespace", _key_text(), nullable=False),
    sa.Column("external_id", _key_text(), nullable=False),
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
