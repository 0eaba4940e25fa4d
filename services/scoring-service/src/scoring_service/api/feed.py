"""Tier changes as they were published, for readers without Kafka: by page or as a stream."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from rapport_runtime.http import errors
from rapport_runtime.http.places import Places
from rapport_runtime.http.problems import (
    CursorTooOld,
    InvalidCursor,
    TooManyRequests,
    Unavailable,
    responses,
)
from rapport_runtime.http.streams import Streams
from rapport_runtime.logs import describe, get_logger
from scoring_service.api.feed_cursor import FeedCursorCodec
from scoring_service.api.reader import ALWAYS, Reader
from scoring_service.api.schemas import (
    ANY_CHANGE,
    ANY_CURSOR,
    EVENT_TYPE,
    TierChanges,
    TierChangesTail,
)
from scoring_service.ports import EntriesGone, Feed, FeedEntry, FeedPage, FeedPositions

STREAM_ROWS = 100
TOMBSTONE_ROWS = 1000
"""How many entries are read at once where there was nothing but tombstones."""
RETRY_MS = 2_000
_MAX_CURSOR = 2000
_PROBLEMS = (*ALWAYS, InvalidCursor, CursorTooOld, TooManyRequests)
_LIST_ANEW = (
    "list the clients of all tiers again, as GET /v1/tier-changes describes, or go on with"
    " next_cursor without what is gone"
)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Each change as it comes.",
        "content": {
            "text/event-stream": {
                "example": f"event: {EVENT_TYPE}\nid: {ANY_CURSOR}\n"
                f"data: {json.dumps(ANY_CHANGE)}\n\n"
            }
        },
    }
}
log = get_logger(__name__)
Cursor = Annotated[
    str | None,
    Query(
        max_length=_MAX_CURSOR,
        description="`next_cursor`, `changes_cursor` or an event's id; without it: from the first"
        " that is left",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(
        max_length=_MAX_CURSOR,
        description="The last id that a returning reader has seen; it wins over `cursor`.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="changes at most")]
Wait = Annotated[int, Query(ge=0, le=30, description="how long to wait while there is nothing new")]


@dataclass
class Follower:
    """One reader of a practice's feed, and how far it has come."""

    feed: Feed
    cursor_codec: FeedCursorCodec
    streams: Streams
    places: Places
    positions: FeedPositions

    @property
    def practice_id(self) -> str:
        """The practice whose changes it reads."""
        return self.cursor_codec.practice_id

    @property
    def cursor(self) -> str:
        """The cursor of its positions."""
        return self.cursor_codec.seal(self.positions)

    async def read(self, limit: int) -> FeedPage:
        """The next page with at most `limit` changes; one without any is at the feed's end.

        Pages of nothing but tombstones are passed over; on the page that is returned the positions
        stay before the first entry. Raises `CursorTooOld` when the next entries are removed.
        """
        page = await self._entries(limit)
        while page.entries and not any(map(_is_change, page.entries)):
            self.advance(page.entries)
            page = await self._entries(TOMBSTONE_ROWS)
        return _cut(page, limit)

    def advance(self, entries: Iterable[FeedEntry]) -> None:
        """Set the positions behind these entries, which follow them."""
        positions = list(self.positions)
        for entry in entries:
            positions[entry.partition] = entry.position
        self.positions = tuple(positions)

    async def _entries(self, limit: int) -> FeedPage:
        """The next entries, tombstones among them, read on a thread; the practice holds a place
        meanwhile, and none while it waits for changes."""
        try:
            async with self.places.place(self.practice_id):
                return await run_in_threadpool(
                    self.feed.read, self.practice_id, self.positions, limit
                )
        except EntriesGone as gone:
            left = self.cursor_codec.seal(gone.left)
        raise CursorTooOld(_LIST_ANEW, next_cursor=left)


def feed_router(feed: Feed) -> APIRouter:
    """The routes, for keys of a practice with the scope `tiers:read`."""
    router = APIRouter(prefix="/v1", tags=["tier-changes"])
    _add_pages(router, feed)
    _add_stream(router, feed)
    return router


