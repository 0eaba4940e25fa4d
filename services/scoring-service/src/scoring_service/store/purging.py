"""How scoring's rows go that have outlived their term: the feed, from its beginning (ADR 19)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from rapport_runtime.database import Database, fetch
from rapport_runtime.retention.own import RUNTIME_WAYS
from rapport_runtime.retention.ways import COUNT_UP_TO, Way

PLACES = 100
"""So many partitions of practices are looked at in a page."""

ROWS_OF_PLACE = 100
"""So many of each go in a page at most."""

# The next places after one, each found by a step in the key's index: nothing reads the whole feed.
_PLACES: Final = """
    WITH RECURSIVE place AS (
        (SELECT practice_id, bucket FROM feed
         WHERE (practice_id, bucket) > (%(practice_id)s, %(bucket)s)
         ORDER BY practice_id, bucket LIMIT 1)
        UNION ALL
        SELECT next.practice_id, next.bucket FROM place, LATERAL (
            SELECT practice_id, bucket FROM feed f
            WHERE (f.practice_id, f.bucket) > (place.practice_id, place.bucket)
            ORDER BY f.practice_id, f.bucket LIMIT 1
        ) AS next
    ), page AS (SELECT * FROM place LIMIT %(places)s)
"""
# Of each place the beginning, up to the first row that is not old, or the last row of all: places
# are given out in the order of time, and should a clock once have gone back, no gap comes of it.
_OLD: Final = f"""{_PLACES}, beginning AS (
        SELECT page.practice_id, page.bucket, first.position,
            bool_and(first.published_at < %(before)s)
                OVER (PARTITION BY page.practice_id, page.bucket ORDER BY first.position) AS is_old
        FROM page, LATERAL (
            SELECT position, published_at FROM feed f
            WHERE f.practice_id = page.practice_id AND f.bucket = page.bucket
              AND f.position < (
                  SELECT position FROM feed last
                  WHERE last.practice_id = page.practice_id AND last.bucket = page.bucket
                  ORDER BY position DESC LIMIT 1)
            ORDER BY position LIMIT %(rows)s
        ) AS first
    ), old AS (SELECT practice_id, bucket, position FROM beginning WHERE is_old)
"""
_COUNT: Final = f"""{_OLD}
    SELECT page.practice_id, page.bucket, count(old.position) AS rows
    FROM page LEFT JOIN old USING (practice_id, bucket)
    GROUP BY page.practice_id, page.bucket ORDER BY page.practice_id, page.bucket
"""
_REMOVE: Final = f"""{_OLD}, removed AS (
        DELETE FROM feed USING old
        WHERE feed.practice_id = old.practice_id AND feed.bucket = old.bucket
          AND feed.position = old.position
        RETURNING feed.practice_id, feed.bucket
    )
    SELECT page.practice_id, page.bucket, count(removed.bucket) AS rows
    FROM page LEFT JOIN removed USING (practice_id, bucket)
    GROUP BY page.practice_id, page.bucket ORDER BY page.practice_id, page.bucket
"""
_FIRSTS: Final = f"""{_PLACES}
    SELECT page.practice_id, page.bucket, (
        SELECT published_at FROM feed f
        WHERE f.practice_id = page.practice_id AND f.bucket = page.bucket
        ORDER BY f.position LIMIT 1) AS published_at
    FROM page ORDER BY page.practice_id, page.bucket
"""
_START: Final = {"practice_id": "", "bucket": -1}


class OldFeed:
    """A `Way` for the feed: each practice's partition loses its beginning, and keeps its last row,
    from which the next position is counted."""

    def due(self, database: Database, before: datetime) -> int:
        """See `Way.due`."""
        count = 0
        for rows in self._walk(database, _COUNT, before=before, rows=COUNT_UP_TO):
            count += sum(row.rows for row in rows)
            if count >= COUNT_UP_TO:
                break
        return min(count, COUNT_UP_TO)

    def pages(self, database: Database, before: datetime) -> Iterator[int]:
        """See `Way.pages`. A page is taken again while any of its places may have more to give."""
        after, limits = _START, {"before": before, "rows": ROWS_OF_PLACE, "places": PLACES}
        while True:
            with database.transaction() as tx:
                places = fetch(tx, _REMOVE, {**after, **limits})
            if not places:
                return
            yield sum(place.rows for place in places)
            if all(place.rows < ROWS_OF_PLACE for place in places):
                after = _key(places[-1])

    def oldest(self, database: Database) -> datetime | None:
        """See `Way.oldest`."""
        firsts = (row.published_at for rows in self._walk(database, _FIRSTS) for row in rows)
        return min(firsts, default=None)

    def _walk(self, database: Database, statement: str, **more: Any) -> Iterator[list[Any]]:
        """The rows of a reading statement, page after page, each in a transaction of its own."""
        after = _START
        while True:
            with database.transaction() as tx:
                rows = fetch(tx, statement, {**after, **more, "places": PLACES})
            if not rows:
                return
            yield rows
            after = _key(rows[-1])


def _key(row: Any) -> dict[str, Any]:
    return {"practice_id": row.practice_id, "bucket": row.bucket}


WAYS: Mapping[str, Way] = MappingProxyType({**RUNTIME_WAYS, "feed": OldFeed()})
