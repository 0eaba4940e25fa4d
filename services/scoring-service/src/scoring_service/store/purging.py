"""How scoring's rows go that have outlived their term: the feed, from its beginning (ADR 19)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from rapport_runtime.database import Database, execute_many, fetch
from rapport_runtime.retention.own import RUNTIME_WAYS
from rapport_runtime.retention.ways import PAGE_ROWS, Due, Way

PLACES = 100
"""So many partitions of practices are looked at in a page."""

ROWS_OF_PLACE = 100
"""So many of each go at most, before one has pages of its own."""

COUNTED_OF_PLACE = 1_000
"""So many of each are counted at most."""

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
# Of each place what is old at its beginning, up to the first row that is not, and never its last
# row: places are given out in the order of time, and should a clock once have gone back, no gap
# comes of it.
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
    ), old AS (
        SELECT practice_id, bucket, max(position) AS up_to, count(*) AS rows
        FROM beginning WHERE is_old GROUP BY practice_id, bucket
    )
    SELECT page.practice_id, page.bucket, old.up_to, coalesce(old.rows, 0) AS rows
    FROM page LEFT JOIN old USING (practice_id, bucket)
    ORDER BY page.practice_id, page.bucket
"""
# A place at a time: so it is the key's index that finds the rows, whatever the statistics say.
_REMOVE: Final = """
    DELETE FROM feed
    WHERE practice_id = %(practice_id)s AND bucket = %(bucket)s AND position <= %(up_to)s
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

    def due(self, database: Database, before: datetime) -> Due:
        """See `Way.due`; of each place no more are counted than a dry run can bear."""
        count, is_whole = 0, True
        for places in self._walk(database, _OLD, before=before, rows=COUNTED_OF_PLACE):
            count += sum(place.rows for place in places)
            is_whole &= all(place.rows < COUNTED_OF_PLACE for place in places)
        return Due(count, is_whole)

    def pages(self, database: Database, before: datetime) -> Iterator[int]:
        """See `Way.pages`. Many places give a little in one page; what has more to give has pages
        of its own."""
        after = _START
        while places := self._removed(database, before, after, PLACES, ROWS_OF_PLACE):
            yield sum(place.rows for place in places)
            for place in places:
                rows, most = place.rows, ROWS_OF_PLACE
                while rows == most:
                    rows, most = self._removed_of(database, before, place), PAGE_ROWS
                    yield rows
            after = _key(places[-1])

    def oldest(self, database: Database) -> datetime | None:
        """See `Way.oldest`."""
        firsts = (row.published_at for rows in self._walk(database, _FIRSTS) for row in rows)
        return min(firsts, default=None)

    def _removed_of(self, database: Database, before: datetime, place: Any) -> int:
        just_before = {"practice_id": place.practice_id, "bucket": place.bucket - 1}
        ((*_, rows),) = self._removed(database, before, just_before, 1, PAGE_ROWS)
        return int(rows)

    def _removed(
        self, database: Database, before: datetime, after: Mapping[str, Any], places: int, rows: int
    ) -> list[Any]:
        """The next places after one, with how many rows of each went: at most `rows`."""
        limits = {"before": before, "places": places, "rows": rows}
        with database.transaction() as tx:
            found = fetch(tx, _OLD, {**after, **limits})
            execute_many(tx, _REMOVE, [_key(place, "up_to") for place in found if place.rows])
        return found

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


def _key(row: Any, *more: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("practice_id", "bucket", *more)}


WAYS: Mapping[str, Way] = MappingProxyType({**RUNTIME_WAYS, "feed": OldFeed()})
