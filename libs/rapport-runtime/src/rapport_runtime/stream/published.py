"""The ids of the events that were published and left the outbox, by drain and partition (ADR 28).

They are kept for 48 hours by the database's clock. The newest row of a partition is kept for ever,
and with it those of the minutes before: a late copy of an older event may end the topic.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, chain
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import execute, fetch, fetch_value

PRUNED_ROWS = 5_000
"""At most so many rows of a partition are removed at a time."""

NEWEST_ROWS = 20_000
"""The end of a topic is looked for in so many of a partition's newest rows: an event stands there
that was published last, or that an earlier try wrote half a minute late."""

# An array of arrays cannot be ragged: all ids travel in one array, each place with its part of it.
_KEEP = """
    INSERT INTO published_events (topic, partition, ids)
    SELECT topic, partition, (%(ids)b::text[])[first_id:last_id]
    FROM unnest(%(topics)b::text[], %(partitions)b::int[], %(firsts)b::int[], %(lasts)b::int[])
        AS removed(topic, partition, first_id, last_id)
"""
_PRUNE = """
    DELETE FROM published_events kept USING (
        SELECT oldest.topic, oldest.partition, oldest.id
        FROM unnest(%(topics)b::text[], %(partitions)b::int[]) AS place(topic, partition),
        LATERAL (
            SELECT at FROM published_events
            WHERE topic = place.topic AND partition = place.partition ORDER BY id DESC LIMIT 1
        ) AS newest,
        LATERAL (
            SELECT topic, partition, id, at FROM published_events
            WHERE topic = place.topic AND partition = place.partition
            ORDER BY id LIMIT %(limit)s
        ) AS oldest
        WHERE oldest.at < clock_timestamp() - interval '48 hours'
          AND oldest.at < newest.at - interval '15 minutes'
    ) AS expired
    WHERE kept.topic = expired.topic AND kept.partition = expired.partition
      AND kept.id = expired.id
"""
_NEWEST = """
    SELECT partition, (
        SELECT ids[cardinality(ids)] FROM published_events
        WHERE topic = %(topic)s AND partition = wanted.partition ORDER BY id DESC LIMIT 1
    ) AS event_id
    FROM unnest(%(partitions)b::int[]) AS wanted(partition)
"""
# Newest first: an event at the end of a topic is nearly always in the newest row. The look back has
# a limit, or a busy partition would make the answer "unknown" take minutes. One statement, so one
# snapshot: meanwhile a relay may move an event from the outbox to the kept ids.
_UNKNOWN = """
    SELECT number::int - 1 AS place
    FROM unnest(%(topics)b::text[], %(partitions)b::int[], %(ids)b::text[], %(values)b::bytea[])
        WITH ORDINALITY AS wanted(topic, partition, event_id, value, number)
    WHERE NOT coalesce((
        SELECT true FROM (
            SELECT ids FROM published_events
            WHERE topic = wanted.topic AND partition = wanted.partition
            ORDER BY id DESC LIMIT %(limit)s
        ) AS kept
        WHERE wanted.event_id = ANY(kept.ids) LIMIT 1
    ), false) AND NOT EXISTS (
        SELECT FROM outbox
        WHERE outbox.topic = wanted.topic AND outbox.partition = wanted.partition
          AND outbox.value = wanted.value
    )
    ORDER BY number
"""
_KEPT = """
    SELECT event_id FROM unnest(%(ids)b::text[]) AS wanted(event_id)
    WHERE event_id IN (
        SELECT unnest(newest.ids) FROM (
            SELECT ids FROM published_events
            WHERE topic = %(topic)s AND partition = %(partition)s
            ORDER BY id DESC LIMIT %(limit)s
        ) AS newest
    )
"""
_WRITTEN = """
    SELECT wanted.topic, wanted.partition
    FROM unnest(%(topics)b::text[], %(partitions)b::int[]) AS wanted(topic, partition)
    WHERE EXISTS (SELECT FROM published_events kept
                  WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition)
