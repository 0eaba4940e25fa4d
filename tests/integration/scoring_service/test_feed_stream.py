"""The feed as server-sent events: a real server, real sockets, and readers that come back."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

import fastapi.routing
import httpx
import psycopg
import pytest
import uvicorn

from rapport_devkit.postgres import Postgres
from rapport_runtime.http.openapi import STAYS_OPEN
from rapport_runtime.http.streams import Streams
from tests.support.worlds.feed import FeedWorld, change, event_id

pytestmark = pytest.mark.integration
SECONDS = 20.0
Event = dict[str, str]


class Watched(Streams):
    """Writes down how many database connections are out while somebody waits."""

    def __init__(self, world: FeedWorld, places: int = 50, **more: float) -> None:
        super().__init__(places, of_each=places, **more)  # type: ignore[arg-type]
        self.world = world
        self.held: list[int] = []
        self.waited = threading.Event()

    async def pause(self) -> None:
        self.held.append(self.world.api.engine.pool.checkedout())  # type: ignore[attr-defined]
        self.waited.set()
        await super().pause()


@contextmanager
def served(world: FeedWorld) -> Iterator[httpx.Client]:
    """A client of the app on a free port of loopback."""
    config = uvicorn.Config(world.app(), port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        for _ in range(600):
            if server.started:
                break
            threading.Event().wait(0.1)
        port = server.servers[0].sockets[0].getsockname()[1]
        headers = {"Authorization": "Bearer harbour"}
        limits = httpx.Limits(max_connections=100)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers=headers,
            limits=limits,
            trust_env=False,
            timeout=SECONDS,
        ) as http:
            yield http
    finally:
        world.streams.close()
        server.should_exit = True
        thread.join(SECONDS)


@contextmanager
def stream(http: httpx.Client, query: str = "", **headers: str) -> Iterator[Iterator[Event]]:
    """The events of one stream; comments and `retry` are events with those fields."""
    path = f"/v1/tier-changes/stream{query}"
    with http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Event]:
    event: Event = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            event[name or "comment"] = value
        elif event:
            yield event
            event = {}


def ids(events: Iterator[Event], count: int) -> list[str]:
    """The ids of the next changes, as they are on the bus."""
    data = islice((event for event in events if "data" in event), count)
    return [event_id(event["data"].encode()) for event in data]


def test_a_stream_tells_what_is_there_and_then_what_comes(feed_world: FeedWorld) -> None:
    feed_world.publish(change("ada", 1), change("ada", 2))
    with served(feed_world) as http, stream(http) as events:
        assert next(events) == {"retry": "2000"}
        assert ids(events, 2) == ["harbour.ada.rfm.1", "harbour.ada.rfm.2"]
        feed_world.publish(change("ada", 3), change("bea", 1, practice="lakeside"))
        event = next(event for event in events if "data" in event)
        assert event["event"] == "rapport.tier.changed.v1"
        assert event["data"].encode() in feed_world.on_the_bus()
        page = http.get(f"/v1/tier-changes?cursor={event['id']}").json()
        assert page["items"] == []
        assert page["next_cursor"] == event["id"]


def test_a_reader_that_was_cut_off_comes_back_with_the_last_id(feed_world: FeedWorld) -> None:
    feed_world.publish(*[change(f"client-{n}", v) for v in (1, 2, 3) for n in range(8)])
    read: list[str] = []
    headers: dict[str, str] = {}
    with served(feed_world) as http:
        first = http.get("/v1/tier-changes?limit=1").json()
        read.append(first["items"][0]["id"])
        for _ in range(4):  # the address stays the same, as EventSource's does
            with stream(http, f"?cursor={first['next_cursor']}", **headers) as events:
                for event in islice((e for e in events if "data" in e), 5):
                    read.append(json.loads(event["data"])["id"])
                    headers = {"Last-Event-ID": event["id"]}
        page = http.get(f"/v1/tier-changes?cursor={headers['Last-Event-ID']}").json()
        read += [item["id"] for item in page["items"]]
    assert len(read) == len(set(read)) == 24


def test_comments_keep_an_idle_stream_alive(
    feed_world: FeedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.1)
    with served(feed_world) as http, stream(http) as events:
        assert "retry" in next(events)
        assert [next(events), next(events)] == [{"comment": "ping"}] * 2


def test_who_waits_holds_no_connection(feed_world: FeedWorld) -> None:
    watched = feed_world.streams = Watched(feed_world)
    with served(feed_world) as http, stream(http):
        assert watched.waited.wait(SECONDS)
    assert set(watched.held) == {0}


def test_more_streams_than_threads_leave_the_service_answering(feed_world: FeedWorld) -> None:
    """A thread for each would be 40 at most, and the 41st request would wait for ever."""
    feed_world.streams = Streams(45, of_each=45)
    with served(feed_world) as http, ExitStack() as stack:
        streams = [stack.enter_context(stream(http)) for _ in range(45)]
        assert all("retry" in next(events) for events in streams)
        assert http.get("/v1/tier-changes").status_code == 200
        refused = http.get("/v1/tier-changes/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        feed_world.publish(change("ada", 1))
        assert {ids(events, 1)[0] for events in streams} == {"harbour.ada.rfm.1"}


def test_the_place_of_a_reader_that_left_is_free_again(feed_world: FeedWorld) -> None:
    feed_world.streams = Streams(1)
    with served(feed_world) as http:
        with stream(http) as events:
            next(events)
            assert http.get("/v1/tier-changes/stream").status_code == 503
        for _ in range(600):
            with http.stream("GET", "/v1/tier-changes/stream") as answer:
                if answer.status_code == 200:
                    return
            threading.Event().wait(0.1)
    raise AssertionError("the place was never given back")


def test_a_stream_ends_by_itself_after_its_time(feed_world: FeedWorld) -> None:
    feed_world.publish(change("ada", 1))
    feed_world.streams = Streams(longest_seconds=0.2)
    with served(feed_world) as http, stream(http) as events:
        found = [event_id(event["data"].encode()) for event in events if "data" in event]
    assert found == ["harbour.ada.rfm.1"]


def test_a_stream_whose_database_goes_away_ends_in_good_order(
    feed_world: FeedWorld, postgres: Postgres
) -> None:
    with served(feed_world) as http, stream(http) as events:
        next(events)
        with psycopg.connect(postgres.url(), autocommit=True) as server:
            name = feed_world.api.engine.url.database
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            assert [event for event in events if "comment" not in event] == []
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.parametrize(
    ("query", "headers", "place"),
    [
        pytest.param("?cursor=nonsense", {}, ("query", "cursor"), id="in the address"),
        pytest.param("", {"Last-Event-ID": "nonsense"}, ("header", "Last-Event-ID"), id="header"),
    ],
)
def test_a_cursor_that_was_never_given_out_is_refused_before_the_stream_begins(
    feed_world: FeedWorld, query: str, headers: dict[str, str], place: tuple[str, str]
) -> None:
    with served(feed_world) as http:
        refused = http.get(f"/v1/tier-changes/stream{query}", headers=headers)
    assert refused.status_code == 400
    assert [(e["location"], e["parameter"]) for e in refused.json()["errors"]] == [place]


def test_the_document_tells_of_the_stream(feed_world: FeedWorld) -> None:
    operation = feed_world.app().openapi()["paths"]["/v1/tier-changes/stream"]["get"]
    content = operation["responses"]["200"]["content"]
    assert content["text/event-stream"]["schema"] == {}
    assert "rapport.tier.changed.v1" in content["text/event-stream"]["example"]
    assert operation[STAYS_OPEN]
    own = {p["name"].lower() for p in operation["parameters"] if "name" in p}  # not those of all
    assert own == {"cursor", "last-event-id"}
    assert {"400", "401", "403", "410", "429", "503"} <= set(operation["responses"])
