"""What is to be published, written in the transaction that caused it."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import driver, execute


class OutboxRow(NamedTuple):
    """A row as the relay reads it."""

    id: int
    topic: str
    partition: int
    key: bytes
    value: bytes


COPY_FROM_ROWS = 64
"""From here on COPY is cheaper than one INSERT over arrays; below, it costs a round trip more."""

_INSERT = """
    INSERT INTO outbox (topic, partition, key, value)
    SELECT * FROM unnest(%(topics)b::text[], %(partitions)b::int[], %(keys)b::bytea[],
                         %(values)b::bytea[])
"""


def append(tx: Connection, rows: Sequence[Outgoing]) -> None:
    """Add rows. Those of one partition are published in the order in which they were added."""
    if not rows:
        return
    if len(rows) < COPY_FROM_ROWS:
        topics, partitions, keys, values = map(list, zip(*rows, strict=True))
        parameters = {"topics": topics, "partitions": partitions, "keys": keys, "values": values}
        execute(tx, _INSERT, parameters)
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
