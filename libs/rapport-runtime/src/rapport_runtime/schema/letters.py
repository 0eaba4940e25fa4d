"""The tables of dead letters: what waits for a decision, and by month what was dealt with.

`tables_v1` calls it, so what is said there of released statements holds here, too.
"""

from typing import Final

from rapport_runtime.row_security import Migration
from rapport_runtime.schema import purging


def create(op: Migration) -> None:
    """Create both tables and the view over them, under row-level security.

    A practice's keys see its own letters, an operator's those that nobody could decode. A letter
    goes from one table to the other and from neither: a trigger refuses to delete it from one
    where it is not in the other, for every role but the purge's, which only sees what was dealt
    with.
    """
    for statement in _CREATE:
        op.execute(statement)
    purging.by_month(op, "decided_letter")


def drop(op: Migration) -> None:
    """Undo `create`."""
    for statement in _DROP:
        op.execute(statement)


_RECORD = """
        consumer_group text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL,
        topic_id text,
        record_offset bigint NOT NULL,
        sealed_key bytea,
        sealed_value bytea,
        header_names text[] NOT NULL,
        sealed_headers bytea[] NOT NULL,
        record_timestamp bigint NOT NULL,
        practice_id text,
        named_practice text,
        reason text NOT NULL,
        field text,
        detail text NOT NULL,
"""
_COLUMNS = """
        id, consumer_group, topic, partition, topic_id, record_offset, sealed_key, sealed_value,
        header_names, sealed_headers, record_timestamp, practice_id, named_practice, reason, field,
        detail, state, received_at
"""
_VISIBLE = """
        (named_practice = current_setting('rapport.practice_id', true))
        OR (practice_id IS NULL AND current_setting('rapport.operator', true) = 'on')
"""
EVERY_LETTER: Final = f"""
    CREATE VIEW every_letter WITH (security_invoker = true) AS
    SELECT {_COLUMNS}, NULL::timestamp with time zone AS decided_at FROM dead_letter
    UNION ALL
    SELECT {_COLUMNS}, decided_at FROM decided_letter
"""  # noqa: S608 - constants of this file
"""Both tables, for whoever looks: under the policies of the role that asks."""
_CREATE = (
    f"""
    CREATE TABLE dead_letter (
        id bigint GENERATED ALWAYS AS IDENTITY,
        {_RECORD}
        state text DEFAULT 'held' NOT NULL,
        received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        PRIMARY KEY (id),
        UNIQUE NULLS NOT DISTINCT (consumer_group, topic, partition, topic_id, record_offset),
        CHECK (state IN ('held', 'queued'))
    )
    """,
    "CREATE INDEX dead_letter_queued ON dead_letter (topic, partition) WHERE state = 'queued'",
    """
    COMMENT ON TABLE dead_letter IS
        'records that could not be handled and wait for a decision, as they were, sealed'
    """,
    f"""
    CREATE TABLE decided_letter (
        id bigint NOT NULL,
        {_RECORD}
        state text NOT NULL,
        received_at timestamp with time zone NOT NULL,
        decided_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
        PRIMARY KEY (id, decided_at),
        CHECK (state IN ('replayed', 'dropped'))
    ) PARTITION BY RANGE (decided_at)
    """,
    "CREATE INDEX decided_letter_of_practice ON decided_letter (named_practice, id)",
    """
    CREATE INDEX decided_letter_of_record
    ON decided_letter (consumer_group, topic, partition, record_offset)
    """,
    """
    COMMENT ON TABLE decided_letter IS
        'dead letters that were replayed or dropped, by the month of the decision; they have a term'
    """,
    EVERY_LETTER,
    """
    CREATE FUNCTION letter_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF acts_as_purge() THEN RETURN NULL; END IF;
        IF NOT EXISTS (SELECT FROM every_letter WHERE id = old.id) THEN
            RAISE EXCEPTION 'a dead letter moves, it is not deleted'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER kept AFTER DELETE ON dead_letter
    FOR EACH ROW EXECUTE FUNCTION letter_is_kept()
    """,
    """
    CREATE TRIGGER kept AFTER DELETE ON decided_letter
    FOR EACH ROW EXECUTE FUNCTION letter_is_kept()
    """,
    "REVOKE ALL ON dead_letter, decided_letter, every_letter FROM rapport_worker, rapport_api",
    """
    GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter, decided_letter
    TO rapport_worker
    """,
    "GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter TO rapport_api",
    "GRANT SELECT, INSERT, DELETE ON decided_letter TO rapport_api",
    "GRANT SELECT ON every_letter TO rapport_worker, rapport_api",
    *(
        statement
        for table in ("dead_letter", "decided_letter")
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY worker ON {table} TO rapport_worker USING (true)",
            f"CREATE POLICY api ON {table} TO rapport_api"
            f" USING ({_VISIBLE}) WITH CHECK ({_VISIBLE})",
        )
    ),
    "GRANT SELECT (id, decided_at), DELETE ON decided_letter TO rapport_purge",
    "CREATE POLICY purge_sees ON decided_letter FOR SELECT TO rapport_purge USING (true)",
    "CREATE POLICY purge_removes ON decided_letter FOR DELETE TO rapport_purge USING (true)",
)
_DROP = (
    "DROP VIEW every_letter",
    "DROP TABLE dead_letter, decided_letter",
    "DROP FUNCTION letter_is_kept",
)
