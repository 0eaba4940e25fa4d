"""A key that ingestion has made holds at all three APIs, as long as these hear of keys."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from ingestion_service.bootstrap import COMMANDS, build_marks
from outreach_service.bootstrap import build_api as build_outreach
from outreach_service.ports import GROUP as OUTREACH
from outreach_service.settings import OutreachSettings
from rapport_contracts import topics
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database
from rapport_runtime.errors import TryLater
from scoring_service.bootstrap import build_api as build_scoring
from scoring_service.bootstrap import rulebook_source
from scoring_service.ports import GROUP as SCORING
from scoring_service.settings import ScoringSettings
from tests.support.access_matrix.ingestion import ingestion
from tests.support.access_matrix.world import (
    PRACTICE,
    ApiWorld,
    common_settings,
    read_keys,
    running,
    service_database,
)
from tests.support.worlds.outreach import KEY, OutreachWorld, playbook
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
SCOPES = ["clients:read", "tiers:read", "messages:read"]
READS = {
    "ingestion": "/v1/clients",
    "scoring": f"/v1/clients/{'0' * 32}/tier",
    "outreach": "/v1/messages",
}


class House:
    """The three APIs, ingestion's relay, and the workers of the two that read it."""

    def __init__(self, stack: ExitStack, postgres: Postgres) -> None:
        url = postgres.url()
        self.ingestion = stack.enter_context(ingestion(url))
        scoring = stack.enter_context(service_database(url, "scoring"))
        outreach = stack.enter_context(service_database(url, "outreach"))
        settings = ScoringSettings(**common_settings(scoring))
        log = Log()
        log.bus.create(topics.OUTREACH_EVENTS.name, topics.OUTREACH_EVENTS.partitions)
        self.bus: MemoryBus = log.bus
        self._scoring = ScoringWorld(log, scoring, rulebook_source(settings), records=1000)
        stack.callback(self._scoring.close)
        self._outreach = OutreachWorld(outreach, playbook(directions=["entered"]), {})
        stack.callback(self._outreach.close)
        worker = Database(self.ingestion.urls.worker_url, application_name="test-relay")
        stack.callback(worker.close)
        self._worker = worker
        keys = {"contact_keys": {"k1": KEY}, "contact_active_key": "k1", "contact_index_key": KEY}
        apps = {
            "scoring": (build_scoring(settings), scoring),
            "outreach": (
                build_outreach(OutreachSettings(**common_settings(outreach), **keys)),
                outreach,
            ),
        }
        self.apis = {"ingestion": self.ingestion} | {
            name: ApiWorld(name, stack.enter_context(running(app)), urls)
            for name, (app, urls) in apps.items()
        }

    def now_is(self, instant: datetime) -> None:
        """Let outreach's time reach an instant."""
        self._outreach.now_is(instant)

    def pass_on(self) -> None:
        """Publish what ingestion has written, with a mark of time, and read it in both workers."""
        build_marks(self._worker, self.bus).drain()
        for place, records in self.bus.logs.items():
            if place.topic == topics.KEYS.name:
                copies = self._outreach.bus.logs[place]
                for record in records[len(copies) :]:
                    self._outreach.bus.append(*place, record.key, record.value)
        self._scoring.read_all()
        while self._outreach._behind():
            self._outreach.loop.turn(threading.Event())

    def hear_nothing(self, minutes: int) -> None:
        """So long ago the two have heard of keys for the last time."""
        for name, group in (("scoring", SCORING), ("outreach", OUTREACH)):
            read_keys(self.apis[name].urls, group, minutes_ago=minutes)

    def statuses(self, key: str) -> dict[str, int]:
        """What each API answers to a read with this key; what it remembers of keys is forgotten."""
        for api in self.apis.values():
            api.app.state.keys._known.clear()
        return {
            name: api.call("GET", READS[name], key).status_code for name, api in self.apis.items()
        }

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """As ingestion's operator; must succeed."""
        answer = self.ingestion.call(method, path, self.ingestion.keys["operator"], **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def told(self) -> list[str]:
        """What stands on the topic, the marks of time aside."""
        return [
            (record.value or b"").decode()
            for place, records in self.bus.logs.items()
            if place.topic == topics.KEYS.name
            for record in records
            if record.key != b"watermark"
        ]

    def make(self) -> Any:
        body = {"practice_id": PRACTICE, "scopes": SCOPES, "label": "till"}
        return self.ask("POST", "/v1/keys", json=body)


@pytest.fixture(scope="module")
def house(postgres: Postgres) -> Iterator[House]:
    with ExitStack() as stack:
        made = House(stack, postgres)
        made.pass_on()
        yield made


HELD = {"ingestion": 200, "scoring": 404, "outreach": 200}
"""The key is let in; scoring has no such client."""
ENDED = dict.fromkeys(HELD, 401)


def test_one_key_holds_at_all_three_until_it_is_revoked(house: House) -> None:
    made = house.make()
    assert house.statuses(made["key"]) == ENDED | {"ingestion": 200}
    house.pass_on()
    assert house.statuses(made["key"]) == HELD
    said = [api.call("GET", "/v1/me", made["key"]).json() for api in house.apis.values()]
    assert said[0] == said[1] == said[2]
    assert said[0]["key_id"] == made["key_id"]
    house.ask("DELETE", f"/v1/keys/{made['key_id']}")
    house.pass_on()
    assert house.statuses(made["key"]) == ENDED


def test_who_hears_nothing_of_keys_for_15_minutes_lets_none_in(house: House) -> None:
    """Ingestion, its database or the bus may be away: what was read holds for so long, and then a
    key may have been revoked, as this one was."""
    made, other = house.make(), house.make()
    house.pass_on()
    house.ask("DELETE", f"/v1/keys/{made['key_id']}")
    house.hear_nothing(minutes=14)
    assert house.statuses(made["key"]) == HELD | {"ingestion": 401}
    house.hear_nothing(minutes=16)
    closed = {"scoring": 503, "outreach": 503}
    assert house.statuses(made["key"]) == {"ingestion": 401, **closed}
    assert house.statuses(other["key"]) == {"ingestion": 200, **closed}
    house.pass_on()
    assert house.statuses(made["key"]) == ENDED
    assert house.statuses(other["key"]) == HELD


def test_time_is_told_without_a_change_and_not_before_what_waits(house: House) -> None:
    made = house.make()
    house.hear_nothing(minutes=16)
    house.bus.down = True
    with pytest.raises(TryLater):
        house.pass_on()
    house.bus.down = False
    assert house.statuses(made["key"])["scoring"] == 503
    house.pass_on()
    assert house.statuses(made["key"]) == HELD
    house.hear_nothing(minutes=16)
    house.pass_on()
    assert house.statuses(made["key"]) == HELD


def test_a_rotated_key_and_its_successor_hold_everywhere(house: House) -> None:
    old = house.make()
    new = house.ask("POST", f"/v1/keys/{old['key_id']}/rotate", json={"old_ends_in_hours": 1})
    ended = house.ask("POST", f"/v1/keys/{new['key_id']}/rotate", json={"old_ends_in_hours": 0})
    house.pass_on()
    assert house.statuses(old["key"]) == HELD
    assert house.statuses(new["key"]) == ENDED
    assert house.statuses(ended["key"]) == HELD


def test_a_key_that_the_command_made_holds_everywhere(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", house.ingestion.urls.owner_url)
    monkeypatch.setenv("RAPPORT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    command: Callable[..., int] = COMMANDS["keys"]
    assert command(["create", "--practice", PRACTICE, "--scopes", ",".join(SCOPES)]) == 0
    key = capsys.readouterr().out.strip()
    house.pass_on()
    assert house.statuses(key) == HELD
    assert command(["revoke", key.split("_")[1]]) == 0
    house.pass_on()
    assert house.statuses(key) == ENDED


def test_all_keys_can_be_told_once_more(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after the topic was lost."""
    made = house.make()
    house.pass_on()
    before = len(house.told())
    monkeypatch.setenv("RAPPORT_DATABASE_URL", house.ingestion.urls.owner_url)
    monkeypatch.setenv("RAPPORT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    assert COMMANDS["keys"](["publish"]) == 0
    listed = house.ask("GET", "/v1/keys?limit=1000")["items"]
    assert capsys.readouterr().out == f"{len(listed)} keys\n"
    house.pass_on()
    assert len(house.told()) == before + len(listed)
    assert house.statuses(made["key"]) == HELD


def test_nothing_on_the_bus_opens_a_door(house: House) -> None:
    made = house.make()
    house.pass_on()
    key_id, secret = made["key"].split("_", 2)[1:]
    told = [value for value in house.told() if key_id in value]
    assert told
    assert not [value for value in told if secret in value]
    digest = told[-1].partition('"secret_sha256":"')[2][:64]
    for guess in (digest, f"rk_{key_id}_{digest}", f"rk_{key_id}_{digest[:43]}"):
        assert house.statuses(guess) == ENDED
