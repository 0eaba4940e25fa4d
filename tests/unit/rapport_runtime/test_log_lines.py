"""The lines that our own modules write: they go by our own logger, so they keep their fields."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kafka
import kafka.errors
import pytest

from rapport_runtime import logs
from rapport_runtime.bus.kafka import KafkaConsumer, KafkaOptions, TopicPlan, ensure_topics
from rapport_runtime.bus.kafka import client as client_module
from rapport_runtime.bus.kafka import consumer as consumer_module
from rapport_runtime.bus.kafka.client import close_quietly
from rapport_runtime.bus.port import TopicPartition
from tests.support.doubles.log_lines import captured_lines
from tests.support.places import REPOSITORY

OPTIONS = KafkaOptions(bootstrap_servers="nowhere:1", client_id="test", topic_prefix="toy.")
HERE = kafka.TopicPartition("toy.topic.v1", 0)


class Refusing:
    """A client of kafka-python whose broker refuses what is asked of it."""

    _fetcher = SimpleNamespace(_parse_fetched_data=None)

    def __init__(self, **_: Any) -> None: ...

    def subscribe(self, **_: Any) -> None: ...

    def assignment(self) -> set[Any]:
        return {HERE}

    def commit(self, _offsets: Any, **_: Any) -> None:
        raise kafka.errors.CommitFailedError

    def create_topics(self, _topics: Any) -> None:
        raise kafka.errors.TopicAlreadyExistsError

    def wait_for_topics(self, _names: list[str], _timeout_ms: int) -> None: ...

    def describe_topics(self, names: list[str]) -> list[Any]:
        partition = {"replica_nodes": [1]}
        return [{"name": name, "error_code": 0, "partitions": [partition]} for name in names]

    def describe_configs(self, resources: list[Any], **_: Any) -> dict[str, Any]:
        return {"topic": {each.name: {"min.insync.replicas": {"value": "1"}} for each in resources}}

    def poll(self, *_: Any, **__: Any) -> dict[Any, Any]:
        return {}

    def close(self, **_: Any) -> None:
        raise kafka.errors.KafkaTimeoutError


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> KafkaConsumer:
    monkeypatch.setattr(kafka, "KafkaConsumer", Refusing)
    return KafkaConsumer(OPTIONS, "group", ["topic.v1"])


def test_a_refused_group_commit_names_its_error(consumer: KafkaConsumer) -> None:
    with captured_lines() as lines:
        assert not consumer.commit_to_group({TopicPartition("topic.v1", 0): 7})
    assert lines == [
        {"event": "group_commit_refused", "error": "CommitFailedError", "log_level": "warning"}
    ]


def test_a_consumer_that_is_rebuilt_names_its_group(
    consumer: KafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "REBUILD_SECONDS", 0.0)
    monkeypatch.setattr(consumer_module, "FRESH_SECONDS", 0.0)
    with captured_lines() as lines:
        consumer.poll(0.0, 1)
    rebuilt, closed = lines
    assert (rebuilt["event"], rebuilt["group"]) == ("stuck_consumer_rebuilt", "toy.group")
    assert closed["event"] == "kafka_client_close_failed"


def test_a_topic_that_exists_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Admin(Refusing):
        def close(self, **_: Any) -> None: ...

    monkeypatch.setattr(client_module, "KafkaAdminClient", Admin)
    with captured_lines() as lines:
        ensure_topics(OPTIONS, [TopicPlan(name="topic.v1", partitions=1)])
    assert lines == [{"event": "topic_exists", "topic": "toy.topic.v1", "log_level": "info"}]


def test_a_client_that_cannot_be_closed_is_told_with_its_error() -> None:
    with captured_lines() as lines:
        close_quietly(Refusing().close)
    assert lines == [
        {"event": "kafka_client_close_failed", "exc_info": True, "log_level": "warning"}
    ]


def sources() -> Iterator[Path]:
    for members in ("libs", "services"):
        yield from (REPOSITORY / members).glob("*/src/**/*.py")


def foreign_loggers(source: str) -> list[int]:
    """The lines of a module that make or import a logger of `logging` for more than its level."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    levels = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr == "setLevel"]
    made = [n for n in nodes if _makes_logger(n) and n not in levels]
    imported = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "logging"]
    return [node.lineno for node in (*made, *imported)]  # type: ignore[attr-defined]


def _makes_logger(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in {"getLogger", "Logger"}


def test_no_module_of_ours_writes_lines_by_the_standard_librarys_logger() -> None:
    found = {
        str(path.relative_to(REPOSITORY)): lines
        for path in sources()
        if path != Path(logs.__file__) and (lines := foreign_loggers(path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import logging\nlog = logging.getLogger(__name__)", [2]),
        ("import logging as standard\nstandard.Logger('ours').info('told')", [2]),
        ("from logging import getLogger", [1]),
        ("import logging\nlogging.getLogger('httpx').setLevel(logging.WARNING)", []),
    ],
)
def test_a_standard_logger_is_found_unless_it_only_sets_a_level(
    source: str, lines: list[int]
) -> None:
    assert foreign_loggers(source) == lines
