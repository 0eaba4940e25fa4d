"""A worker's process: its probes from the start, and its end as a whole, with its side task."""

import threading
from typing import Any, ClassVar

import httpx
import pytest

from rapport_runtime.database import Database
from rapport_runtime.errors import TryLater
from rapport_runtime.settings import ServiceSettings
from rapport_runtime.stream import process
from rapport_runtime.stream.process import Job, WorkerProcess
from rapport_runtime.stream.worker import Heartbeat


class Settings(ServiceSettings):
    """The settings of a service that does nothing."""

    service: ClassVar[str] = "toy"


SETTINGS = Settings(
    environment="development",
    database_url="postgresql://x@127.0.0.1/x",
    kafka_bootstrap_servers="127.0.0.1:1",
)


class Broken:
    """A worker that fails in its first turn."""

    def __init__(self, **_: Any) -> None:
        self.heartbeat = Heartbeat()

    def run(self, _stop: threading.Event, _before_reading: object) -> int:
        raise RuntimeError("unexpected")


def test_a_side_task_ends_with_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def side_task(stop: threading.Event) -> None:
        if stop.wait(20):
            ended.set()

    monkeypatch.setattr(process, "Worker", Broken)
    monkeypatch.setattr(process, "KafkaConsumer", lambda *_: object())
    monkeypatch.setattr(process.gc_tuning, "tune_gc", lambda: None)
    stop = threading.Event()
    database = Database("postgresql://x@127.0.0.1/x", application_name="test")
    job = Job(group="g", topics=["t"], side_task=side_task)
    with pytest.raises(RuntimeError, match="unexpected"):
        WorkerProcess(SETTINGS, stop).run(database, object(), job, lambda: None)
    assert ended.wait(5)


class Done(Broken):
    """A worker that comes to its end."""

    def run(self, _stop: threading.Event, _before_reading: object) -> int:
        return 0


@pytest.fixture
def never_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.gc_tuning, "tune_gc", lambda: None)


@pytest.mark.usefixtures("never_tuned")
@pytest.mark.parametrize("stops", [False, True])
def test_a_worker_waits_for_brokers_that_went_away_since_it_looked(
    monkeypatch: pytest.MonkeyPatch, *, stops: bool
) -> None:
    """Until they answer, or until it is told to stop."""
    stop, answers, made = threading.Event(), iter([False, False, True]), []

    def consumer(*_: object) -> object:
        if not next(answers):
            if stops:
                stop.set()
            raise TryLater("Unable to bootstrap")
        return object()

    monkeypatch.setattr(process, "KafkaConsumer", consumer)
    monkeypatch.setattr(process, "CONNECT_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(process, "Worker", lambda **parts: made.append(parts) or Done())
    database = Database("postgresql://x@127.0.0.1/x", application_name="test")
    subject = WorkerProcess(SETTINGS, stop)
    assert subject.run(database, object(), Job(group="g", topics=["t"]), lambda: None) == 0
    assert len(made) == (0 if stops else 1)


def test_a_worker_that_has_not_looked_yet_is_alive_and_not_ready() -> None:
    stop = threading.Event()
    subject = WorkerProcess(SETTINGS, stop)
    url = f"http://127.0.0.1:{subject.port}"
    assert httpx.get(f"{url}/healthz").status_code == 200
    waiting = httpx.get(f"{url}/readyz")
    assert waiting.status_code == 503
    assert waiting.json()["reasons"]["progress"].endswith("were not looked at yet")
    for server in ("broker", "database"):
        subject.waits_for(server)
        told = httpx.get(f"{url}/readyz").json()["reasons"]["progress"]
        assert told.endswith(f"not looked at yet: waits for the {server}")
    stop.set()
