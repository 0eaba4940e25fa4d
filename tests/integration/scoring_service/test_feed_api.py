"""Tier changes over REST: pages, cursors, waiting; and a list of clients that can be followed."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

import scoring_service
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, execute
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.streams import Streams
from scoring_service.api.feed import feed_router
from scoring_service.api.tiers import tier_router
from scoring_service.bootstrap import SWEEP_PROGRESS
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.handlers import TierAssessor
from scoring_service.store.feed import PostgresFeed
from scoring_service.store.reads import PostgresTiers
from tests.support.worlds.feed import PARTITIONS, FeedWorld, Holders, change, get
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
RULEBOOK = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text()
)


def ids(answer: Any) -> list[str]:
    """The ids of a page's items."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


class TestPages:
    """One goes on with `next_cursor`, always."""

    def test_pages_hold_each_change_once_as_it_is_on_the_bus(self, feed_world: FeedWorld) -> None:
        feed_world.publish(*[change(f"client-{n}", v) for v in (1, 2) for n in range(10)])
        items: list[Any] = []
        query = "?limit=3"
        while page := feed_world.get(query).json()["items"]:
            items += page
            query = f"?limit=3&cursor={feed_world.get(query).json()['next_cursor']}"
        on_the_bus = [json.loads(value) for value in feed_world.on_the_bus()]
        assert sorted(items, key=_id) == sorted(on_the_bus, key=_id)
        assert len(items) == 20
        document = feed_world.app().openapi()
        answer = document["paths"]["/v1/tier-changes"]["get"]["responses"]["200"]
        assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/TierChanges")
        listed = {"$ref": "#/components/schemas/TierChanges/properties/items"}
        schema = Draft202012Validator({**document, **listed})
        schema.validate(items)
        assert not schema.is_valid([items[0] | {"data": {}}])

    def test_an_empty_page_has_a_cursor_that_goes_on(self, feed_world: FeedWorld) -> None:
        empty = feed_world.get()
        assert empty.json()["items"] == []
        feed_world.publish(change("ada", 1))
        cursor = empty.json()["next_cursor"]
        following = feed_world.get(f"?cursor={cursor}")
        assert ids(following) == ["harbour.ada.rfm.1"]
        again = feed_world.get(f"?cursor={following.json()['next_cursor']}")
        assert ids(again) == []
        assert again.json()["next_cursor"] == following.json()["next_cursor"]

    def test_a_follower_by_pages_of_a_hundred_reads_all_that_an_erasure_left(
        self, feed_world: FeedWorld
    ) -> None:
        feed_world.publish(*[change("busy", version) for version in range(1, 1901)])
        with feed_world.worker.transaction() as tx:
            erase = "UPDATE feed SET event = NULL WHERE position BETWEEN 501 AND 1450"
            assert execute(tx, erase) == 950
        versions: list[int] = []
        query = "?limit=100"
        while items := (page := feed_world.get(query).json())["items"]:
            versions += [item["data"]["version"] for item in items]
            query = f"?limit=100&cursor={page['next_cursor']}"
        assert versions == [*range(1, 501), *range(1451, 1901)]

    def test_a_cursor_from_before_the_first_that_is_left_is_gone(
        self, feed_world: FeedWorld
    ) -> None:
        cursor = feed_world.get().json()["next_cursor"]
        feed_world.publish(*[change("busy", version) for version in range(1, 11)])
        for position in range(1, 9):
            feed_world.remove("harbour", change("busy", 1).partition, position)
        for path in ("/v1/tier-changes", "/v1/tier-changes/stream"):
            refused = get(feed_world.app(), f"{path}?cursor={cursor}")
            assert refused.status_code == 410
            assert refused.headers["content-type"] == "application/problem+json"
            left = ids(feed_world.get(f"?cursor={refused.json()['next_cursor']}"))
            assert left == ["harbour.busy.rfm.9", "harbour.busy.rfm.10"]
        assert ids(feed_world.get()) == left

    @pytest.mark.parametrize(
        "cursor",
        [
            pytest.param("nonsense", id="no cursor"),
            pytest.param("@", id="not base64"),
            pytest.param("%00", id="U+0000"),
            pytest.param("Ω", id="not ASCII"),
        ],
    )
    def test_a_cursor_that_was_never_given_out_is_refused(
        self, feed_world: FeedWorld, cursor: str
    ) -> None:
        assert feed_world.get(f"?cursor={cursor}").status_code == 400

    def test_an_altered_or_foreign_cursor_is_refused_by_name(self, feed_world: FeedWorld) -> None:
        feed_world.publish(change("ada", 1))
        cursor = feed_world.get().json()["next_cursor"]
        altered = ("A" if cursor[0] != "A" else "B") + cursor[1:]
        for sent, key in ((altered, "harbour"), (cursor, "lakeside")):
            refused = feed_world.get(f"?cursor={sent}", key)
            assert refused.status_code == 400
            problem = refused.json()
            assert problem["type"] == "urn:rapport:problem:invalid-cursor"
            assert [(e["location"], e["parameter"]) for e in problem["errors"]] == [
                ("query", "cursor")
            ]

    @pytest.mark.parametrize(("key", "status"), [("operator", 403), ("powerless", 403)])
    def test_it_is_for_keys_of_a_practice_with_the_scope(
        self, feed_world: FeedWorld, key: str, status: int
    ) -> None:
        for path in ("/v1/tier-changes", "/v1/tier-changes/stream"):
            assert get(feed_world.app(), path, key).status_code == status

    @pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?wait_seconds=31"])
    def test_what_is_out_of_bounds_is_refused(self, feed_world: FeedWorld, query: str) -> None:
        assert feed_world.get(query).status_code == 422

    def test_another_practice_sees_nothing(self, feed_world: FeedWorld) -> None:
        feed_world.publish(change("ada", 1))
        assert ids(feed_world.get(key="lakeside")) == []


