"""What is to be published, written in the transaction that caused it."""

from collections.abc import Sequence

import sqlalchemy as sa

from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import driver, execute

OutboxRow = tuple[int, str, int, bytes, bytes]
"""As the relay reads it: id, topic, partition, key, value."""

COPY_FROM_ROWS = 64
"""From here on COPY is cheaper than one INSERT over arrays; below, it costs a round trip more."""

_INSERT = """
    INSERT INTO outbox (topic, partition, key, value)
    SELECT * FROM unnest(%b::text[], %b::int[], %b::bytea[], %b::bytea[])
"""


def append(tx: sa.Connection, rows: Sequence[Outgoing]) -> None:
    """Add rows in the given order, which is the order per partition in which they are published."""
    if not rows:
        return
    if len(rows) < COPY_FROM_ROWS:
        execute(tx, _INSERT, [list(column) for column in zip(*rows, strict=True)])
        return
    with (
        driver(tx).cursor() as cursor,
        cursor.copy(
            "COPY outbox (topic, partition, key, value) FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["text", "int4", "bytea", "bytea"])
        for row in rows:
            copy.write_row(row)
