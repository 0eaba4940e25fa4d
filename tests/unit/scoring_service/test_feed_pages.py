"""Pages of the feed and their cursors, on a feed in memory."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.problems import InvalidCursor
from rapport_runtime.http.streams import Streams
from scoring_service.api.feed import feed_router
from scoring_service.api.feed_cursor import FeedCursorCodec
from tests.support.memory.scoring import MemoryFeed
from tests.support.worlds.feed import NOON, PARTITIONS, Holders, change, get

SECRET = bytes(range(32))
DIGITS = "0a1b2c3d"


@pytest.fixture
def feed() -> MemoryFeed:
    return MemoryFeed(PARTITIONS)


def app(feed: MemoryFeed, streams: Streams | None = None) -> FastAPI:
    service = Service(
        title="t",
        version="0",
        description="t",
        keys=Holders(),
        cursor_key=SECRET,
        streams=streams or Streams(),
    )
    return create_app(service, [feed_router(feed)])


def read(feed: MemoryFeed, query: str = "", key: str = "harbour") -> httpx.Response:
    """`GET /v1/tier-changes` with a practice's key."""
    return get(app(feed), f"/v1/tier-changes{query}", key)


def stream(feed: MemoryFeed, streams: Streams, query: str = "") -> httpx.Response:
    """The whole of a stream that ends by itself."""
    return get(app(feed, streams), f"/v1/tier-changes/stream{query}")


def cursor(*positions: int) -> str:
    """The cursor of these positions, at the start of all other partitions."""
    padded = (*positions, *[0] * (PARTITIONS - len(positions)))
    return FeedCursorCodec(SECRET, "harbour", PARTITIONS, DIGITS).seal(padded)


def clients_of(partition: int) -> Iterator[str]:
    """Clients of one partition."""
    names = (f"client-{number}" for number in itertools.count())
    return (name for name in names if change(name, 1).partition == partition)


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
    codec = FeedCursorCodec(SECRET, "harbour", 3, DIGITS)
    assert codec.open(codec.seal((4, 0, 7)), "query", "cursor") == (4, 0, 7)


def test_a_cursor_from_before_a_partition_was_added_begins_it_at_its_start() -> None:
    cursor = FeedCursorCodec(SECRET, "harbour", 2, DIGITS).seal((4, 7))
    assert FeedCursorCodec(SECRET, "harbour", 3, DIGITS).open(cursor, "query", "cursor") == (
        4,
        7,
        0,
    )


def test_a_cursor_from_before_a_restore_is_answered_with_the_place_to_begin_anew(
    feed: MemoryFeed,
) -> None:
    feed.publish(change("ada", 1))
    before = read(feed).json()["next_cursor"]
    feed.digits = "ffffffff"
    answer = read(feed, f"?cursor={before}")
    assert answer.status_code == 410
    problem = answer.json()
    assert problem["type"] == "urn:rapport:problem:cursor-too-old"
    assert "restored" in problem["detail"]
    again = read(feed, f"?cursor={problem['next_cursor']}").json()
    assert [item["data"]["client_id"] for item in again["items"]] == ["ada"]
    assert stream(feed, Streams(), f"?cursor={before}").status_code == 410


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(FeedCursorCodec(SECRET, "lakeside", 2, DIGITS), id="of another practice"),
        pytest.param(FeedCursorCodec(bytes(32), "harbour", 2, DIGITS), id="of another secret"),
    ],
)
def test_a_foreign_cursor_is_refused_where_it_was_sent(foreign: FeedCursorCodec) -> None:
    with pytest.raises(InvalidCursor) as refused:
        FeedCursorCodec(SECRET, "harbour", 2, DIGITS).open(
            foreign.seal((4, 7)), "header", "Last-Event-ID"
        )
    (fault,) = refused.value.errors
    assert (fault.location, fault.parameter) == ("header", "Last-Event-ID")


@pytest.fixture
def erased(feed: MemoryFeed) -> MemoryFeed:
    """A change, 1,250 tombstones, and two changes more, all of one client."""
    ada = next(clients_of(0))
    feed.publish(*[change(ada, version) for version in range(1, 1254)])
    for position in range(2, 1252):
        feed.erase("harbour", 0, position)
    return feed


@pytest.mark.parametrize("limit", [1, 2, 100, 1000])
def test_pages_pass_over_tombstones_however_many_there_are(erased: MemoryFeed, limit: int) -> None:
    found = list(pages(erased, limit))
    assert [item["data"]["version"] for page in found for item in page] == [1, 1252, 1253]
    assert all(len(page) <= limit for page in found)