def _add_pages(router: APIRouter, feed: Feed) -> None:
    @router.get("/tier-changes", response_model=TierChanges, responses=responses(*_PROBLEMS))
    async def changes(
        request: Request,
        principal: Reader,
        cursor: Cursor = None,
        limit: Limit = 100,
        wait_seconds: Wait = 0,
    ) -> Response:
        """Read the published tier changes after a cursor.

        Each comes once, those of a client by version. Go on with `next_cursor`, which is always
        there; no items means that nothing is new. A change that was erased is not in it any more.
        410 when the changes right after the cursor are no longer kept, or when the database was
        restored since: list the clients again, or go on with the problem's `next_cursor`.

        To know every tier and then each change: keep `changes_cursor` of the first page of
        `/v1/tiers/{tier}/clients` of any tier, list the clients of all tiers, then read from that
        cursor on. A change of meanwhile may be told twice, which its `version` shows; none is
        missed.
        """
        follower = await _follower(request, feed, principal.practice, cursor, None)
        page = await follower.read(limit)
        if wait_seconds and not page.entries:
            page = await _wait(follower, limit, wait_seconds)
        follower.advance(page.entries)
        tail = TierChangesTail(next_cursor=follower.cursor, as_of=page.as_of)
        items = b",".join(entry.event for entry in page.entries if entry.event is not None)
        body = b'{"items":[%b],%b' % (items, tail.model_dump_json().encode()[1:])
        return Response(body, media_type="application/json")


def _add_stream(router: APIRouter, feed: Feed) -> None:
    async def opened(
        request: Request,
        principal: Reader,
        cursor: Cursor = None,
        last_event_id: LastEventId = None,
    ) -> AsyncIterator[Follower]:
        follower = await _follower(request, feed, principal.practice, cursor, last_event_id)
        async with follower.streams.place(principal.practice):
            await follower.read(1)  # a cursor that is too old is refused before the stream begins
            yield follower

    @router.get(
        "/tier-changes/stream",
        response_class=EventSourceResponse,
        responses=_STREAM | responses(*_PROBLEMS),
    )
    async def stream(
        follower: Annotated[Follower, Depends(opened)],
    ) -> AsyncIterator[ServerSentEvent]:
        """Follow tier changes as server-sent events; the answer stays open.

        Made for EventSource and its like. A generated client reads an answer whole, and so gets
        nothing until this one ends: let it read the pages with `wait_seconds` instead, which give
        the same. `data` is the change as on the bus, `id` the cursor. A comment comes every 15 s.
        The stream ends after 15 minutes, when the service stops, when its database is away, or
        when the next changes are no longer kept; then connect again with `Last-Event-ID`, as
        EventSource does. 410 as for a page.
        """
        yield ServerSentEvent(retry=RETRY_MS)
        async for event in _events(follower):
            yield event


async def _events(follower: Follower) -> AsyncIterator[ServerSentEvent]:
    """Each change as it comes, until the stream must end."""
    until = follower.streams.deadline()
    while not follower.streams.is_over(until):
        page = await _page_or_end(follower)
        if page is None:
            return
        for entry in page.entries:
            follower.advance([entry])
            if entry.event is not None:
                yield ServerSentEvent(
                    raw_data=entry.event.decode(), event=EVENT_TYPE, id=follower.cursor
                )
        if not page.entries:
            await follower.streams.pause()


async def _page_or_end(follower: Follower) -> FeedPage | None:
    """The next page of a stream; None when there is none to be had: the reader comes back with its
    last id, and is told why."""
    try:
        return await follower.read(STREAM_ROWS)
    except (CursorTooOld, TooManyRequests, Unavailable):
        return None
    except errors.AWAY as error:
        if not errors.is_away(error):
            raise
        log.warning("database_away", error=describe(error))
        return None


async def _follower(
    request: Request, feed: Feed, practice_id: str, cursor: str | None, last_event_id: str | None
) -> Follower:
    places: Places = request.app.state.places
    async with places.place(practice_id):
        cursor_codec = await run_in_threadpool(FeedCursorCodec.of, request, practice_id, feed)
    if last_event_id:
        positions = cursor_codec.open(last_event_id, "header", "Last-Event-ID")
    elif cursor:
        positions = cursor_codec.open(cursor, "query", "cursor")
    else:
        async with places.place(practice_id):
            positions = await run_in_threadpool(feed.start, practice_id)
    return Follower(feed, cursor_codec, request.app.state.streams, places, positions)


def _is_change(entry: FeedEntry) -> bool:
    return entry.event is not None


def _cut(page: FeedPage, limit: int) -> FeedPage:
    """The page up to its `limit`-th change."""
    changes = [number for number, entry in enumerate(page.entries, 1) if _is_change(entry)]
    if len(changes) <= limit:
        return page
    return FeedPage(page.entries[: changes[limit - 1]], None)


async def _wait(follower: Follower, limit: int, seconds: int) -> FeedPage:
    """The first page with changes, or the last one read within so many seconds."""
    async with follower.streams.place(follower.practice_id):
        until = follower.streams.deadline(seconds)
        while True:
            await follower.streams.pause()
            page = await follower.read(limit)
            if page.entries or follower.streams.is_over(until):
                return page
