"""A service's database whose statistics say that it holds millions, and the plans it then makes."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

ROWS = 5_000_000
SMALL = frozenset(
    {
        *("alembic_version", "api_key", "clock", "consumer_position", "fence", "first_watermark"),
        *("incarnation", "outbox_drained", "outbox_watermark", "partition_zone", "pause", "permit"),
        *(
            "playbook",
            "practice",
            "practice_hold",
            "practice_queue",
            "practice_zone",
            "provider_token",
            "purge_run",
        ),
        *(
            "import_job",
            "parked_count",
            "rebuild",
            "rulebook",
            "source_count",
            "source_secret",
            "source_watch",
            "tier_count",
            "worker",
        ),
    }
)
"""Tables that grow with practices, workers or partitions, not with clients and their history: to
read such a one from end to end is meant."""

_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
_LEAVES = """
    SELECT relnamespace::regnamespace::text, relname FROM pg_class
    WHERE pg_relation_size(oid) > 0 AND (oid = %(table)s::regclass AND relkind = 'r'
       OR oid IN (SELECT relid FROM pg_partition_tree(%(table)s::regclass) WHERE isleaf))
"""
_COLUMNS = """
    SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attidentity <> 'a' AND a.attgenerated = ''
"""
_CHECKS = """
    SELECT conrelid::regclass::text, conname FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conislocal
"""
_SET_ROWS = """
    SELECT pg_restore_relation_stats('schemaname', %s::text, 'relname', %s::text,
                                     'relpages', 1, 'reltuples', %s::real)
"""
_FORGET_VALUES = """
    SELECT pg_clear_attribute_stats(%s, %s, attname, false)
    FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_VALUES: Mapping[str, str] = {
    "bool": "true",
    "bytea": "'\\x00'",
    "date": "current_date",
    "float8": "1",
    "int2": "1",
    "int4": "1",
    "int8": "1",
    "int8multirange": "'{}'",
    "interval": "'1 hour'",
    "jsonb": "'{}'",
    "numeric": "1",
    "text": "'1'",
    "timestamptz": "now()",
}
"""A value of each type, for rows and for a statement's parameters."""
_PARAMETER_TYPES = """
    SELECT unnest(parameter_types)::text FROM pg_prepared_statements WHERE name = 'looked_at'
"""
_SHORT: Mapping[str, str] = {
    "bigint": "int8",
    "boolean": "bool",
    "double precision": "float8",
    "integer": "int4",
    "real": "float8",
    "smallint": "int2",
    "timestamp with time zone": "timestamptz",
}
_PLACEHOLDER = re.compile(r"%%|%\((\w+)\)[bst]")
_HOW_MANY = frozenset({"limit", "most", "known", "depth", "rows"})
_STREAMING = frozenset(
    {"Append", "LockRows", "Merge Append", "Nested Loop", "ProjectSet", "Result", "Subquery Scan"}
    | {"Unique", "WindowAgg"}
)
"""Nodes that hand rows on one by one, and so end when a LIMIT above them has enough."""


class Scan(NamedTuple):
    """A look at a table: the plan's node, by what index conditions it is narrowed and what is then
    thrown away, and how many rows the planner awaits. `is_limited`: it ends at a LIMIT."""

    node: str
    table: str
    condition: str
    filter: str
    rows: int
    is_limited: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing narrows it: neither a condition, nor a LIMIT on rows none of which is
        thrown away."""
        return not self.condition and (bool(self.filter) or not self.is_limited)


@contextmanager
def big_tables(url: str, without_index: str | None = None) -> Iterator[frozenset[str]]:
    """Let the planner think that each table that is not `SMALL` has `ROWS` rows.

    Each has a page with a row, since the planner multiplies the rows of a page by the pages that
    there are. Nothing is known of the values in it. Gives these tables' names; of a table in parts
    that of the part with the row.
    """
    with psycopg.connect(url, autocommit=True) as superuser:
        grown: set[str] = set()
        superuser.execute("SET session_replication_role = replica")
        for relation, name in superuser.execute(_CHECKS).fetchall():
            superuser.execute(f'ALTER TABLE {relation} DROP CONSTRAINT "{name}"'.encode())
        if without_index is not None:
            superuser.execute(f"DROP INDEX {without_index}".encode())
        for (table,) in superuser.execute(_TABLES).fetchall():
            if table not in SMALL:
                grown |= _grow(superuser, table)
        yield frozenset(grown)


def _grow(superuser: psycopg.Connection[Any], table: str) -> set[str]:
    columns = superuser.execute(_COLUMNS, [table]).fetchall()
    values = ", ".join(_value(kind) for _, kind in columns)
    names = ", ".join(f'"{name}"' for name, _ in columns)
    row = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608 - from the catalogue
    superuser.execute(row.encode())
    leaves = superuser.execute(_LEAVES, {"table": table}).fetchall()
    for schema, name in leaves:
        leaf = f"{schema}.{name}"
        superuser.execute(f"ALTER TABLE {leaf} SET (autovacuum_enabled = false)".encode())
        superuser.execute(f"ANALYZE {leaf}".encode())
        superuser.execute(_SET_ROWS, [schema, name, ROWS])
        superuser.execute(_FORGET_VALUES, [schema, name, leaf])
    return {name for _, name in leaves}


def _value(kind: str) -> str:
    if kind.startswith("_"):
        return f"ARRAY[{_value(kind[1:])}]"
    return f"{_VALUES[kind]}::{kind}"


def plan(connection: psycopg.Connection[Any], text: str) -> Mapping[str, Any]:
    """The plan of a statement of ours for one value of each parameter, by the connection's role.

    Raises psycopg.Error: InsufficientPrivilege for one that is not this role's.
    """
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    connection.execute(f"PREPARE looked_at AS {_PLACEHOLDER.sub(numbered, text)}".encode())
    try:
        types = connection.execute(_PARAMETER_TYPES).fetchall()
        given = ", ".join(_given(name, kind) for name, (kind,) in zip(names, types, strict=True))
        call = f"EXPLAIN (FORMAT json) EXECUTE looked_at{f'({given})' if given else ''}"
        ((answer,),) = connection.execute(call.encode()).fetchall()
    finally:
        connection.execute("DEALLOCATE looked_at")
    return dict(answer[0]["Plan"])


def _given(name: str, kind: str) -> str:
    """A value for a parameter: of an array three elements, of a number of rows 100."""
    if kind.endswith("[]"):
        return f"ARRAY[{', '.join([_given(name, kind[:-2])] * 3)}]::{kind}"
    if name in _HOW_MANY:
        return "100"
    return f"{_VALUES[_SHORT.get(kind, kind)]}::{kind}"


def scans(node: Mapping[str, Any], *, limited: bool = False) -> Iterator[Scan]:
    """Every look at a table in a plan."""
    kind = node["Node Type"]
    if "Relation Name" in node and kind != "ModifyTable":
        condition = node.get("Index Cond") or node.get("Recheck Cond") or node.get("TID Cond")
        yield Scan(
            kind,
            node["Relation Name"],
            condition or "",
            node.get("Filter", ""),
            node["Plan Rows"],
            limited,
        )
    below = kind == "Limit" or (limited and kind in _STREAMING)
    for child in node.get("Plans", ()):
        yield from scans(child, limited=below)