def _id(item: Any) -> str:
    return str(item["id"])


class TestWaiting:
    """`wait_seconds` answers when there is something, or when the time is over."""

    def test_it_answers_with_what_was_published_meanwhile(self, feed_world: FeedWorld) -> None:
        class PublishedMeanwhile(Streams):
            async def pause(self) -> None:
                writer = threading.Thread(target=feed_world.publish, args=(change("ada", 1),))
                writer.start()
                writer.join()

        feed_world.streams = PublishedMeanwhile()
        assert ids(feed_world.get("?wait_seconds=30")) == ["harbour.ada.rfm.1"]

    def test_it_answers_with_nothing_when_the_time_is_over(self, feed_world: FeedWorld) -> None:
        answer = feed_world.get("?wait_seconds=1")
        assert ids(answer) == []
        assert answer.json()["next_cursor"]

    def test_when_too_many_wait_the_next_is_refused_but_not_who_need_not_wait(
        self, feed_world: FeedWorld
    ) -> None:
        feed_world.streams = Streams(0)
        refused = feed_world.get("?wait_seconds=30")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        feed_world.publish(change("ada", 1))
        assert ids(feed_world.get("?wait_seconds=30")) == ["harbour.ada.rfm.1"]


Build = Callable[[Log], ScoringWorld]


