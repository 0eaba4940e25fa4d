"""The runtime tables as SQLAlchemy metadata, as the newest version leaves them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY


def runtime_tables(metadata: sa.MetaData) -> None:
    """Add every runtime table to `metadata`. A test compares them with what the versions create."""
    _consumer_position(metadata)
    _outbox(metadata)
    _published_events(metadata)
    _incarnation(metadata)
    _dead_letter(metadata)
    _decided_letter(metadata)
    _worker(metadata)
    _api_key(metadata)
    _pause(metadata)
    _audit(metadata)
    _purge_run(metadata)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> sa.Column[object]:
    now = sa.func.clock_timestamp()
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=now)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True)


def _consumer_position(metadata: sa.MetaData) -> None:
    sa.Table(
        "consumer_position",
        metadata,
        sa.Column("consumer_group", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        _text("topic_id"),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        _instant("processed_through"),
        _instant("swept_through"),
        sa.Column(
            "unreadable_offset",
            sa.BigInteger,
            comment="the last that the client could not read; past it when next_offset is greater",
        ),
        _text("unreadable_why", nullable=True),
        comment="where each group stands; moves in the transaction that holds the effects",
    )


def _outbox(metadata: sa.MetaData) -> None:
    sa.Table(
        "outbox",
        metadata,
        _id(),
        _text("topic"),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        _now("created_at"),
        sa.Index("outbox_by_bucket", "partition", "id"),
        comment="what is to be published; a bucket is an output partition",
    )
    sa.Table(
        "outbox_watermark",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True),
        _instant("published_through", nullable=False),
        comment="the last watermark that was published on each output partition",
    )
    sa.Table(
        "outbox_drained",
        metadata,
        sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("through", sa.BigInteger, nullable=False),
        sa.CheckConstraint("is_only", name="outbox_drained_is_one_row"),
        comment="up to this id the outbox holds no row any more; empty before the first thousand",
    )


def _published_events(metadata: sa.MetaData) -> None:
    sa.Table(
        "published_events",
        metadata,
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        _id(),
        sa.Column("ids", ARRAY(sa.Text), nullable=False),
        _now("at"),
        comment="ids of the events that left the outbox, by drain and partition; the newest stay",
    )


def _incarnation(metadata: sa.MetaData) -> None:
    sa.Table(
        "incarnation",
        metadata,
        sa.Column("is_only", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column(
            "digits",
            sa.Text,
            nullable=False,
            server_default=sa.text("left(gen_random_uuid()::text, 8)"),
        ),
        _now("drawn_at"),
        _instant("older_since"),
        sa.CheckConstraint("is_only", name="incarnation_is_one_row"),
        comment="drawn at creation and after a restore; older_since: published more than it knows",
    )


def _record() -> list[sa.Column[Any]]:
    """The record of a letter and why it is one; its bytes are sealed."""
    return [
        _text("consumer_group"),
        _text("topic"),
        sa.Column("partition", sa.Integer, nullable=False),
        _text("topic_id", nullable=True),
        sa.Column("record_offset", sa.BigInteger, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary),
        sa.Column("sealed_value", sa.LargeBinary),
        sa.Column("header_names", ARRAY(sa.Text), nullable=False),
        sa.Column("sealed_headers", ARRAY(sa.LargeBinary), nullable=False),
        sa.Column("record_timestamp", sa.BigInteger, nullable=False),
        _text("practice_id", nullable=True),
        _text("named_practice", nullable=True),
        _text("reason"),
        _text("field", nullable=True),
        _text("detail"),
    ]


def _dead_letter(metadata: sa.MetaData) -> None:
    def index(name: str, *columns: str, where: str) -> sa.Index:
        return sa.Index(name, *columns, postgresql_where=sa.text(where))

    sa.Table(
        "dead_letter",
        metadata,
        _id(),
        *_record(),
        sa.Column("state", sa.Text, nullable=False, server_default="held"),
        _now("received_at"),
        _text("replay_id", nullable=True),
        sa.Column("stop_after", sa.Integer),
        sa.UniqueConstraint(
            "consumer_group",
            "topic",
            "partition",
            "topic_id",
            "record_offset",
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint("state IN ('held', 'queued')"),
        index("dead_letter_queued", "topic", "partition", where="state = 'queued'"),
        index(
            "dead_letter_held",
            "consumer_group",
            "reason",
            "received_at",
            where="state = 'held'",
        ),
        sa.Index("dead_letter_of_practice", "named_practice", "id"),
        index("dead_letter_replay", "replay_id", where="replay_id IS NOT NULL"),
        comment="records that could not be handled and wait for a decision, as they were, sealed",
    )


def _decided_letter(metadata: sa.MetaData) -> None:
    table = sa.Table(
        "decided_letter",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *_record(),
        _text("state"),
        _instant("received_at", nullable=False),
        sa.Column(
            "decided_at",
            sa.DateTime(timezone=True),
            primary_key=True,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.CheckConstraint("state IN ('replayed', 'dropped')"),
        sa.Index("decided_letter_of_practice", "named_practice", "id"),
        sa.Index(
            "decided_letter_of_record", "consumer_group", "topic", "partition", "record_offset"
        ),
        postgresql_partition_by="RANGE (decided_at)",
        comment="dead letters that were replayed or dropped, by the month of the decision;"
        " they have a term",
    )
    everything = sa.DDL("CREATE TABLE decided_letter_default PARTITION OF decided_letter DEFAULT")  # type: ignore[no-untyped-call]
    sa.event.listen(table, "after_create", everything)


def _worker(metadata: sa.MetaData) -> None:
    sa.Table(
        "worker",
        metadata,
        sa.Column("worker_id", sa.Text, primary_key=True),
        _text("consumer_group"),
        _instant("started_at", nullable=False),
        _instant("progressed_at", nullable=False),
        sa.Column("partitions", ARRAY(sa.Text), nullable=False),
        sa.Column("lag", sa.BigInteger),
        _text("last_error", nullable=True),
        _instant("last_error_at"),
        comment="what each worker last said of itself",
    )


def _api_key(metadata: sa.MetaData) -> None:
    """Read before the practice is known, so every transaction of the API reads it; only an
    operator's writes it."""
    sa.Table(
        "api_key",
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        _text("practice_id", nullable=True),  # null: an operator's key
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        sa.Column("label", sa.Text, nullable=False, server_default=""),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        sa.Column("term", sa.Interval),  # for so long it was made, and so will be its successor
        _instant("expires_at"),
        _instant("revoked_at"),
        _instant("last_used_at"),
        # It came by the bus, so it holds only while the bus is read.
        sa.Column("shared", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="api_key_hash_is_sha256"),
        sa.CheckConstraint("cardinality(scopes) > 0", name="api_key_can_do_something"),
    )


