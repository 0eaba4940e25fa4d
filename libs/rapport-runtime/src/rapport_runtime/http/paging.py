"""Lists in pages, by key and not by number: stable while rows come and go, without counts."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from rapport_runtime.http.problems import FieldError, InvalidCursor

Key = str | int
Item = TypeVar("Item")
_TAG_BYTES = 16
_OWN_PARAMETERS = frozenset({"limit", "cursor"})


class Page(BaseModel, Generic[Item]):
    """One page; `next_cursor` is null on the last. The `Link` header says the same (RFC 8288)."""

    items: list[Item]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page.")


@dataclass(frozen=True)
class PageRequest:
    """What the caller asked for: `limit` items after the key `after` (None: from the start).

    `after` raises `InvalidCursor` for a foreign or altered one: in the route, so that a caller
    whom no guard lets in learns nothing of cursors. The store is asked for `fetch` rows ordered
    by a unique key, with `key > after`; the row beyond the limit tells whether there is a next
    page.
    """

    limit: int
    _cursor: str | None
    _open: Callable[[str], tuple[Key, ...]]
    _seal: Callable[[tuple[Key, ...]], str]
    _link: Callable[[str], None]

    @property
    def after(self) -> tuple[Key, ...] | None:
        """The key of the last item that the caller has seen."""
        return None if self._cursor is None else self._open(self._cursor)

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than the caller gets."""
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
    """The dependency behind `PageQuery`."""
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
    """An opaque cursor for `key`, signed together with the list (path and filters) it is for."""
    said = json.dumps(key, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_tag(secret, about, said) + said).rstrip(b"=").decode()


def open_cursor(secret: bytes, about: bytes, cursor: str) -> tuple[Key, ...]:
    """The key in a cursor; raises `InvalidCursor` unless `seal_cursor` made it for this list."""
    try:
        sealed = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError):
        raise _invalid() from None
    tag, said = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(secret, about, said)):
        raise _invalid()
    return tuple(json.loads(said))


def _tag(secret: bytes, about: bytes, said: bytes) -> bytes:
    signed = len(about).to_bytes(4, "big") + about + said
    return hmac.new(secret, signed, hashlib.sha256).digest()[:_TAG_BYTES]


def _invalid() -> InvalidCursor:
    reason = "not given out by this list with these filters; start again without it"
    return InvalidCursor(
        "cursor", errors=[FieldError(location="query", field="cursor", reason=reason)]
    )
