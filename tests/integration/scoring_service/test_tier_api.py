"""Tiers over REST, on Postgres behind row-level security: whole answers, and nobody else's."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from scoring_service.api.tiers import tier_router
from scoring_service.bootstrap import SWEEP_PROGRESS
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.handlers import TierAssessor
from scoring_service.store.feed import PostgresFeed
from scoring_service.store.reads import PostgresTiers
from tests.integration.scoring_service.test_consumer import RULEBOOK
from tests.support.servers.app_calls import ask
from tests.support.worlds.scoring import Log, ScoringWorld
from tests.unit.rapport_runtime.toy import FakeKeys

pytestmark = pytest.mark.integration
ADA, BEN, EVE = ("a" * 32, "b" * 32, "e" * 32)
HARBOUR, WILLOW = ({"Authorization": f"Bearer {name}"} for name in ("harbour", "willow"))
NOON = datetime(1997, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def app(service_database: Callable[[str], ServiceDatabase]) -> Iterator[FastAPI]:
    """Two clients of one practice, of whom one came and paid, and one of another practice."""
    log = Log()
    log.watermark(datetime(1997, 1, 1, 12, tzinfo=UTC))
    for client, practice in ((ADA, "harbour"), (BEN, "harbour"), (EVE, "willow")):
        log.activity(client, "registered", NOON.date(), NOON, practice=practice)
    log.activity(ADA, "completed", NOON.date(), NOON)
    log.activity(ADA, "settled", NOON.date(), NOON, amount_minor=5000)
    log.watermark(datetime(1997, 1, 3, 12, tzinfo=UTC))
    made = service_database("scoring")
    world = ScoringWorld(log, made, RULEBOOK, records=5000)
    world.read_all()
    world.close()
    database = Database(made.api_url, application_name="test")
    scopes = frozenset({"tiers:read"})
    keys = FakeKeys({name: Principal(name, name, scopes) for name in ("harbour", "willow")})
    service = Service(title="T", version="1", description="T", keys=keys, cursor_key=b"k" * 32)
    tiers = PostgresTiers(database, SWEEP_PROGRESS)
    feed = PostgresFeed(database, topics.TIER_CHANGES.partitions)
    rulebooks = [parse_rulebook(RULEBOOK)]
    assessor = TierAssessor(lambda: rulebooks)
    yield create_app(service, [tier_router(tiers, feed, assessor)])
    database.close()


def test_one_tier_comes_with_why_and_until_when(app: FastAPI) -> None:
    answer = ask(app, "GET", f"/v1/clients/{ADA}/tier", headers=HARBOUR)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    lines = [line for line in body["explanation"] if not line["value"].startswith("+")]
    explained = {line["input"]: line["value"] for line in lines}
    assert explained == {
        "last_completed_on": "1997-01-02",
        "completed_count": "1",
        "settled_less_refunded_minor": "5000",
    }
    assert body["as_of"] == "1997-01-03T12:00:00Z"
    assert body["next_transition"]["from_tier"] == body["tier"]
    assert isinstance(body["score"], str)
    assert (body["inputs_complete"], body["inputs_incomplete"]) == (True, [])
    assert (body["scheme"], body["rulebook_version"], body["primary"]) == ("rfm", 1, True)


def test_one_answer_is_the_same_as_the_bulk_and_the_list_give(app: FastAPI) -> None:
    one = ask(app, "GET", f"/v1/clients/{ADA}/tier", headers=HARBOUR).json()
    wanted = {"client_ids": [ADA, EVE]}
    many = ask(app, "POST", "/v1/tiers/lookup", headers=HARBOUR, json=wanted).json()
    assert many == {"items": [one], "unknown": [EVE]}
    listed = ask(app, "GET", f"/v1/tiers/{one['tier']}/clients", headers=HARBOUR).json()
    assert listed["items"] == [one]


def test_a_list_holds_the_practices_own_alone(app: FastAPI) -> None:
    ben = ask(app, "GET", f"/v1/clients/{BEN}/tier", headers=HARBOUR).json()
    path = f"/v1/tiers/{ben['tier']}/clients"
    assert ask(app, "GET", path, headers=HARBOUR).json()["items"] == [ben]
    assert [
        item["client_id"] for item in ask(app, "GET", path, headers=WILLOW).json()["items"]
    ] == [EVE]


@pytest.mark.parametrize("client", [EVE, "f" * 32], ids=["another practice's", "nobody's"])
def test_a_client_who_is_not_the_practices_own_is_not_found(app: FastAPI, client: str) -> None:
    answer = ask(app, "GET", f"/v1/clients/{client}/tier", headers=HARBOUR)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_practices_whose_reads_coincide_see_their_own_alone(app: FastAPI) -> None:
    async def both() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as caller:
            pairs = [(client, whose) for client in (ADA, EVE) for whose in (HARBOUR, WILLOW)]
            path = "/v1/clients/{}/tier"
            return await asyncio.gather(
                *(caller.get(path.format(client), headers=whose) for client, whose in pairs)
            )

    answers = asyncio.run(both())
    assert [answer.status_code for answer in answers] == [200, 404, 404, 200]
    assert [answer.json().get("client_id") for answer in answers] == [ADA, None, None, EVE]


def test_a_history_tells_scheme_and_version_of_each_change(app: FastAPI) -> None:
    answer = ask(app, "GET", f"/v1/clients/{ADA}/history", headers=HARBOUR).json()
    lines = [(one["scheme"], one["version"], one["primary"]) for one in answer["items"]]
    assert lines == [("rfm", number, True) for number in range(1, len(lines) + 1)]
    assert {one["due_on"] for one in answer["items"]} == {None}


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/clients/{ADA}/tier",
        f"/v1/clients/{ADA}/history",
        "/v1/tiers/prospect/clients",
        "/v1/distribution",
    ],
)
def test_the_primary_scheme_is_answered_unless_another_is_named(app: FastAPI, path: str) -> None:
    primary, named, strange = (
        ask(app, "GET", f"{path}{query}", headers=HARBOUR)
        for query in ("", "?scheme=rfm", "?scheme=loyalty")
    )
    assert primary.status_code == named.status_code == 200
    assert primary.json().keys() == named.json().keys()
    assert (strange.status_code, strange.headers["content-type"]) == (
        404,
        "application/problem+json",
    )


def test_a_look_up_of_many_takes_a_scheme(app: FastAPI) -> None:
    primary, named, strange = (
        ask(app, "POST", "/v1/tiers/lookup", headers=HARBOUR, json={"client_ids": [ADA], **scheme})
        for scheme in ({}, {"scheme": "rfm"}, {"scheme": "loyalty"})
    )
    assert primary.json() == named.json()
    assert (primary.status_code, strange.status_code) == (200, 404)


def test_the_distribution_counts_each_tier_of_the_scheme(app: FastAPI) -> None:
    answer = ask(app, "GET", "/v1/distribution", headers=HARBOUR).json()
    assert (answer["scheme"], answer["rulebook_version"], answer["primary"]) == ("rfm", 1, True)
    assert sum(share["clients"] for share in answer["tiers"]) == 2