def _pause(metadata: sa.MetaData) -> None:
    sa.Table(
        "pause",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        _now("paused_at"),
        _instant("ends_at"),
        _text("who"),
        _text("why"),
        sa.CheckConstraint("kind IN ('worker', 'topic', 'practice')"),
        comment="what operators stopped; in force until it is deleted or ends_at has passed",
    )


def _audit(metadata: sa.MetaData) -> None:
    table = sa.Table(
        "audit",
        metadata,
        _id(),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            primary_key=True,
            server_default=sa.func.clock_timestamp(),
        ),
        _text("who"),
        _text("action"),
        _text("kind"),
        _text("subject"),
        _text("why", nullable=True),
        _instant("ends_at"),
        sa.Column("count", sa.Integer, nullable=False, server_default="1"),
        sa.CheckConstraint(
            "action IN ('pause', 'resume', 'replay', 'drop', 'skip', 'restored', 'purge',"
            " 'create', 'rotate', 'revoke')"
        ),
        sa.CheckConstraint(
            "why IS NOT NULL OR kind IN ('letters', 'key')", name="audit_of_pauses_says_why"
        ),
        postgresql_partition_by="RANGE (at)",
        comment="who did what to what: pauses, letters, restores, purges, keys; append-only",
    )
    everything = sa.DDL("CREATE TABLE audit_default PARTITION OF audit DEFAULT")  # type: ignore[no-untyped-call]
    sa.event.listen(table, "after_create", everything)


def _purge_run(metadata: sa.MetaData) -> None:
    sa.Table(
        "purge_run",
        metadata,
        sa.Column("class", sa.Text, primary_key=True),
        _instant("finished_at"),
        sa.Column("rows", sa.BigInteger, nullable=False),
        _instant("oldest_left_at"),
        sa.Column("seconds", sa.Double, nullable=False),
        comment="the last purge of each class of retention; without an end there was none yet",
    )
