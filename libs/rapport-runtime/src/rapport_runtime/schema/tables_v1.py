"""Version 1 of the runtime tables: what a service's first migration creates.

Released: never edit these statements, add the next version. A database that was created long ago
must have gone through the same steps as one that is created today.
"""

from rapport_runtime.row_security import Migration
from rapport_runtime.schema import letters, purging


def create(op: Migration) -> None:
    """Create the tables and open them to both roles.

    The API may not read the values in the outbox, which belong to all
    practices; it sees their age.
    """
    purging.create(op)
    for statement in _CREATE:
        op.execute(statement)
    letters.create(op)


def drop(op: Migration) -> None:
    """Undo `create`."""
    letters.drop(op)
    for statement in _DROP:
        op.execute(statement)
    purging.drop(op)


# The defaults wait until a fifth of a table is dead, and then work slowly: for tables of a few rows
# that change many times a second, and for those through which everything passes, that is too late.
_OFTEN_CHANGED = """
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
"""
_PASSED_THROUGH = """
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0
"""
_CREATE = (
    """
    CREATE TABLE consumer_position (
        consumer_group text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL,
        topic_id text NOT NULL,
        next_offset bigint NOT NULL,
        processed_through timestamp with time zone,
        swept_through timestamp with time zone,
        unreadable_offset bigint,
        unreadable_why text,
        PRIMARY KEY (consumer_group, topic, partition)
    )
    """,
    """
    COMMENT ON TABLE consumer_position IS
        'where each group stands; moves in the transaction that holds the effects'
    """,
    """
    COMMENT ON COLUMN consumer_position.unreadable_offset IS
        'the last that the client could not read; past it when next_offset is greater'
    """,
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY,
        topic text NOT NULL,
        partition integer NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL,
        created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX outbox_by_bucket ON outbox (partition, id)",
    "COMMENT ON TABLE outbox IS 'what is to be published; a bucket is an output partition'",
    """
    CREATE TABLE outbox_watermark (
        partition serial NOT NULL,
        published_through timestamp with time zone NOT NULL,
        PRIMARY KEY (partition)
    )
    """,
    """
    COMMENT ON TABLE outbox_watermark IS
        'the last watermark that was published on each output partition'
    """,
    """
    CREATE TABLE outbox_drained (
        is_only boolean DEFAULT true NOT NULL,
        through bigint NOT NULL,
        PRIMARY KEY (is_only),
        CONSTRAINT outbox_drained_is_one_row CHECK (is_only)
    )
    """,
    """
    COMMENT ON TABLE outbox_drained IS
        'up to this id the outbox holds no row any more; empty before the first thousand'
    """,
    """
    CREATE TABLE published_events (
        topic text NOT NULL,
        partition integer NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        ids text[] NOT NULL,
        at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        PRIMARY KEY (topic, partition, id)
    )
    """,
    """
    COMMENT ON TABLE published_events IS
        'ids of the events that left the outbox, by drain and partition; the newest stay'
    """,
    "ALTER TABLE published_events ALTER COLUMN ids SET STORAGE EXTERNAL",
    """
    CREATE TABLE incarnation (
        is_only boolean DEFAULT true NOT NULL,
        digits text DEFAULT left(gen_random_uuid()::text, 8) NOT NULL,
        drawn_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        older_since timestamp with time zone,
        PRIMARY KEY (is_only),
        CONSTRAINT incarnation_is_one_row CHECK (is_only)
    )
    """,
    """
    COMMENT ON TABLE incarnation IS
        'drawn at creation and after a restore; older_since: published more than it knows'
    """,
    "INSERT INTO incarnation DEFAULT VALUES",
    """
    CREATE TABLE worker (
        worker_id text NOT NULL,
        consumer_group text NOT NULL,
        started_at timestamp with time zone NOT NULL,
        progressed_at timestamp with time zone NOT NULL,
        partitions text[] NOT NULL,
        lag bigint,
        last_error text,
        last_error_at timestamp with time zone,
        PRIMARY KEY (worker_id)
    )
    """,
    "COMMENT ON TABLE worker IS 'what each worker last said of itself'",
    """
    CREATE TABLE api_key (
        id text NOT NULL,
        secret_hash bytea NOT NULL,
        practice_id text,
        scopes text[] NOT NULL,
        label text DEFAULT '' NOT NULL,
        created_at timestamp with time zone DEFAULT now() NOT NULL,
        term interval,
        expires_at timestamp with time zone,
        revoked_at timestamp with time zone,
        last_used_at timestamp with time zone,
        shared boolean DEFAULT false NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT api_key_hash_is_sha256 CHECK (octet_length(secret_hash) = 32),
        CONSTRAINT api_key_can_do_something CHECK (cardinality(scopes) > 0)
    )
    """,
    f"ALTER TABLE consumer_position SET ({_OFTEN_CHANGED})",
    f"ALTER TABLE outbox_watermark SET ({_OFTEN_CHANGED})",
    f"ALTER TABLE outbox_drained SET ({_OFTEN_CHANGED})",
    f"ALTER TABLE worker SET ({_OFTEN_CHANGED})",
    f"ALTER TABLE outbox SET ({_PASSED_THROUGH})",
    f"ALTER TABLE published_events SET ({_PASSED_THROUGH})",
    """
    REVOKE ALL ON consumer_position, outbox, outbox_watermark, outbox_drained, published_events,
        incarnation, worker, api_key
    FROM rapport_worker, rapport_api
    """,
    """
    GRANT SELECT, INSERT, UPDATE, DELETE
    ON consumer_position, outbox, outbox_watermark, worker TO rapport_worker
    """,
    "GRANT SELECT, INSERT, UPDATE ON outbox_drained TO rapport_worker",
    "GRANT SELECT, INSERT, DELETE ON published_events TO rapport_worker",
    "GRANT SELECT, UPDATE ON incarnation TO rapport_worker",
    """
    GRANT SELECT ON consumer_position, outbox_watermark, outbox_drained, incarnation, worker,
        api_key
    TO rapport_api
    """,
    "GRANT SELECT, INSERT, UPDATE (expires_at, revoked_at) ON api_key TO rapport_worker",
    "GRANT UPDATE (last_used_at) ON api_key TO rapport_api",
    # Read by every transaction, for whose key it is is known afterwards; written by operators'.
    "ALTER TABLE api_key ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY worker ON api_key TO rapport_worker USING (true) WITH CHECK (true)",
    "CREATE POLICY api_reads ON api_key FOR SELECT TO rapport_api USING (true)",
    """
    CREATE POLICY api_makes ON api_key FOR INSERT TO rapport_api
    WITH CHECK (current_setting('rapport.operator', true) = 'on')
    """,
    """
    CREATE POLICY api_changes ON api_key FOR UPDATE TO rapport_api
    USING (current_setting('rapport.operator', true) = 'on')
    """,
    "GRANT INSERT ON outbox TO rapport_api",
    "GRANT SELECT (id, created_at) ON outbox TO rapport_api",
)
_DROP = (
    """
    DROP TABLE consumer_position, outbox, outbox_watermark, outbox_drained, published_events,
        incarnation, worker, api_key
    """,
)
