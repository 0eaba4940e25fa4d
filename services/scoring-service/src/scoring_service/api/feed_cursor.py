"""Cursors of the feed: how far a reader of one practice has come, signed."""

import json
from dataclasses import dataclass
from typing import Literal

from fastapi import Request

from rapport_runtime.http.paging import open_cursor, seal_cursor
from rapport_runtime.http.problems import CursorTooOld, FieldError, InvalidCursor
from scoring_service.ports import Feed, FeedPositions

_RESTORED = (
    "the database was restored to an earlier state since this cursor was given out; list the"
    " clients of all tiers again, as GET /v1/tier-changes describes, or go on with next_cursor,"
    " which begins at the first change"
)
_DETAIL = (
    "not given out for this practice's tier changes; list the clients of all tiers again, as"
    " GET /v1/tier-changes describes"
)


@dataclass(frozen=True)
class FeedCursorCodec:
    """Makes the cursors of one practice and opens them; those of another practice do not open, and
    those of another incarnation of the database are too old."""

    secret: bytes
    practice_id: str
    partitions: int
    incarnation: str

    @classmethod
    def of(cls, request: Request, practice_id: str, feed: Feed) -> "FeedCursorCodec":
        """With the cursor key of the app that got the request. It asks the database."""
        key: bytes = request.app.state.cursor_key
        return cls(key, practice_id, feed.partitions, feed.incarnation())

    def seal(self, positions: FeedPositions) -> str:
        """The cursor of these positions; safe in a URL and as the id of a server-sent event."""
        return seal_cursor(self.secret, self._about, (self.incarnation, *positions))

    def open(self, cursor: str, location: Literal["query", "header"], field: str) -> FeedPositions:
        """The positions in a cursor; partitions that were added after it begin at their start.

        Raises `InvalidCursor`, which names where in the request the cursor was, and `CursorTooOld`.
        """
        try:
            incarnation, *known = open_cursor(self.secret, self._about, cursor)
        except InvalidCursor:
            fault = FieldError(
                location=location, parameter=field, reason="invalid-cursor", detail=_DETAIL
            )
            raise InvalidCursor(field, errors=[fault]) from None
        if incarnation != self.incarnation:
            start = self.seal((0,) * self.partitions)
            raise CursorTooOld(_RESTORED, next_cursor=start)
        return (*map(int, known), *[0] * (self.partitions - len(known)))

    @property
    def _about(self) -> bytes:
        return json.dumps(["tier-changes", self.practice_id]).encode()
