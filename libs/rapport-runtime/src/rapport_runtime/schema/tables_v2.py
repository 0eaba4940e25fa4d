"""Version 2 of the runtime tables: pauses, the audit, and replays with a limit.

Released: never edit these statements, add the next version (see `tables_v1`).
"""

from rapport_runtime.row_security import Migration


def create(op: Migration) -> None:
    """Add what version 1 has not.

    The audit is append-only for every role but the purge's, which may delete. Of the API's
    transactions only an operator's may read it, since it names practices and holds free text.
    """
    for statement in _CREATE:
        op.execute(statement)


def drop(op: Migration) -> None:
    """Undo `create`."""
    for statement in _DROP:
        op.execute(statement)


_CREATE = (
    """
    CREATE TABLE pause (
        kind text NOT NULL,
        subject text NOT NULL,
        paused_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        ends_at timestamp with time zone,
        who text NOT NULL,
        why text NOT NULL,
        PRIMARY KEY (kind, subject),
        CHECK (kind IN ('worker', 'topic', 'practice'))
    )
    """,
    """
    COMMENT ON TABLE pause IS
        'what operators stopped; in force until it is deleted or ends_at has passed'
    """,
    """
    CREATE TABLE audit (
        id bigint GENERATED ALWAYS AS IDENTITY,
        at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        who text NOT NULL,
        action text NOT NULL,
        kind text NOT NULL,
        subject text NOT NULL,
        why text,
        ends_at timestamp with time zone,
        count integer DEFAULT '1' NOT NULL,
        PRIMARY KEY (id, at),
        CHECK (action IN ('pause', 'resume', 'replay', 'drop', 'skip', 'restored', 'purge',
            'create', 'rotate', 'revoke')),
        CONSTRAINT audit_of_pauses_says_why CHECK (why IS NOT NULL OR kind IN ('letters', 'key'))
    ) PARTITION BY RANGE (at)
    """,
    """
    COMMENT ON TABLE audit IS
        'who did what to what: pauses, letters, restores, purges, keys; append-only'
    """,
    "REVOKE ALL ON pause, audit FROM rapport_worker, rapport_api",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON pause TO rapport_worker, rapport_api",
    "GRANT SELECT, INSERT ON audit TO rapport_worker, rapport_api",
    """
        CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND acts_as_purge() THEN RETURN old; END IF;
            RAISE EXCEPTION 'audit is append-only' USING ERRCODE = 'restrict_violation';
        END
        $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
    "SELECT make_partitions('audit', 3)",
    "ALTER TABLE audit ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY worker ON audit TO rapport_worker USING (true) WITH CHECK (true)",
    "CREATE POLICY api_says ON audit FOR INSERT TO rapport_api WITH CHECK (true)",
    """
    CREATE POLICY api_reads ON audit FOR SELECT TO rapport_api
    USING (current_setting('rapport.operator', true) = 'on')
    """,
    "GRANT SELECT (id, at), INSERT, DELETE ON audit TO rapport_purge",
    "CREATE POLICY purge_says ON audit FOR INSERT TO rapport_purge WITH CHECK (true)",
    "CREATE POLICY purge_sees ON audit FOR SELECT TO rapport_purge USING (true)",
    "CREATE POLICY purge_removes ON audit FOR DELETE TO rapport_purge USING (true)",
    "ALTER TABLE dead_letter ADD COLUMN replay_id text, ADD COLUMN stop_after integer",
    """
    CREATE INDEX dead_letter_held ON dead_letter (consumer_group, reason, received_at)
    WHERE state = 'held'
    """,
    "CREATE INDEX dead_letter_of_practice ON dead_letter (named_practice, id)",
    "CREATE INDEX dead_letter_replay ON dead_letter (replay_id) WHERE replay_id IS NOT NULL",
)
_DROP = (
    "DROP TABLE pause, audit",
    "DROP FUNCTION audit_is_append_only",
    "ALTER TABLE dead_letter DROP COLUMN replay_id, DROP COLUMN stop_after",
    "DROP INDEX dead_letter_held, dead_letter_of_practice",
)