@pytest.fixture
def urls(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("scoring")


@pytest.fixture
def scoring(urls: ServiceDatabase) -> Iterator[Build]:
    made: list[ScoringWorld] = []

    def build(log: Log) -> ScoringWorld:
        made.append(ScoringWorld(log, urls, RULEBOOK, records=25))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def api(urls: ServiceDatabase) -> Iterator[Database]:
    made = Database(urls.api_url, application_name="api")
    yield made
    made.close()


def app_with(api: Database, feed: PostgresFeed) -> FastAPI:
    rulebooks = [parse_rulebook(RULEBOOK)]
    tiers, assessor = PostgresTiers(api, SWEEP_PROGRESS), TierAssessor(lambda: rulebooks)
    service = Service(
        title="t", version="0", description="t", keys=Holders(), cursor_key=bytes(range(32))
    )
    return create_app(service, [tier_router(tiers, feed, assessor), feed_router(feed)])


def a_log(seed: int) -> Log:
    """Two years of a dozen clients, whose silence takes tiers away."""
    chance, log = random.Random(seed), Log()
    start = datetime(1997, 1, 1, 12, tzinfo=UTC)
    log.watermark(start)
    for day in range(0, 600, 15):
        noon = start + timedelta(days=day)
        for client in chance.sample(range(12), k=3):
            log.activity(f"client-{client}", "completed", noon.date(), noon)
            log.activity(f"client-{client}", "settled", noon.date(), noon, amount_minor=9000)
        log.watermark(noon + timedelta(hours=1))
    return log


def listed(
    app: FastAPI, between: Callable[[], None] = lambda: None
) -> tuple[dict[str, tuple[str, int]], list[str]]:
    """Client -> tier and version over all tiers and pages, and each page's cursor; something may
    happen between the pages."""
    found: dict[str, tuple[str, int]] = {}
    cursors = []
    for tier in parse_rulebook(RULEBOOK).tiers:
        query: str | None = "?limit=2"
        while query:
            answer = get(app, f"/v1/tiers/{tier.key}/clients{query}").json()
            cursors.append(answer["changes_cursor"])
            for item in answer["items"]:
                known = found.get(item["client_id"], ("", 0))
                if item["version"] >= known[1]:
                    found[item["client_id"]] = (item["tier"], item["version"])
            following = answer["next_cursor"]
            query = f"?limit=2&cursor={following}" if following else None
            between()
    return found, cursors


def followed(app: FastAPI, state: dict[str, tuple[str, int]], cursor: str) -> int:
    """Bring a list up to date by the feed; how many changes it held already."""
    known = 0
    while items := (page := get(app, f"/v1/tier-changes?limit=7&cursor={cursor}").json())["items"]:
        cursor = page["next_cursor"]
        for data in (item["data"] for item in items):
            _, version = state.get(data["client_id"], ("", 0))
            if data["version"] <= version:
                known += 1
                continue
            assert data["version"] > version
            state[data["client_id"]] = (data["to_tier"], data["version"])
    return known


class TestListThenFollow:
    """The list's cursor misses nothing; a change that comes twice is known by its version."""

    @pytest.mark.parametrize("mutant", [False, True])
    def test_a_list_taken_while_scoring_works_is_brought_to_the_state(
        self, scoring: Build, api: Database, *, mutant: bool
    ) -> None:
        """Mutant: the cursor is taken after the list, when more has been published."""
        world = scoring(a_log(1))
        app = app_with(api, PostgresFeed(api, PARTITIONS))
        for _ in range(4):
            world.turn()
        state, cursors = listed(app, between=world.turn)
        world.read_all()
        if mutant:
            _, cursors = listed(app)
        followed(app, state, cursors[0])
        truth = {row[0]: (row[1], row[2]) for row in world.rows(_STATE)}
        assert (state == truth) is not mutant

    def test_the_whole_feed_amounts_to_the_state(self, scoring: Build, api: Database) -> None:
        world = scoring(a_log(2))
        world.read_all()
        state: dict[str, tuple[str, int]] = {}
        assert followed(app_with(api, PostgresFeed(api, PARTITIONS)), state, "") == 0
        assert state == {row[0]: (row[1], row[2]) for row in world.rows(_STATE)}
        assert len(world.changes()) > 30

    def test_what_is_published_while_a_page_is_read_is_ahead_of_its_cursor(
        self, scoring: Build, api: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the first of its two reads, whichever that is, all the rest is published."""
        world = scoring(a_log(1))
        for _ in range(4):
            world.turn()
        reads: list[str] = []

        def then_publish(owner: type, name: str) -> None:
            read = getattr(owner, name)

            def wrapped(*arguments: Any) -> Any:
                found = read(*arguments)
                reads.append(name)
                if len(reads) == 1:
                    world.read_all()
                return found

            monkeypatch.setattr(owner, name, wrapped)

        then_publish(PostgresFeed, "head")
        then_publish(PostgresTiers, "in_tier")
        app = app_with(api, PostgresFeed(api, PARTITIONS))
        state, cursors = listed(app)
        assert followed(app, state, cursors[0]) > 0
        assert state == {row[0]: (row[1], row[2]) for row in world.rows(_STATE)}


_STATE = "SELECT client_id, tier, version FROM client WHERE tier IS NOT NULL"
