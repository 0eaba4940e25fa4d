"""The feed: published tier changes, numbered when the bus had acknowledged them (ADR 19)."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from rapport_runtime.database import Database, execute
from rapport_runtime.stream.outbox import OutboxRow
from scoring_service.ports import Feed, FeedEntry, FeedPage, FeedPositions

# Each place goes on from its head, in the order of the outbox. The events are copied from there,
# where they still are: they need not travel once more, nor be sorted.
# The column `bucket` holds the partition: columns keep their names.
_APPEND = """
    WITH told AS (
        SELECT * FROM unnest(%b::bigint[], %b::text[], %b::int[]) AS told(id, practice_id, bucket)
    ), head AS (
        SELECT practice_id, bucket, coalesce(
            (SELECT f.position FROM feed f
             WHERE f.practice_id = place.practice_id AND f.bucket = place.bucket
             ORDER BY f.position DESC LIMIT 1), 0) AS position
        FROM (SELECT DISTINCT practice_id, bucket FROM told) AS place
    ), numbered AS (
        SELECT id, practice_id, bucket, head.position
            + row_number() OVER (PARTITION BY practice_id, bucket ORDER BY id) AS position
        FROM told JOIN head USING (practice_id, bucket)
    )
    INSERT INTO feed (practice_id, bucket, position, event)
    SELECT practice_id, bucket, position, value FROM numbered JOIN outbox USING (id)
"""
_COMPLETE = sa.text("""
    SELECT min(published_through) FROM outbox_watermark HAVING count(*) = :partitions
""")
# One partition after the other would let a busy one keep the rest waiting: the next of each comes
# first, then the second of each. Positions are gapless, so that the rows wanted can be named: who
# is far behind does not pay for all that is ahead, whatever the planner believes. The inner LIMIT
# keeps it from joining the other way round.
_PAGE = sa.text("""
    SELECT f.bucket, f.position, f.event
    FROM unnest(CAST(:after AS bigint[])) WITH ORDINALITY AS reached(position, number)
    CROSS JOIN LATERAL (
        SELECT bucket, position, event FROM feed
        WHERE practice_id = :practice_id AND bucket = CAST(reached.number - 1 AS int)
          AND position > reached.position AND position <= reached.position + :limit
        LIMIT :limit
    ) AS f
    ORDER BY f.position - reached.position, f.bucket LIMIT :limit
""")
_HEAD = sa.text("""
    SELECT coalesce(
        (SELECT position FROM feed WHERE practice_id = :practice_id AND bucket = each
         ORDER BY position DESC LIMIT 1), 0)
    FROM generate_series(0, :partitions - 1) AS each ORDER BY each
""")


class FeedWriter:
    """Gives each published change the next position of its practice and partition.

    For the relay to call, in the transaction that removes the rows from the outbox and under
    their partitions' locks: one that is published again after a crash is numbered once. Rows of
    other topics are left alone. `practice_of` reads the practice out of an event.
    """

    def __init__(self, topic: str, practice_of: Callable[[bytes], str]) -> None:
        self._topic = topic
        self._practice_of = practice_of

    def append(self, tx: sa.Connection, rows: Sequence[OutboxRow]) -> None:
        """Number `rows`, which are in the order of their publication."""
        told = [
            (number, self._practice_of(value), partition)
            for number, topic, partition, _key, value in rows
            if topic == self._topic
        ]
        if told:
            execute(tx, _APPEND, [list(column) for column in zip(*told, strict=True)])


class PostgresFeed(Feed):
    """`Feed` from the API's side of row-level security."""

    def __init__(self, database: Database, partitions: int) -> None:
        self._database = database
        self._partitions = partitions

    @property
    def partitions(self) -> int:
        """See `Feed.partitions`."""
        return self._partitions

    def head(self, practice_id: str) -> FeedPositions:
        """See `Feed.head`."""
        asked = {"practice_id": practice_id, "partitions": self._partitions}
        with self._database.transaction(practice_id) as tx:
            return tuple(tx.execute(_HEAD, asked).scalars())

    def read(self, practice_id: str, after: FeedPositions, limit: int) -> FeedPage:
        """See `Feed.read`."""
        asked = {"practice_id": practice_id, "after": list(after), "limit": limit}
        with self._database.transaction(practice_id) as tx:
            # Before the rows: all that was published before this mark is seen by what follows.
            complete = tx.execute(_COMPLETE, {"partitions": self._partitions}).scalar()
            rows = tx.execute(_PAGE, asked).fetchall()
        entries = [FeedEntry(row.bucket, row.position, bytes(row.event)) for row in rows]
        return FeedPage(entries, complete if len(entries) < limit else None)
