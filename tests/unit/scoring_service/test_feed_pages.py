"""Pages of the feed and their cursors, on a feed in memory."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.problems import InvalidCursor
from scoring_service.api.feed import feed_router
from scoring_service.api.feed_cursor import FeedCursorCodec
from tests.support.memory.scoring import MemoryFeed
from tests.support.worlds.feed import NOON, PARTITIONS, Holders, change, get

SECRET = bytes(range(32))


@pytest.fixture
def feed() -> MemoryFeed:
    return MemoryFeed(PARTITIONS)


def read(feed: MemoryFeed, query: str = "", key: str = "harbour") -> httpx.Response:
    """`GET /v1/tier-changes` with a practice's key."""
    service = Service(title="t", version="0", description="t", keys=Holders(), cursor_key=SECRET)
    return get(create_app(service, [feed_router(feed)]), f"/v1/tier-changes{query}", key)


def pages(feed: MemoryFeed, limit: int) -> Iterator[list[Any]]:
    """All pages, from the first change on."""
    page = read(feed, f"?limit={limit}").json()
    while page["items"]:
        yield page["items"]
        page = read(feed, f"?limit={limit}&cursor={page['next_cursor']}").json()


def test_all_pages_together_hold_each_change_once_as_it_was_published(feed: MemoryFeed) -> None:
    rows = [change(f"client-{number}", version) for version in (1, 2) for number in range(10)]
    feed.publish(*rows)
    found = [item for page in pages(feed, 3) for item in page]
    published = [json.loads(row.value) for row in rows]
    assert sorted(found, key=_id) == sorted(published, key=_id)


def _id(item: Any) -> str:
    return str(item["id"])


def test_as_of_is_told_on_the_last_page_alone(feed: MemoryFeed) -> None:
    feed.publish(change("ada", 1), change("ada", 2))
    for partition in range(PARTITIONS):
        feed.pass_watermark(partition, NOON + partition * timedelta(hours=1))
    full, last = read(feed, "?limit=2").json(), read(feed, "?limit=3").json()
    assert (full["as_of"], last["as_of"]) == (None, "2026-03-02T12:00:00Z")
    assert full["next_cursor"] == last["next_cursor"]


def test_a_practice_reads_its_own_changes_alone(feed: MemoryFeed) -> None:
    feed.publish(change("ada", 1))
    assert read(feed, key="lakeside").json()["items"] == []


def test_a_cursor_is_read_back_as_the_positions_in_it() -> None:
    codec = FeedCursorCodec(SECRET, "harbour", 3)
    assert codec.start == (0, 0, 0)
    assert codec.open(codec.seal((4, 0, 7)), "query", "cursor") == (4, 0, 7)


def test_a_cursor_from_before_a_partition_was_added_begins_it_at_its_start() -> None:
    cursor = FeedCursorCodec(SECRET, "harbour", 2).seal((4, 7))
    assert FeedCursorCodec(SECRET, "harbour", 3).open(cursor, "query", "cursor") == (4, 7, 0)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(FeedCursorCodec(SECRET, "lakeside", 2), id="of another practice"),
        pytest.param(FeedCursorCodec(bytes(32), "harbour", 2), id="of another secret"),
    ],
)
def test_a_foreign_cursor_is_refused_where_it_was_sent(foreign: FeedCursorCodec) -> None:
    with pytest.raises(InvalidCursor) as refused:
        FeedCursorCodec(SECRET, "harbour", 2).open(foreign.seal((4, 7)), "header", "Last-Event-ID")
    (fault,) = refused.value.errors
    assert (fault.location, fault.field) == ("header", "Last-Event-ID")
