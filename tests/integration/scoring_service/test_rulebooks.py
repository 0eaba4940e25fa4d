"""A changed rulebook: what is refused at the start, and by which one the API answers."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

import scoring_service
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from rapport_runtime.errors import LoopHalted
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.settings import SettingsError
from scoring_service.api.tiers import tier_router
from scoring_service.bootstrap import SWEEP_PROGRESS, build_worker
from scoring_service.domain.rulebook_source import InvalidRulebook, parse_rulebook
from scoring_service.handlers import TierAssessor
from scoring_service.ports import ClientKey
from scoring_service.settings import ScoringSettings
from scoring_service.store import rulebooks
from scoring_service.store.feed import PostgresFeed
from scoring_service.store.reads import PostgresTiers
from scoring_service.store.rulebooks import RegisteredRulebooks, register_rulebook
from scoring_service.store.stores import PostgresStores
from scoring_service.translate import tier_changed
from tests.support.servers.app_calls import ask
from tests.support.servers.buses import eventually
from tests.support.worlds.scoring import Log, ScoringWorld
from tests.unit.rapport_runtime.toy import FakeKeys

pytestmark = pytest.mark.integration

FIRST: dict[str, Any] = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text()
)
NOON = datetime(1997, 1, 2, 12, tzinfo=UTC)
ADA = "a" * 32
HARBOUR = {"Authorization": "Bearer harbour"}


def version(number: int, *edits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The built-in rulebook, changed, as that version."""
    source = copy.deepcopy(FIRST)
    source["version"] = number
    for edit in edits:
        edit(source)
    return source


def without_gold(source: dict[str, Any]) -> None:
    source["tiers"].pop()
    source["bands"].pop(0)


def with_platinum(source: dict[str, Any]) -> None:
    """Everybody who buys is at once of the new tier."""
    source["tiers"].append({"key": "platinum", "names": {"en": "Platinum", "zh": "白金"}})
    source["bands"] = [
        {"tier": "platinum", "at_least": 3},
        {"tier": "gold", "at_least": 2},
        {"tier": "silver", "at_least": 1},
        {"tier": "bronze", "at_least": 0},
    ]


def bought(log: Log, day: int) -> None:
    at = NOON.replace(day=day)
    log.activity(ADA, "completed", at.date(), at)
    log.activity(ADA, "settled", at.date(), at, amount_minor=100)
    log.watermark(at.replace(hour=13))