def test_a_page_that_is_cut_behind_tombstones_does_not_tell_the_end(erased: MemoryFeed) -> None:
    for partition in range(PARTITIONS):
        erased.pass_watermark(partition, NOON)
    cut = read(erased, f"?limit=1&cursor={cursor(1)}").json()
    assert [item["data"]["version"] for item in cut["items"]] == [1252]
    assert (cut["as_of"], cut["next_cursor"]) == (None, cursor(1252))


def test_the_cursor_of_an_empty_page_is_behind_the_tombstones(feed: MemoryFeed) -> None:
    ada = next(clients_of(0))
    feed.publish(*[change(ada, version) for version in range(1, 151)])
    for position in range(1, 151):
        feed.erase("harbour", 0, position)
    for partition in range(PARTITIONS):
        feed.pass_watermark(partition, NOON)
    page = read(feed, "?limit=100").json()
    assert page == {"items": [], "next_cursor": cursor(150), "as_of": "2026-03-02T12:00:00Z"}
    feed.publish(change(ada, 151))
    following = read(feed, f"?cursor={page['next_cursor']}").json()["items"]
    assert [item["data"]["version"] for item in following] == [151]


def test_a_stream_passes_over_tombstones(erased: MemoryFeed) -> None:
    class EndsWhenIdle(Streams):
        async def pause(self) -> None:
            self.close()

    lines = stream(erased, EndsWhenIdle()).text.splitlines()
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line[:5] == "data:"]
    assert [event["data"]["version"] for event in data] == [1, 1252, 1253]


@pytest.fixture
def pruned(feed: MemoryFeed) -> MemoryFeed:
    """Two partitions of three changes each; of the first the first two are removed."""
    for partition in (0, 1):
        client = next(clients_of(partition))
        feed.publish(*[change(client, version) for version in (1, 2, 3)])
    for position in (1, 2):
        feed.remove("harbour", 0, position)
    return feed


@pytest.mark.parametrize("seen", [0, 1])
def test_a_cursor_before_what_is_left_is_answered_with_the_first_that_is(
    pruned: MemoryFeed, seen: int
) -> None:
    refused = read(pruned, f"?limit=1&cursor={cursor(seen, 2)}")
    assert refused.status_code == 410
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["type"] == "urn:rapport:problem:cursor-too-old"
    # The second partition goes on where the reader was.
    assert problem["next_cursor"] == cursor(2, 2)
    items = read(pruned, f"?cursor={problem['next_cursor']}").json()["items"]
    assert [item["data"]["version"] for item in items] == [3, 3]


@pytest.mark.parametrize("seen", [2, 3])
def test_a_cursor_behind_what_was_removed_goes_on(pruned: MemoryFeed, seen: int) -> None:
    assert read(pruned, f"?cursor={cursor(seen)}").status_code == 200


def test_without_a_cursor_one_reads_from_the_first_that_is_left(pruned: MemoryFeed) -> None:
    first = read(pruned, "?limit=1").json()
    following = read(pruned, f"?cursor={first['next_cursor']}").json()
    items = first["items"] + following["items"]
    assert sorted(item["data"]["version"] for item in items) == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        pytest.param(f"?cursor={cursor(1)}", {}, id="in the address"),
        pytest.param(f"?cursor={cursor(2)}", {"Last-Event-ID": cursor(1)}, id="header"),
    ],
)
def test_a_stream_from_before_what_is_left_is_refused_as_a_page_is(
    pruned: MemoryFeed, query: str, headers: dict[str, str]
) -> None:
    refused = get(app(pruned), f"/v1/tier-changes/stream{query}", **headers)
    assert refused.status_code == 410
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["next_cursor"] == cursor(2)


def test_a_stream_ends_when_its_next_changes_are_removed(feed: MemoryFeed) -> None:
    ada = next(clients_of(0))

    class RemovedMeanwhile(Streams):
        async def pause(self) -> None:
            feed.publish(change(ada, 2), change(ada, 3))
            feed.remove("harbour", 0, 2)

    feed.publish(change(ada, 1))
    lines = stream(feed, RemovedMeanwhile()).text.splitlines()
    assert [line for line in lines if line.startswith("id:")] == [f"id: {cursor(1)}"]
