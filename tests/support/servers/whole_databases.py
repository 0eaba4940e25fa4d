"""All that a database holds, cell by cell, as text to search in."""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

_TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
    ORDER BY 1, 2
"""


def cells(superuser_url: str) -> Iterator[tuple[str, str]]:
    """Each cell of every table, with the name of its table and column; bytes as the text that they
    would be, so that whatever is not sealed can be found in them."""
    with psycopg.connect(superuser_url) as connection:
        for schema, table in connection.execute(_TABLES).fetchall():
            rows = connection.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
            )
            names = [column.name for column in rows.description or ()]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    yield f"{table}.{name}", _text(value)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
