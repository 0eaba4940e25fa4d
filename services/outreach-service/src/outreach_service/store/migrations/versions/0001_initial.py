"""Practices and clients as heard of, contacts, consents, playbooks, messages, attempts, limits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from outreach_service.store.migrations import permission_tables, read_tables
from rapport_runtime.row_security import (
    API_ROLE,
    WORKER_ROLE,
    append_only,
    grant,
    open_to_purge,
    row_level_security,
)
from rapport_runtime.schema import purging, tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OWN = (
    *("attempt", "message", "playbook", "consent", "contact_rest", "contact", "booking", "client"),
    *("settling", "practice_hold", "practice"),
)
STATES = [
    *("drafted", "scheduled", "deferred", "sending", "awaiting_staff", "accepted", "delivered"),
    *("bounced", "failed", "suppressed", "cancelled", "expired", "unknown"),
]
AT_AN_END = """
    state IN ('accepted', 'delivered', 'bounced', 'failed', 'suppressed', 'cancelled', 'expired',
              'unknown')
    AND retry_until IS NULL
"""


def upgrade() -> None:
    tables_v1.create(op)
    create_practice()
    create_client()
    create_settling()
    create_contact()
    create_contact_rest()
    create_consent()
    permission_tables.create(op)
    read_tables.create(op)
    create_playbook()
    create_message()
    create_limits()
    create_fence()
    for table in ("practice", "practice_hold", "client", "booking", "attempt", "contact_rest"):
        row_level_security(op, table)
    row_level_security(op, "contact", api_may=("SELECT", "INSERT", "UPDATE", "DELETE"))
    row_level_security(op, "consent", api_may=("SELECT", "INSERT"))
    row_level_security(op, "playbook", api_may=("SELECT", "INSERT", "UPDATE"))
    # An operator's status tells the first window and the oldest message that wait, of anybody.
    row_level_security(op, "settling", operator_sees=True)
    row_level_security(op, "message", api_may=("SELECT", "UPDATE"), operator_sees=True)
    open_to_purges()


def downgrade() -> None:
    for table in (*OWN, "permit", "provider_token", "fence"):
        op.drop_table(table)
    permission_tables.drop(op)
    read_tables.drop(op)
    op.execute("DROP FUNCTION consent_is_append_only")
    tables_v1.drop(op)


def open_to_purges() -> None:
    """A message's identity is for ever; what it was made of goes."""
    open_to_purge(
        op,
        "message",
        # The play, since only that tells which is still whole; it names no client.
        sees=("practice_id", "message_id", "play_body", "state", "retry_until", "changed_at"),
        clears=("play_body", "change"),
        only=AT_AN_END,
    )
    purging.by_month(op, "attempt")
    open_to_purge(op, "attempt", sees=("practice_id", "message_id", "number", "started_at"))
    open_to_purge(op, "booking", sees=("practice_id", "client_id", "activity_id", "starts_at"))


def _id(name: str, *, key: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.Text(collation="C"), primary_key=key, nullable=False)


def _instant(name: str, *, needed: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not needed)


