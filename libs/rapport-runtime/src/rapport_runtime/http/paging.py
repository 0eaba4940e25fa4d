"""Lists in pages, by key and not by number: stable while rows come and go, and never counted."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from rapport_runtime.http.problems import FieldError, InvalidCursor
from rapport_runtime.signing import open_signed, sign

Key = str | int
Item = TypeVar("Item")
ANY_CURSOR: Final = "WyJjLTEwNDIiXQ.c2lnbmF0dXJl"
"""The cursor that documents show."""
_OWN_PARAMETERS = frozenset({"limit", "cursor"})


class Page(BaseModel, Generic[Item]):
    """One page; `next_cursor` is null on the last. The `Link` header holds it too (RFC 8288)."""

    items: list[Item]
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page.",
        examples=[ANY_CURSOR],
    )


@dataclass(frozen=True)
class PageRequest:
    """One request for a page: `limit` items after the key `after` (None: from the start).

    `after` raises `InvalidCursor` for a foreign or altered cursor. It does so in the route, after
    the guard, so that a refused caller learns nothing of cursors. The store reads `fetch` rows
    with `key > after`, ordered by a unique key; there is a next page if the row beyond the limit
    exists.
    """

    limit: int
    _cursor: str | None
    _open: Callable[[str], tuple[Key, ...]]
    _seal: Callable[[tuple[Key, ...]], str]
    _link: Callable[[str], None]

    @property
    def after(self) -> tuple[Key, ...] | None:
        """The key of the last item of the page before; None for the first page."""
        return None if self._cursor is None else self._open(self._cursor)

    @property
    def fetch(self) -> int:
        """The number of rows to read: one more than the page holds."""
        return self.limit + 1

    def page(self, rows: Sequence[Item], key: Callable[[Item], tuple[Key, ...]]) -> Page[Item]:
        """The page from at most `fetch` rows; `key` gives the ordering key of an item."""
        items = list(rows[: self.limit])
        if len(rows) <= self.limit:
            return Page[Item](items=items, next_cursor=None)
        cursor = self._seal(key(items[-1]))
        self._link(cursor)
        return Page[Item](items=items, next_cursor=cursor)


def page_request(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=1000, description="items a page")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="`next_cursor` of the page before")
    ] = None,
) -> PageRequest:
    """The dependency behind `PageQuery`: reads `limit` and `cursor` of the request."""
    secret: bytes = request.app.state.cursor_key
    others = sorted(
        pair for pair in request.query_params.multi_items() if pair[0] not in _OWN_PARAMETERS
    )
    about = json.dumps([request.url.path, others]).encode()

    def link(following: str) -> None:
        query = urlencode([*others, ("limit", str(limit)), ("cursor", following)])
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'

    return PageRequest(
        limit=limit,
        _cursor=cursor,
        _open=lambda given: open_cursor(secret, about, given),
        _seal=lambda key: seal_cursor(secret, about, key),
        _link=link,
    )


PageQuery = Annotated[PageRequest, Depends(page_request)]


def seal_cursor(secret: bytes, about: bytes, key: tuple[Key, ...]) -> str:
    """An opaque cursor for `key`, signed for the list (path and filters) that it belongs to."""
    return sign(key, secret, about)


def open_cursor(secret: bytes, about: bytes, cursor: str) -> tuple[Key, ...]:
    """The key in a cursor; raises `InvalidCursor` unless `seal_cursor` made it for this list."""
    key = open_signed(cursor, secret, about)
    if key is None:
        raise _invalid()
    return key


def _invalid() -> InvalidCursor:
    detail = "not given out by this list with these filters; start again without it"
    fault = FieldError(location="query", parameter="cursor", reason="invalid-cursor", detail=detail)
    return InvalidCursor("cursor", errors=[fault])
