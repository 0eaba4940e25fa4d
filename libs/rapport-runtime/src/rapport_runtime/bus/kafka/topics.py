"""The topics on a cluster: made where they are missing, checked where they exist."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import kafka.errors
from kafka.admin import ConfigResource, NewTopic

from rapport_runtime.bus.kafka.client import (
    ASK_TIMEOUT_MS,
    SET_UP_TIMEOUT_MS,
    KafkaOptions,
    admin_client,
    close_quietly,
)
from rapport_runtime.bus.port import Topic
from rapport_runtime.errors import TopicsDiffer, TryLater
from rapport_runtime.logs import get_logger

log = get_logger(__name__)

_MIN_ISR = "min.insync.replicas"
_NOT_CHECKED = {"retention.ms"}
"""An operator may keep records for longer, or for less when the disk is nearly full."""


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """A topic of no contract, such as a test's."""

    name: str
    partitions: int
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def ensure_topics(
    options: KafkaOptions, topics: Sequence[Topic], *, replication_factor: int = 1
) -> None:
    """Create the topics that are missing, and check those that exist.

    Raises `TopicsDiffer` when one that exists is not as it must be, and `TryLater` when the brokers
    refuse or give no answer.
    """
    try:
        _ensure(options, topics, replication_factor)
    except kafka.errors.KafkaError as error:
        raise TryLater(repr(error)) from error


def _ensure(options: KafkaOptions, topics: Sequence[Topic], replication_factor: int) -> None:
    admin = admin_client(options, SET_UP_TIMEOUT_MS)
    try:
        existing = [
            topic for topic in topics if not _create(admin, options, topic, replication_factor)
        ]
        names = [options.topic_prefix + topic.name for topic in topics]
        admin.wait_for_topics(names, SET_UP_TIMEOUT_MS)  # a broker lists a new one a moment later
        _check(admin, options, existing)
    finally:
        close_quietly(admin.close)


def check_topics(options: KafkaOptions, topics: Sequence[Topic]) -> None:
    """Compare partitions and settings of the topics with those that they must have.

    Raises `TopicsDiffer` when some are not as they must be, and `TryLater` when one is missing or
    the brokers give no answer.
    """
    try:
        admin = admin_client(options, ASK_TIMEOUT_MS)
        try:
            _check(admin, options, topics)
        finally:
            close_quietly(admin.close)
    except kafka.errors.KafkaError as error:
        raise TryLater(repr(error)) from error


def settings_of(topic: Topic, replicas: int) -> dict[str, str]:
    """The topic's settings, by Kafka's names, where each partition has so many replicas.

    From three replicas on, two must have a record before it counts as written: it then outlives
    any one of them. With two replicas that would stop every writer when one broker is down.
    """
    return {**topic.settings, _MIN_ISR: "2" if replicas >= 3 else "1"}


def _create(admin: Any, options: KafkaOptions, topic: Topic, replicas: int) -> bool:
    """Whether the topic was missing."""
    name, settings = options.topic_prefix + topic.name, settings_of(topic, replicas)
    try:
        admin.create_topics([NewTopic(name, topic.partitions, replicas, topic_configs=settings)])
    except kafka.errors.TopicAlreadyExistsError:
        log.info("topic_exists", topic=name)
        return False
    return True


def _check(admin: Any, options: KafkaOptions, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    names = [options.topic_prefix + topic.name for topic in topics]
    found = {each["name"]: each for each in admin.describe_topics(names)}
    resources = [ConfigResource("TOPIC", name) for name in names]
    settings = admin.describe_configs(resources, config_filter="all")["topic"]
    wrong: list[str] = []
    for name, topic in zip(names, topics, strict=True):
        if found[name]["error_code"]:
            raise TryLater(f"{name} is missing on the brokers, or this log-in may not see it")
        if not settings[name]:
            raise TryLater(f"{name}: this log-in may not read its settings (DescribeConfigs)")
        values = {key: each["value"] for key, each in settings[name].items()}
        partitions = found[name]["partitions"]
        wrong += _differences(options.bootstrap_servers, name, topic, partitions, values)
    if wrong:
        raise TopicsDiffer("\n".join(wrong))


def _differences(
    bootstrap: str, name: str, topic: Topic, partitions: Sequence[Any], values: Mapping[str, str]
) -> Iterator[str]:
    """What is wrong with a topic, and the commands that mend it."""
    if len(partitions) != topic.partitions:
        yield (
            f"{name} has {len(partitions)} partitions, must have {topic.partitions}: as long as"
            f" nothing was written to it, kafka-topics.sh --bootstrap-server {bootstrap}"
            f" --delete --topic {name}, and the command `topics` again"
        )
    replicas = min(len(each["replica_nodes"]) for each in partitions)
    wrong = {
        key: value
        for key, value in settings_of(topic, replicas).items()
        if not _is_right(key, value, values, replicas)
    }
    if wrong:
        found = ", ".join(
            f"{key} is {values.get(key)}, must be {value}" for key, value in wrong.items()
        )
        mended = ",".join(f"{key}={value}" for key, value in wrong.items())
        yield (
            f"{name}: {found}: kafka-configs.sh --bootstrap-server {bootstrap} --alter"
            f" --entity-type topics --entity-name {name} --add-config {mended}"
        )


def _is_right(key: str, wanted: str, values: Mapping[str, str], replicas: int) -> bool:
    if key in _NOT_CHECKED:
        return True
    if key == _MIN_ISR:  # more is safer, and more than there are lets nobody write
        return int(wanted) <= int(values[key]) <= replicas
    return values.get(key) == wanted
