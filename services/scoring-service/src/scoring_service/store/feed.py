"""The feed: published tier changes, numbered when the bus had acknowledged them (ADR 19)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from rapport_runtime.database import Database, execute, fetch, fetch_one
from rapport_runtime.ops import incarnation
from rapport_runtime.stream.outbox import OutboxRow
from scoring_service.ports import EntriesGone, Feed, FeedEntry, FeedPage, FeedPositions
from scoring_service.store.holds import KEEPS_TIERS

# The column `bucket` of the table holds the partition; the statements call it so from there on.
# Each practice's part of a partition goes on from its last position, in the order of the outbox.
# The events are copied from the outbox, where they still are: they need not travel once more, nor
# be sorted. Each part's last position is looked up once (MATERIALIZED): a look for each change
# steps over all that this statement has added before it, and 10,000 changes take 30 s.
_APPEND = """
    WITH published AS (
        SELECT * FROM unnest(%(ids)b::bigint[], %(practice_ids)b::text[], %(partitions)b::int[])
            AS published(id, practice_id, partition)
    ), head AS MATERIALIZED (
        SELECT practice_id, partition, coalesce(
            (SELECT f.position FROM feed f
             WHERE f.practice_id = place.practice_id AND f.bucket = place.partition
             ORDER BY f.position DESC LIMIT 1), 0) AS position
        FROM (SELECT DISTINCT practice_id, partition FROM published) AS place
    ), numbered AS (
        SELECT id, practice_id, partition, head.position
            + row_number() OVER (PARTITION BY practice_id, partition ORDER BY id) AS position
        FROM published JOIN head USING (practice_id, partition)
    )
    INSERT INTO feed (practice_id, bucket, position, event)
    SELECT practice_id, numbered.partition, position, value
    FROM numbered JOIN outbox USING (id)
"""
# What is there: the watermark that all partitions have reached, no later than the beginning of a
# hold of the practice, or the end of one that kept tiers; and of each partition the first position
# after the one that was seen and the last one, null where nothing follows.
_FOLLOWING = f"""
    SELECT
        (SELECT least(min(published_through),
                      (SELECT min(CASE WHEN {KEEPS_TIERS} THEN ended_at ELSE began_at END)
                       FROM practice_hold h WHERE h.practice_id = %(practice_id)s))
         FROM outbox_watermark HAVING count(*) = %(partitions)s)
            AS published_through,
        ARRAY(
            SELECT (
                SELECT f.position FROM feed f
                WHERE f.practice_id = %(practice_id)s AND f.bucket = (seen.number - 1)::int
                  AND f.position > seen.position
                ORDER BY f.position LIMIT 1
            )
            FROM unnest(%(after)s::bigint[]) WITH ORDINALITY AS seen(position, number)
            ORDER BY seen.number
        ) AS positions,
        ARRAY(
            SELECT (
                SELECT f.position FROM feed f
                WHERE f.practice_id = %(practice_id)s AND f.bucket = (seen.number - 1)::int
                  AND f.position > seen.position
                ORDER BY f.position DESC LIMIT 1
            )
            FROM unnest(%(after)s::bigint[]) WITH ORDINALITY AS seen(position, number)
            ORDER BY seen.number
        ) AS heads
"""
# The next entry of each partition comes first, then the second of each: partition after partition
# would let a busy one keep the rest waiting. Positions are gapless, so the statement names the rows
# that it wants: a reader that is far behind does not pay for all rows ahead of it, whatever plan
# Postgres chooses; `depth` is how many of each partition fill the page. The inner LIMIT keeps
# Postgres from joining the other way round.
_PAGE = """
    SELECT f.bucket AS partition, f.position, f.event
    FROM unnest(%(following)s::bigint[]) WITH ORDINALITY AS next(position, number)
    CROSS JOIN LATERAL (
        SELECT bucket, position, event FROM feed
        WHERE practice_id = %(practice_id)s AND bucket = (next.number - 1)::int
          AND position >= next.position AND position < next.position + %(depth)s
        LIMIT %(depth)s
    ) AS f
    ORDER BY f.position - next.position, f.bucket LIMIT %(limit)s
"""
_START = """
    SELECT coalesce(
        (SELECT position - 1 FROM feed WHERE practice_id = %(practice_id)s AND bucket = partition
         ORDER BY position LIMIT 1), 0) AS position
    FROM generate_series(0, %(partitions)s - 1) AS partition ORDER BY partition
