"""A worker that ends by an error nobody foresaw ends as a whole, with what runs side_task it."""

import threading
from typing import Any, ClassVar

import pytest

from rapport_runtime import cli
from rapport_runtime.cli import Job, work
from rapport_runtime.database import Database
from rapport_runtime.settings import ServiceSettings
from rapport_runtime.stream.worker import Heartbeat


class Settings(ServiceSettings):
    """Of a service that does nothing."""

    service: ClassVar[str] = "toy"


class Broken:
    """A worker that fails in its first turn."""

    def __init__(self, **_: Any) -> None:
        self.heartbeat = Heartbeat()

    def run(self, _stop: threading.Event) -> int:
        raise RuntimeError("nobody foresaw it")


def test_what_runs_beside_a_worker_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()

    def side_task(stop: threading.Event) -> None:
        if stop.wait(20):
            told.set()

    monkeypatch.setattr(cli, "Worker", Broken)
    monkeypatch.setattr(cli, "KafkaConsumer", lambda *_: None)
    monkeypatch.setattr(cli.gc_tuning, "tune_gc", lambda: None)
    settings = Settings(database_url="postgresql://x@127.0.0.1/x", kafka_bootstrap_servers="x:1")
    database = Database("postgresql://x@127.0.0.1/x", application_name="test")
    job = Job(group="g", topics=["t"], side_task=side_task)
    with pytest.raises(RuntimeError, match="nobody foresaw it"):
        work(settings, database, object(), job, threading.Event())
    assert told.wait(5)