@pytest.fixture
def made(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("scoring")


@pytest.fixture
def log() -> Log:
    made = Log()
    made.watermark(NOON.replace(day=1))
    bought(made, 2)
    return made


@pytest.fixture
def start(made: ServiceDatabase, log: Log) -> Iterator[Callable[[dict[str, Any]], ScoringWorld]]:
    """Starts a worker by a rulebook; the one before it is stopped."""
    running: list[ScoringWorld] = []

    def begin(source: dict[str, Any]) -> ScoringWorld:
        if running:
            running.pop().close()
        running.append(ScoringWorld(log, made, source, records=5000))
        return running[-1]

    yield begin
    for world in running:
        world.close()


@pytest.fixture
def assessed(start: Callable[[dict[str, Any]], ScoringWorld]) -> ScoringWorld:
    """A client who has been assessed by version 1."""
    world = start(FIRST)
    world.read_all()
    return world


@pytest.fixture
def app(made: ServiceDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    """The API, whose own rulebook is one that no worker has ever had; it looks again at once."""
    monkeypatch.setattr(rulebooks, "FRESH_SECONDS", 0.0)
    database = Database(made.api_url, application_name="test")
    registered = RegisteredRulebooks(database, parse_rulebook(version(77, without_gold)))
    keys = FakeKeys({"harbour": Principal("harbour", "harbour", frozenset({"tiers:read"}))})
    service = Service(title="T", version="1", description="T", keys=keys, cursor_key=b"k" * 32)
    feed = PostgresFeed(database, topics.TIER_CHANGES.partitions)
    tiers = PostgresTiers(database, SWEEP_PROGRESS)
    yield create_app(service, [tier_router(tiers, feed, TierAssessor(registered))])
    registered.close()
    database.close()


def answer(app: FastAPI) -> dict[str, Any]:
    body: dict[str, Any] = ask(app, "GET", f"/v1/clients/{ADA}/tier", headers=HARBOUR).json()
    return body


class TestTheStart:
    @pytest.mark.parametrize(
        ("source", "told"),
        [
            pytest.param(
                version(2, without_gold),
                "tiers: clients may stand in gold by version 1: a tier can be added, none can go",
                id="a tier goes",
            ),
            pytest.param(
                version(1, with_platinum), "version: 1 is known, with other content", id="changed"
            ),
            pytest.param(
                version(2, lambda source: source.update(key="loyalty")),
                "key: clients stand in the tiers of 'rfm'",
                id="another key",
            ),
        ],
    )
    def test_a_worker_refuses_what_stored_clients_do_not_fit_and_changes_nothing(
        self, assessed: ScoringWorld, tmp_path: Path, source: dict[str, Any], told: str
    ) -> None:
        file = tmp_path / "rulebook.json"
        file.write_text(json.dumps(source))
        settings = ScoringSettings(
            environment="development",
            database_url="postgresql://unused",
            kafka_bootstrap_servers="unused",
            rulebook_path=file,
        )
        with pytest.raises(SettingsError) as refused:
            build_worker(settings, assessed.database, assessed.log.bus)
        said = str(refused.value)
        assert said.startswith(f"scoring-service cannot start: RAPPORT_RULEBOOK_PATH: {told}")
        kept = [
            (row.key, row.version) for row in assessed.rows("SELECT key, version FROM rulebook")
        ]
        assert kept == [("rfm", 1)]

    def test_one_that_is_not_in_force_any_more_is_refused(self, assessed: ScoringWorld) -> None:
        for source in (version(3), version(3)):
            with assessed.database.transaction() as tx:
                register_rulebook(tx, source)
        for number, told in ((1, "is known"), (2, "must be above 3, which is in force")):
            with (
                pytest.raises(InvalidRulebook, match=told),
                assessed.database.transaction() as tx,
            ):
                register_rulebook(tx, version(number))

    def test_before_anybody_was_assessed_all_may_change_but_what_a_version_says(
        self, made: ServiceDatabase
    ) -> None:
        database = Database(made.worker_url, application_name="test")
        with database.transaction() as tx:
            register_rulebook(tx, FIRST)
            register_rulebook(tx, version(2, without_gold))
            register_rulebook(tx, version(1, lambda source: source.update(key="loyalty")))
            with pytest.raises(InvalidRulebook, match="is known"):
                register_rulebook(tx, FIRST)
        database.close()

    def test_a_worker_of_the_version_before_halts_at_a_tier_that_it_does_not_know(
        self, assessed: ScoringWorld, start: Callable[[dict[str, Any]], ScoringWorld]
    ) -> None:
        world = start(version(2, with_platinum))
        bought(world.log, 3)
        world.read_all()
        before = parse_rulebook(FIRST)
        stores = PostgresStores(world.database, before, SWEEP_PROGRESS, tier_changed(before))
        with (
            pytest.raises(LoopHalted, match="a client stands in 'platinum', which version 1"),
            stores.open() as store,
        ):
            store.clients.load([ClientKey("harbour", ADA)])


class TestTheApi:
    def test_it_answers_by_the_rulebook_that_a_worker_registered_never_by_its_own(
        self, assessed: ScoringWorld, app: FastAPI
    ) -> None:
        body = answer(app)
        assert (body["rulebook_version"], body["tier"]) == (1, "bronze")
        listed = ask(app, "GET", "/v1/distribution", headers=HARBOUR).json()
        assert listed["rulebook_version"] == 1
        assert [each["tier"] for each in listed["tiers"]][-1] == "gold"

    def test_after_a_change_no_answer_has_a_new_tier_with_an_old_version(
        self,
        assessed: ScoringWorld,
        start: Callable[[dict[str, Any]], ScoringWorld],
        app: FastAPI,
    ) -> None:
        before = answer(app)
        assert before["tier"] == "bronze"
        world = start(version(2, with_platinum))

        def in_force() -> int:
            listed = ask(app, "GET", "/v1/distribution", headers=HARBOUR).json()
            return int(listed["rulebook_version"])

        assert eventually(lambda: in_force() == 2)
        assert answer(app) == before
        (listed,) = ask(app, "GET", "/v1/tiers/bronze/clients", headers=HARBOUR).json()["items"]
        assert listed == before

        bought(world.log, 3)
        world.read_all()
        after = answer(app)
        assert (after["tier"], after["rulebook_version"]) == ("platinum", 2)
        assert after["version"] == before["version"] + 1
        assert after["tier_names"]["en"] == "Platinum"
        assert after["since"] > before["since"]

    def test_before_a_worker_has_registered_any_nobody_has_a_tier(self, app: FastAPI) -> None:
        listed = ask(app, "GET", "/v1/distribution", headers=HARBOUR).json()
        assert {each["clients"] for each in listed["tiers"]} == {0}