"""
_HEAD = """
    SELECT coalesce(
        (SELECT position FROM feed WHERE practice_id = %(practice_id)s AND bucket = partition
         ORDER BY position DESC LIMIT 1), 0) AS position
    FROM generate_series(0, %(partitions)s - 1) AS partition ORDER BY partition
"""


class FeedWriter:
    """Gives each published change the next position of its practice and partition.

    The relay calls it in the transaction that removes the rows from the outbox, under the locks of
    their partitions: a change that is published again after a crash is numbered once. Rows of
    other topics are left alone. `practice_of` reads the practice out of an event.
    """

    def __init__(self, topic: str, practice_of: Callable[[bytes], str]) -> None:
        self._topic = topic
        self._practice_of = practice_of

    def append(self, tx: sa.Connection, rows: Sequence[OutboxRow]) -> None:
        """Number `rows`, which are in the order of their publication."""
        ids, practice_ids, partitions = [], [], []
        for row_id, topic, partition, _key, value in rows:
            if topic == self._topic:
                ids.append(row_id)
                practice_ids.append(self._practice_of(value))
                partitions.append(partition)
        if ids:
            parameters = {"ids": ids, "practice_ids": practice_ids, "partitions": partitions}
            execute(tx, _APPEND, parameters)


class PostgresFeed(Feed):
    """`Feed` from the API's side of row-level security."""

    def __init__(self, database: Database, partitions: int) -> None:
        self._database = database
        self._partitions = partitions

    @property
    def partitions(self) -> int:
        """See `Feed.partitions`."""
        return self._partitions

    def incarnation(self) -> str:
        """See `Feed.incarnation`."""
        with self._database.transaction() as tx:
            return incarnation.current(tx)

    def start(self, practice_id: str) -> FeedPositions:
        """See `Feed.start`."""
        return self._positions(_START, practice_id)

    def head(self, practice_id: str) -> FeedPositions:
        """See `Feed.head`."""
        return self._positions(_HEAD, practice_id)

    def read(self, practice_id: str, after: FeedPositions, limit: int) -> FeedPage:
        """See `Feed.read`."""
        of_practice = {"practice_id": practice_id}
        seen = {"after": list(after), "partitions": self._partitions}
        with self._database.transaction(practice_id) as tx:
            # Before the rows: all that was published before this mark is seen by what follows.
            through, following, heads = fetch_one(tx, _FOLLOWING, of_practice | seen)
            _check_kept(after, following)
            ahead = [
                last - first + 1
                for first, last in zip(following, heads, strict=True)
                if first is not None
            ]
            wanted = {"following": following, "limit": limit, "depth": _depth(ahead, limit)}
            rows = fetch(tx, _PAGE, of_practice | wanted) if ahead else []
        entries = list(_gapless(rows, following))
        is_whole = sum(ahead) <= len(entries) == len(rows) < limit
        return FeedPage(entries, through if is_whole else None)

    def _positions(self, statement: str, practice_id: str) -> FeedPositions:
        parameters = {"practice_id": practice_id, "partitions": self._partitions}
        with self._database.transaction(practice_id) as tx:
            return tuple(row.position for row in fetch(tx, statement, parameters))


def _check_kept(after: FeedPositions, following: Sequence[int | None]) -> None:
    """Raise `EntriesGone` when a partition goes on later than right after the position in it.

    A position is given out under the partition's lock and committed before the next one: a row
    whose predecessor is not there means that the predecessor was removed, and never that it is
    still to come."""
    pairs = list(zip(after, following, strict=True))
    if any(position is not None and position > seen + 1 for seen, position in pairs):
        left = [seen if position is None else position - 1 for seen, position in pairs]
        raise EntriesGone(tuple(left))


def _depth(ahead: Iterable[int], limit: int) -> int:
    """How many entries of each partition fill a page of `limit`, where so many are ahead in each:
    with a limit for each partition a page would cost as many pages as there are partitions."""
    left = sorted(ahead)
    wanted = limit
    for index, count in enumerate(left):
        others = len(left) - index
        if count * others >= wanted:
            return -(-wanted // others)
        wanted -= count
    return limit


def _gapless(rows: Iterable[Any], following: Sequence[int | None]) -> Iterator[FeedEntry]:
    """The rows of each partition up to the first that is missing; the next read tells of it."""
    expected = list(following)
    for row in rows:
        if row.position == expected[row.partition]:
            expected[row.partition] = row.position + 1
            yield FeedEntry(row.partition, row.position, row.event)