"""
_FORGET = """
    DELETE FROM published_events kept
    USING unnest(%(topics)b::text[], %(partitions)b::int[]) AS place(topic, partition)
    WHERE kept.topic = place.topic AND kept.partition = place.partition
"""
_LAST_AT = """
    SELECT max(newest.at) FROM unnest(%(topics)b::text[], %(partitions)b::int[])
        AS wanted(topic, partition),
    LATERAL (
        SELECT at FROM published_events
        WHERE topic = wanted.topic AND partition = wanted.partition ORDER BY id DESC LIMIT 1
    ) AS newest
"""


class PublishedEvent(NamedTuple):
    """An event that a topic holds. `value` is its record's; None when only its id is known, from a
    watermark behind it."""

    place: TopicPartition
    event_id: str
    value: bytes | None


def keep(tx: Connection, ids: Mapping[TopicPartition, Sequence[str]]) -> None:
    """Keep the ids of the events that were published to each place, in the order of publication."""
    topics, partitions = _columns(ids)
    lasts = list(accumulate(map(len, ids.values())))
    parameters = {
        "topics": topics,
        "partitions": partitions,
        "firsts": [last - len(own) + 1 for last, own in zip(lasts, ids.values(), strict=True)],
        "lasts": lasts,
        "ids": list(chain.from_iterable(ids.values())),
    }
    execute(tx, _KEEP, parameters)


def prune(tx: Connection, places: Collection[TopicPartition]) -> None:
    """Remove the oldest rows of these places that have expired, a limited number."""
    topics, partitions = _columns(places)
    execute(tx, _PRUNE, {"topics": topics, "partitions": partitions, "limit": PRUNED_ROWS})


def newest(tx: Connection, topic: str, partitions: Iterable[int]) -> Mapping[int, str | None]:
    """The id of the event that was published last on each partition of the topic; None where none
    ever was."""
    rows = fetch(tx, _NEWEST, {"topic": topic, "partitions": list(partitions)})
    return {row.partition: row.event_id for row in rows}


def unknown(tx: Connection, events: Sequence[PublishedEvent]) -> list[PublishedEvent]:
    """Those of the events that this database has not published: they are neither among the kept
    ids nor in the outbox. An outbox row must be the record to the byte: an event accepted anew
    may have the same id."""
    topics, partitions = _columns(event.place for event in events)
    parameters = {
        "topics": topics,
        "partitions": partitions,
        "ids": [event.event_id for event in events],
        "values": [event.value for event in events],
        "limit": NEWEST_ROWS,
    }
    return [events[row.place] for row in fetch(tx, _UNKNOWN, parameters)]


def kept(tx: Connection, place: TopicPartition, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are among the newest kept ids of one place; for many at a time."""
    parameters = {**place._asdict(), "ids": ids, "limit": NEWEST_ROWS}
    return {row.event_id for row in fetch(tx, _KEPT, parameters)}


def written(tx: Connection, places: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Those of the places to which events were ever published."""
    topics, partitions = _columns(places)
    rows = fetch(tx, _WRITTEN, {"topics": topics, "partitions": partitions})
    return [TopicPartition(row.topic, row.partition) for row in rows]


def forget(tx: Connection, places: Iterable[TopicPartition]) -> None:
    """Remove all kept ids of these places, as if nothing had been published there."""
    topics, partitions = _columns(places)
    execute(tx, _FORGET, {"topics": topics, "partitions": partitions})


def last_at(tx: Connection, places: Iterable[TopicPartition]) -> datetime | None:
    """When events left the outbox for any of these places last, by the database's clock."""
    topics, partitions = _columns(places)
    parameters = {"topics": topics, "partitions": partitions}
    instant: datetime | None = fetch_value(tx, _LAST_AT, parameters)
    return instant


def _columns(places: Iterable[TopicPartition]) -> tuple[list[str], list[int]]:
    pairs = list(places)
    return [place.topic for place in pairs], [place.partition for place in pairs]
