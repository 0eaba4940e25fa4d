"""A client is rebuilt while the service is killed and live events come: what is answered over REST
meanwhile, on Postgres (ADR 48)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, execute, fetch_value
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.metrics import GENERATION_OLDEST_SECONDS
from rapport_runtime.ops.generation_age import GenerationAge
from scoring_service.api.tiers import tier_router
from scoring_service.bootstrap import SWEEP_PROGRESS
from scoring_service.domain.rulebook_source import parse_rulebook
from scoring_service.handlers import TierAssessor
from scoring_service.ports import GROUP
from scoring_service.store.feed import PostgresFeed
from scoring_service.store.next_generations import OLDEST
from scoring_service.store.reads import PostgresTiers
from tests.integration.scoring_service.test_consumer import RULEBOOK
from tests.support.servers.app_calls import ask
from tests.support.worlds.scoring import Log, ScoringWorld
from tests.unit.rapport_runtime.toy import FakeKeys

pytestmark = pytest.mark.integration
ADA = "a" * 32
HARBOUR = {"Authorization": "Bearer harbour"}
NOON = datetime(1997, 1, 2, 12, tzinfo=UTC)
HOUR, NEXT = timedelta(hours=1), 14_000_000
SINCE = "UPDATE next_generation SET since = since - interval '2 hours'"


class Rebuilt:
    """A practice's API over a database of scoring, whose worker reads a log and may be killed."""

    def __init__(self, made: ServiceDatabase) -> None:
        self.log = Log()
        self.made = made
        self.api = Database(made.api_url, application_name="test")
        keys = FakeKeys({"harbour": Principal("harbour", "harbour", frozenset({"tiers:read"}))})
        service = Service(title="T", version="1", description="T", keys=keys, cursor_key=b"k" * 32)
        rulebooks = [parse_rulebook(RULEBOOK)]
        router = tier_router(
            PostgresTiers(self.api, SWEEP_PROGRESS),
            PostgresFeed(self.api, topics.TIER_CHANGES.partitions),
            TierAssessor(lambda: rulebooks),
        )
        self.app: FastAPI = create_app(service, [router])

    def read(self) -> None:
        """A new worker reads all that there is, and is gone."""
        world = ScoringWorld(self.log, self.made, RULEBOOK, records=5_000)
        world.read_all()
        world.close()

    def fact(self, kind: str, sequence: int, **more: Any) -> None:
        """One of Ada's, of the next generation."""
        day = NOON.date()
        self.log.activity(ADA, kind, day, NOON, sequence=sequence, generation=NEXT, **more)

    def answer(self) -> Any:
        answer = ask(self.app, "GET", f"/v1/clients/{ADA}/tier", headers=HARBOUR)
        assert answer.status_code == 200
        return answer.json()

    def reasons(self) -> list[tuple[str, str]]:
        answer = ask(self.app, "GET", f"/v1/clients/{ADA}/history", headers=HARBOUR)
        return [(line["reason"], line["origin"]) for line in answer.json()["items"]]

    def run(self, statement: str) -> None:
        worker = Database(self.made.worker_url, application_name="test")
        with worker.transaction() as tx:
            execute(tx, statement)
        worker.close()


@pytest.fixture
def rebuilt(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Rebuilt]:
    """Ada came once; of her payment the bus knows nothing."""
    made = Rebuilt(service_database("scoring"))
    made.log.watermark(NOON - HOUR)
    made.log.activity(ADA, "completed", NOON.date(), NOON)
    made.log.watermark(NOON)
    made.read()
    yield made
    made.api.close()


def test_the_old_tier_answers_until_the_last_fact_has_come(rebuilt: Rebuilt) -> None:
    """The worker is killed after each record; live facts come in between."""
    before = rebuilt.answer()
    assert (before["rebuilding"], before["inputs_complete"], before["version"]) == (False, True, 1)
    steps: list[Callable[[], None]] = [
        lambda: rebuilt.log.opening(ADA, NEXT, 2, NOON),
        lambda: rebuilt.fact("completed", 1),
        lambda: rebuilt.fact("settled", 3, amount_minor=20_000),
        lambda: rebuilt.log.watermark(NOON + HOUR),
        lambda: rebuilt.fact("completed", 4),
    ]
    for step in steps:
        step()
        rebuilt.read()
        answer = rebuilt.answer()
        assert answer | {"as_of": before["as_of"]} == before | {"rebuilding": True}
    rebuilt.fact("settled", 2, amount_minor=30_000)
    rebuilt.read()
    after = rebuilt.answer()
    assert (after["rebuilding"], after["inputs_complete"]) == (False, True)
    assert (after["version"], after["tier"] != before["tier"]) == (2, True)
    assert rebuilt.reasons() == [("activity", "live"), ("rebuild", "backfill")]
    values = {line["input"]: line["value"] for line in after["explanation"]}
    assert values["settled_less_refunded_minor"] == "50000"
    rebuilt.log.activity(ADA, "settled", NOON.date(), NOON, sequence=2, amount_minor=1)
    rebuilt.read()
    assert rebuilt.answer() == after


def test_after_an_hour_the_inputs_are_not_complete_and_somebody_is_told(rebuilt: Rebuilt) -> None:
    rebuilt.log.opening(ADA, NEXT, 3, NOON)
    rebuilt.fact("completed", 1)
    rebuilt.fact("completed", 3)
    rebuilt.read()
    assert rebuilt.answer()["inputs_incomplete"] == []
    rebuilt.run(SINCE)
    age = GenerationAge(rebuilt.api, GROUP, OLDEST)
    age()
    assert GENERATION_OLDEST_SECONDS.labels(GROUP)._value.get() > 7_000
    answer = rebuilt.answer()
    assert answer["inputs_incomplete"] == [{"reason": "rebuilding", "since_sequence": 2}]
    assert (answer["rebuilding"], answer["version"]) == (True, 1)
    rebuilt.fact("completed", 2)
    rebuilt.read()
    answer = rebuilt.answer()
    assert (answer["rebuilding"], answer["inputs_complete"]) == (False, True)
    age()
    assert GENERATION_OLDEST_SECONDS.labels(GROUP)._value.get() == 0
    with rebuilt.api.transaction("harbour") as tx:
        assert fetch_value(tx, "SELECT count(*) FROM next_generation") == 0
