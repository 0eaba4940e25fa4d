"""What is to be published, written in the transaction that caused it."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.database import driver, execute, fetch


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
_PLACES = "SELECT DISTINCT topic, partition FROM outbox"
_WAITING = """
    SELECT id, value FROM outbox
    WHERE topic = %(topic)s AND partition = %(partition)s
      AND value IN (SELECT unnest(%(values)b::bytea[]))
"""
# All incarnations are of one length. Within a JSON text the quotation marks would be escaped, so
# the first place that reads so is the event's own attribute.
_STAMP_ANEW = """
    UPDATE outbox SET value = overlay(value PLACING %(drawn)b FROM position(%(before)b IN value))
    WHERE position(%(before)b IN value) > 0 AND id <> ALL(%(published)b::bigint[])
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


def places(tx: Connection) -> set[TopicPartition]:
    """The partitions for which rows wait."""
    return {TopicPartition(row.topic, row.partition) for row in fetch(tx, _PLACES)}


def waiting(
    tx: Connection, place: TopicPartition, values: Sequence[bytes | None]
) -> Mapping[bytes, int]:
    """The rows of one place that hold one of these values, as value and row's id."""
    rows = fetch(tx, _WAITING, {**place._asdict(), "values": values})
    return {row.value: row.id for row in rows}


def stamp_anew(tx: Connection, before: str, drawn: str, published: Collection[int]) -> None:
    """Give the rows the incarnation `drawn` instead of `before`, except those with the ids
    `published`: what they hold stands in a topic already, and is published again as it is."""
    parameters = {
        "before": f'"incarnation":"{before}"'.encode(),
        "drawn": f'"incarnation":"{drawn}"'.encode(),
        "published": list(published),
    }
    execute(tx, _STAMP_ANEW, parameters)
