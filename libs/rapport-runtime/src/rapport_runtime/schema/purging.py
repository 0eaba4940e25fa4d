"""What lets a purge through, and nobody else: who it is, partitions by month, its reports (ADR 29).

`tables_v1` begins with it, so what is said there of released statements holds here, too.
"""

from rapport_runtime.row_security import Migration


def create(op: Migration) -> None:
    """Create the functions, the schema of the partitions and the table of reports."""
    for statement in _CREATE:
        op.execute(statement)


def drop(op: Migration) -> None:
    """Undo `create`."""
    for statement in _DROP:
        op.execute(statement)


def by_month(op: Migration, table: str) -> None:
    """Make the partitions of `table`, which is `PARTITION BY RANGE` of an instant: the DEFAULT one,
    this month's and those of three months ahead. Call it when its triggers are there."""
    op.execute(f"SELECT make_partitions('{table}', 3)")


# A superuser passes for a member of every role (pg_has_role), and may not remove anything here:
# only what was granted counts.
_ACTS_AS_PURGE = """
    CREATE FUNCTION acts_as_purge() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
        SELECT current_user = 'rapport_purge' OR EXISTS (
            SELECT FROM pg_auth_members
            WHERE roleid = 'rapport_purge'::regrole AND member = current_user::regrole)
    $$
"""
# A partition is reached through its parent alone: nobody else may enter the schema, and what
# default privileges gave is taken back. Row triggers come with the parent, those of TRUNCATE do
# not.
_MAKE_PARTITION = """
    CREATE FUNCTION make_partition(parent text, name text, bounds text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    DECLARE trigger record;
    BEGIN
        EXECUTE format(
            'CREATE TABLE partitions.%I PARTITION OF public.%I %s', name, parent, bounds);
        EXECUTE format(
            'REVOKE ALL ON partitions.%I FROM rapport_worker, rapport_api, rapport_purge', name);
        EXECUTE format('ALTER TABLE partitions.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE partitions.%I FORCE ROW LEVEL SECURITY', name);
        FOR trigger IN
            SELECT tgname, tgfoid::regproc AS function FROM pg_trigger
            WHERE tgrelid = format('public.%I', parent)::regclass
              AND NOT tgisinternal AND (tgtype & 32) <> 0
        LOOP
            EXECUTE format(
                'CREATE TRIGGER %I BEFORE TRUNCATE ON partitions.%I EXECUTE FUNCTION %s()',
                trigger.tgname, name, trigger.function);
        END LOOP;
    END
    $$
"""
# A month whose rows are already in the DEFAULT partition stays there (23514).
_MAKE_PARTITIONS = """
    CREATE FUNCTION make_partitions(parent text, ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    AS $$
    DECLARE
        made integer := 0;
        month timestamptz;
        name text;
    BEGIN
        IF to_regclass(format('partitions.%I', parent || '_default')) IS NULL THEN
            PERFORM public.make_partition(parent, parent || '_default', 'DEFAULT');
        END IF;
        FOR month IN
            SELECT date_trunc('month', now()) + make_interval(months => number)
            FROM generate_series(0, ahead) AS number
        LOOP
            name := parent || to_char(month, '"_"YYYY"_"MM');
            CONTINUE WHEN to_regclass(format('partitions.%I', name)) IS NOT NULL;
            BEGIN
                PERFORM public.make_partition(parent, name, format(
                    'FOR VALUES FROM (%L) TO (%L)', month, month + interval '1 month'));
                made := made + 1;
            EXCEPTION WHEN check_violation THEN NULL;
            END;
        END LOOP;
        RETURN made;
    END
    $$
"""
_DROP_PARTITION = """
    CREATE FUNCTION drop_partition(parent text, before timestamptz)
    RETURNS TABLE (name text, estimated bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    AS $$
    BEGIN
        SELECT old.name, old.estimated INTO drop_partition.name, drop_partition.estimated
        FROM public.partitions_before(parent, before) AS old ORDER BY old.name LIMIT 1;
        IF FOUND THEN
            EXECUTE format('DROP TABLE partitions.%I', drop_partition.name);
            RETURN NEXT;
        END IF;
    END
    $$
"""
_PARTITIONS_BEFORE = """
    CREATE FUNCTION partitions_before(parent text, before timestamptz)
    RETURNS TABLE (name text, estimated bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
        SELECT relname::text, greatest(reltuples, 0)::bigint
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = format('public.%I', parent)::regclass
          AND to_date(substring(relname FROM '_([0-9]{4}_[0-9]{2})$'), 'YYYY_MM')
              + interval '1 month' <= before
    $$
"""
_CREATE = (
    "CREATE SCHEMA partitions",
    _ACTS_AS_PURGE,
    _MAKE_PARTITION,
    _MAKE_PARTITIONS,
    _PARTITIONS_BEFORE,
    _DROP_PARTITION,
    """
    REVOKE ALL ON FUNCTION make_partition(text, text, text), make_partitions(text, integer),
        drop_partition(text, timestamptz) FROM PUBLIC
    """,
    """
    GRANT EXECUTE ON FUNCTION make_partitions(text, integer), drop_partition(text, timestamptz)
    TO rapport_purge
    """,
    """
    CREATE TABLE purge_run (
        class text NOT NULL,
        finished_at timestamp with time zone,
        rows bigint NOT NULL,
        oldest_left_at timestamp with time zone,
        seconds double precision NOT NULL,
        PRIMARY KEY (class)
    )
    """,
    """
    COMMENT ON TABLE purge_run IS
        'the last purge of each class of retention; without an end there was none yet'
    """,
    "REVOKE ALL ON purge_run FROM rapport_worker, rapport_api",
    "GRANT SELECT ON purge_run TO rapport_worker, rapport_api",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON purge_run TO rapport_purge",
)
_DROP = (
    "DROP TABLE purge_run",
    "DROP FUNCTION drop_partition",
    "DROP FUNCTION partitions_before",
    "DROP FUNCTION make_partitions",
    "DROP FUNCTION make_partition",
    "DROP FUNCTION acts_as_purge",
    "DROP SCHEMA partitions",
)
