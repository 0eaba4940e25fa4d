"""Practices and clients, and what their sources have said: all else comes from it."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ingestion_service.store.tables.metadata import key_text, metadata

practice = sa.Table(
    "practice",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
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
    # The default is for a release that knows no declarations; this one always says which it is.
    sa.Column("undeclared_sources", sa.Text, nullable=False, server_default="accept"),
)

client = sa.Table(
    "client",
    metadata,
    sa.Column("practice_id", key_text(), sa.ForeignKey("practice.practice_id"), primary_key=True),
    sa.Column("client_id", key_text(), primary_key=True),
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
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("client_id", key_text(), primary_key=True),
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
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("namespace", key_text(), primary_key=True),
    sa.Column("external_id", key_text(), primary_key=True),
    sa.Column("client_id", key_text(), nullable=False),
    sa.ForeignKeyConstraint(
        ["practice_id", "client_id"], ["client.practice_id", "client.client_id"]
    ),
    sa.Index("identity_by_client", "practice_id", "client_id"),
    comment="how a client is named outside; the namespace is the source of its events",
)

# The keys begin with what differs most: a comparison then seldom looks at more than one column.

relation = sa.Table(
    "relation",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("kind", key_text(), primary_key=True),
    sa.Column("from_namespace", key_text(), primary_key=True),
    sa.Column("from_external_id", key_text(), primary_key=True),
    sa.Column("namespace", key_text(), primary_key=True),
    sa.Column("external_id", key_text(), primary_key=True),
    sa.Column(
        "said_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
    ),
    comment="who stands to which client in which relation: kind payer, who pays for whom",
)

source_object = sa.Table(
    "source_object",
    metadata,
    sa.Column("practice_id", key_text(), nullable=False),
    sa.Column("source", key_text(), nullable=False),
    sa.Column("kind", key_text(), nullable=False),
    sa.Column("external_id", key_text(), nullable=False),
    sa.Column("object_id", key_text(), nullable=False),
    sa.Column("namespace", key_text()),
    sa.Column("owner_external_id", key_text()),
    sa.Column("standing", sa.LargeBinary),
    sa.PrimaryKeyConstraint("external_id", "kind", "source", "practice_id"),
    sa.Index("source_object_by_owner", "practice_id", "namespace", "owner_external_id"),
    comment="a booking, a payment, or a refund or chargeback of one, and what its events came to so"
    " far; its owner is the client whom its first accepted event names, null where all wait",
    postgresql_with={"fillfactor": 20},
)

moved_payment = sa.Table(
    "moved_payment",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("payment_id", key_text(), primary_key=True),
    sa.Column("namespace", key_text(), nullable=False),
    sa.Column("external_id", key_text(), nullable=False),
    sa.Index("moved_payment_by_client", "practice_id", "namespace", "external_id"),
    comment="payments that have counted for another client than whom their events name, and the"
    " identity of the client for whom they count now",
    postgresql_with={"fillfactor": 70},
)

# No foreign keys to client, identity and source_object: they would cost three look-ups for each
# row, and only one statement writes here, with objects and clients that it has locked. The primary
# key keeps duplicates out (R7).

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("event_id", key_text(), primary_key=True),
    sa.Column("ledger_id", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("content_hash", sa.LargeBinary, nullable=False),
    sa.Column("namespace", key_text(), nullable=False),
    sa.Column("external_id", key_text(), nullable=False),
    sa.Column("object_id", key_text(), nullable=False),
    sa.Column("kind", key_text(), nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("starts_at", sa.DateTime(timezone=True)),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("attributes", postgresql.JSONB),
    sa.Column("backfill", sa.Boolean, nullable=False),
    sa.Column("client_id", key_text(), nullable=False),
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
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("client_id", key_text(), primary_key=True),
    sa.Column("ledger_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("source", key_text(), nullable=False),
    sa.Column("event_id", key_text(), nullable=False),
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
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("source", key_text(), primary_key=True),
    sa.Column("event_id", key_text(), primary_key=True),
    sa.Column("client_id", key_text(), nullable=False),
    sa.Column("object_id", key_text()),
    sa.Column("names_client", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Index("lost_cause_by_client", "practice_id", "client_id"),
    comment="source events that a restore lost, until they come again, with the ids that the topic"
    " shows; names_client: the event surely names that client",
)

lost_client = sa.Table(
    "lost_client",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("client_id", key_text(), primary_key=True),
    comment="clients of whom a restore lost something, until they are rebuilt",
)

practice_zone = sa.Table(
    "practice_zone",
    metadata,
    sa.Column("practice_id", key_text(), primary_key=True),
    sa.Column("first_zone", sa.Text, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True)),
    sa.Column("done_client", key_text()),
    comment="practices that have changed their zone: the first one, that of clients who have none"
    " of their own; changed_at: not all clients are turned, done_client: the last that was looked"
    " at",
    postgresql_with={"fillfactor": 50},
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
    sa.Column("scope", key_text(), primary_key=True),
    sa.Column("done_practice", key_text()),
    sa.Column("done_client", key_text()),
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