def create_practice() -> None:
    op.create_table(
        "practice",
        _id("practice_id"),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "zone", "currency")),
        sa.Column("region", sa.Text, comment="ISO 3166-1 alpha-2"),
        sa.Column("discreet_name", sa.Text, comment="the name that messages show"),
        sa.Column(
            "said_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'epoch'"),
            comment="when ingestion said so; what it had said before does not replace it",
        ),
    )
    op.create_table(
        "practice_hold",
        _id("practice_id"),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        _id("hold_id"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("incarnation", sa.Text, comment="of the database that said so last"),
        _instant("stands_at", needed=True),
        comment="practices whose activity is read up to that instant alone (ADR 35)",
    )
    op.create_index("practice_hold_of_partition", "practice_hold", ["partition", "incarnation"])


def create_client() -> None:
    op.create_table(
        "client",
        _id("practice_id"),
        _id("client_id"),
        _instant("activity_at"),
        *(sa.Column(name, sa.Text) for name in ("scheme", "tier")),
        _instant("tier_since"),
        sa.Column("tier_version", sa.BigInteger),
        sa.CheckConstraint("num_nulls(scheme, tier, tier_since, tier_version) IN (0, 4)"),
        comment="when a client was last active, our own messages never count (C-15); their tier",
    )
    op.create_table(
        "booking",
        _id("practice_id"),
        _id("client_id"),
        _id("activity_id"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Index("booking_by_start", "starts_at"),
        comment="signed differences by activity: a time is booked where they sum above zero",
    )


def create_settling() -> None:
    op.create_table(
        "settling",
        _id("practice_id"),
        _id("client_id"),
        sa.Column("settles_after", sa.Interval, primary_key=True),
        _instant("ends_at", needed=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("change", JSONB, nullable=False, comment="what the changes come to so far"),
        sa.Index("settling_by_end", "ends_at"),
        comment="tier changes that add up until `ends_at` (ADR 42)",
    )


def create_contact() -> None:
    op.create_table(
        "contact",
        _id("practice_id"),
        _id("client_id"),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("sealed_address", sa.Text, nullable=False),
        sa.Column("sealed_name", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("language", "blind_index")),
        _instant("updated_at", needed=True),
        sa.Column("zone", sa.Text, comment="IANA: where the client lives, if that is known"),
        sa.CheckConstraint("channel IN ('wechat', 'sms', 'email')"),
        sa.Index("contact_by_address", "practice_id", "blind_index"),
        comment="AES-GCM under a key id; the index finds a point without opening it",
    )


def create_contact_rest() -> None:
    op.create_table(
        "contact_rest",
        _id("practice_id"),
        sa.Column("blind_index", sa.Text(collation="C"), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False, comment="the provider's code"),
        _instant("since", needed=True),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            comment="null: until a client states consent to the channel after `since`",
        ),
        comment="contact points where nothing arrives, as their providers said; business time",
    )


def create_consent() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _id("practice_id", key=False),
        sa.Column("statement_id", sa.Text(collation="C"), nullable=False, comment="the caller's"),
        _instant("stated_at", needed=True),
        _id("client_id", key=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("channel", "purpose")),
        sa.Column("granted", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("evidence", "text_version")),
        sa.Column("contact_index", sa.Text, comment="the point to which a click's message went"),
        _instant("recorded_at", needed=True),
        sa.Column("recorded_by", sa.Text, nullable=False, comment="the id of an API key"),
        sa.UniqueConstraint("practice_id", "statement_id"),
        sa.CheckConstraint("channel IN ('wechat', 'sms', 'email')"),
        sa.CheckConstraint("purpose IN ('service', 'care', 'marketing')"),
        sa.Index(
            "consent_of_client", "practice_id", "client_id", "channel", "purpose", "stated_at"
        ),
        comment="append-only (L1): the last statement for a channel and purpose holds",
    )
    append_only(op, "consent")


def create_playbook() -> None:
    op.create_table(
        "playbook",
        _id("practice_id"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", JSONB, nullable=False),
        _instant("updated_at", needed=True),
        comment="a practice's own plays; without a row the deployment's default holds",
    )


def create_message() -> None:
    op.create_table(
        "message",
        _id("practice_id"),
        _id("message_id"),
        _id("client_id", key=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("play", sa.Text, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("occasion_kind", sa.Text, nullable=False),
        _id("occasion_id", key=False),
        sa.Column("play_body", JSONB, comment="the play as it was then; null once purged"),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("change", JSONB, comment="the tier change that caused it; null once purged"),
        _instant("due_at", needed=True),
        _instant("decide_at", needed=True),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'epoch'"),
            comment="real clock: a retry is waited for",
        ),
        sa.Column("approved", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("channel", sa.Text),
        sa.Column(
            "lane",
            sa.Text(collation="C"),
            nullable=False,
            server_default="",
            comment="the channel for whose permits it waits; empty while nobody knows",
        ),
        sa.Column("template", sa.Text),
        sa.Column("contact_index", sa.Text),
        _instant("sent_at"),
        _instant("lease_until"),
        sa.Column(
            "retry_until",
            sa.DateTime(timezone=True),
            comment="real clock: so long a message of unknown outcome may be repeated by its key",
        ),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("provider_ref", sa.Text),
        _instant("changed_at", needed=True),
        sa.UniqueConstraint(
            "practice_id", "client_id", "play", "occasion_kind", "occasion_id", "step"
        ),
        sa.CheckConstraint("state IN ({})".format(", ".join(f"'{state}'" for state in STATES))),
        sa.CheckConstraint(
            "num_nulls(play_body, change) IN (0, 2)", name="message_is_whole_or_not"
        ),
        comment="one intended contact; its identity makes a second row impossible (F33)",
    )
    waiting = sa.text(
        "state IN ('drafted', 'scheduled', 'deferred', 'awaiting_staff') OR retry_until IS NOT NULL"
    )
    counted = sa.text("state IN ('sending', 'accepted', 'delivered', 'bounced', 'unknown')")
    op.create_index("message_due", "message", ["decide_at", "not_before"], postgresql_where=waiting)
    op.create_index(
        "message_turn",
        "message",
        ["lane", "practice_id", "decide_at", "message_id", "not_before"],
        postgresql_where=waiting,
    )
    op.create_index(
        "message_repeats",
        "message",
        ["retry_until"],
        postgresql_where=sa.text("retry_until IS NOT NULL"),
    )
    # For lists by state and by play, and so that messages are counted without reading them.
    op.create_index(
        "message_by_state",
        "message",
        ["practice_id", "state", "message_id"],
        postgresql_include=["play", "channel", "reason"],
    )
    op.create_index("message_by_play", "message", ["practice_id", "play", "message_id"])
    op.create_index(
        "message_leased", "message", ["lease_until"], postgresql_where=sa.text("state = 'sending'")
    )
    op.create_index(
        "message_counted_client",
        "message",
        ["practice_id", "client_id", "sent_at"],
        postgresql_where=counted,
    )
    op.create_index(
        "message_counted_contact",
        "message",
        ["practice_id", "contact_index", "sent_at"],
        postgresql_where=counted,
    )
    op.create_index(
        "message_whole",
        "message",
        ["changed_at"],
        postgresql_where=sa.text(f"play_body IS NOT NULL AND {AT_AN_END}"),
    )
    op.create_table(
        "attempt",
        _id("practice_id"),
        _id("message_id"),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        # In the key for the partitions; that a number is given once, the message's lock keeps.
        sa.Column("started_at", sa.DateTime(timezone=True), primary_key=True),
        _instant("business_at", needed=True),
        _instant("finished_at"),
        sa.Column("outcome", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column(
            "is_excused",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="refused for no fault of the message",
        ),
        sa.CheckConstraint("outcome IN ('accepted', 'rejected', 'unknown')"),
        sa.Index("attempt_lately", "practice_id", "started_at"),
        postgresql_partition_by="RANGE (started_at)",
        comment="one provider call; without an outcome it is under way, or its worker died",
    )


def create_limits() -> None:
    op.create_table(
        "permit",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("per_second", sa.Float, nullable=False),
        sa.Column("burst", sa.Float, nullable=False),
        _instant("refilled_at", needed=True),
        sa.Column("strikes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("closed_code", sa.Text, comment="why the provider refused the account"),
        _instant("closed_since"),
        _instant("closed_until"),
        sa.CheckConstraint("num_nulls(closed_code, closed_since, closed_until) IN (0, 3)"),
        comment="token buckets by provider account, on the real clock, shared by all workers (F35)",
        # Few rows, changed with each message: the defaults would clear away too late.
        postgresql_with={
            "fillfactor": 50,
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": 500,
            "autovacuum_vacuum_cost_delay": 0,
        },
    )
    op.create_table(
        "provider_token",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("sealed_token", sa.Text, nullable=False),
        _instant("expires_at", needed=True),
    )
    grant(op, "permit", role=WORKER_ROLE, may=("SELECT", "INSERT", "UPDATE"))
    grant(op, "permit", role=API_ROLE)
    grant(op, "provider_token", role=WORKER_ROLE, may=("SELECT", "INSERT", "UPDATE"))
    op.execute(f"REVOKE ALL ON provider_token FROM {API_ROLE}")


def create_fence() -> None:
    op.create_table(
        "fence",
        sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
        _instant("due_up_to", needed=True),
        sa.CheckConstraint("is_only", name="fence_is_one_row"),
        comment="after a restore: what was due up to then may have been sent; a person decides",
    )
    grant(op, "fence", role=WORKER_ROLE, may=("SELECT", "INSERT", "UPDATE"))
    grant(op, "fence", role=API_ROLE)
