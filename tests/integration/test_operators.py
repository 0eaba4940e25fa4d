"""Each service, put together by its bootstrap, gives operators the same handles."""

import base64
import json
import os
from collections.abc import Callable

import pytest

from ingestion_service import bootstrap as ingestion
from outreach_service import bootstrap as outreach
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.metrics import UNKNOWN_MESSAGES
from scoring_service import bootstrap as scoring
from tests.support.access_matrix.world import running
from tests.support.servers.app_calls import ask

pytestmark = pytest.mark.integration
KEY = base64.b64encode(b"k" * 32).decode()
SERVICES = {
    "ingestion": (ingestion.COMMANDS, ingestion.build_api, ingestion.IngestionSettings),
    "scoring": (scoring.COMMANDS, scoring.build_api, scoring.ScoringSettings),
    "outreach": (outreach.COMMANDS, outreach.build_api, outreach.OutreachSettings),
}
TOPICS = {
    "ingestion": "source.bookings.v1",
    "scoring": "client-activity.v1",
    "outreach": "tier-changes.v1",
}
WHY = ("--why", "a test", "--by", "ann")


@pytest.fixture(params=sorted(SERVICES))
def service(
    request: pytest.FixtureRequest,
    service_database: Callable[[str], ServiceDatabase],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The service's name; the environment is that of its worker."""
    name: str = request.param
    urls = service_database(name)
    monkeypatch.setenv("RAPPORT_DATABASE_URL", urls.worker_url)
    monkeypatch.setenv("API_URL", urls.api_url)
    monkeypatch.setenv("RAPPORT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("RAPPORT_CURSOR_SECRET", "for this test alone")
    monkeypatch.setenv("RAPPORT_CONTACT_KEYS", json.dumps({"k1": KEY}))
    monkeypatch.setenv("RAPPORT_CONTACT_ACTIVE_KEY", "k1")
    monkeypatch.setenv("RAPPORT_CONTACT_INDEX_KEY", KEY)
    monkeypatch.setenv("RAPPORT_RECORD_KEYS", json.dumps({"k1": KEY}))
    monkeypatch.setenv("RAPPORT_RECORD_ACTIVE_KEY", "k1")
    return name


def test_the_commands_work_where_a_worker_runs(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, _, _ = SERVICES[service]
    topic = TOPICS[service]
    assert commands["pause"](["topic", topic, *WHY]) == 0
    assert commands["pause"](["worker", "*", *WHY]) == 0
    assert commands["resume"](["worker", "*", *WHY]) == 0
    assert commands["pauses"]([]) == 0
    assert commands["audit"]([]) == 0
    assert commands["letters"](["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines[:4]] == [
        f"topic {topic}: paused",
        "worker *: paused",
        "worker *: resumed",
        "topic",
    ]
    assert [line.split("\t")[2] for line in lines[4:]] == ["pause", "pause", "resume"]


def test_nothing_is_skipped_where_the_group_has_no_position(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, _, _ = SERVICES[service]
    topic = TOPICS[service]
    assert commands["skip"]([topic, "0", "7", "--confirm", *WHY]) == 2
    assert capsys.readouterr().err == f"{service}-service has no position in {topic}/0\n"


def test_a_practice_is_paused_in_outreach_and_elsewhere_refused_with_the_reason(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, _, _ = SERVICES[service]
    assert commands["pause"](["practice", "harbour", *WHY]) == 2
    error = capsys.readouterr().err
    if service == "outreach":
        assert error == "no such practice is known here\n"
    else:
        assert "pause the practice in outreach" in error


def test_the_api_offers_the_same_and_tells_prometheus(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, build_api, settings = SERVICES[service]
    UNKNOWN_MESSAGES.clear()  # of another service, in this process
    commands["pause"](["topic", TOPICS[service], *WHY])
    capsys.readouterr()
    monkeypatch.setenv("RAPPORT_DATABASE_URL", os.environ["API_URL"])
    with running(build_api(settings.from_environment())) as app:  # type: ignore[arg-type]
        paths = ask(app, "GET", "/openapi.json").json()["paths"]
        metrics = ask(app, "GET", "/metrics").text
    assert {"/v1/pauses", "/v1/pauses/resume", "/v1/audit", "/v1/dead-letters"} <= paths.keys()
    assert f'rapport_pauses{{group="{service}-service",kind="topic"}} 1.0' in metrics
    assert f'rapport_workers{{group="{service}-service",state="live"}} 0.0' in metrics
    unknown = 'rapport_unknown_messages{group="outreach-service"} 0.0' in metrics
    assert unknown is (service == "outreach")
