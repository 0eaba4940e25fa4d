"""Topics are made as the contracts say, and those that exist already are checked."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

import kafka.errors
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, NewTopic

from rapport_contracts.topics import PRACTICES, SOURCE_BOOKINGS, TOPICS, Topic
from rapport_devkit.kafka import Kafka
from rapport_runtime.bus.kafka import KafkaOptions, check_topics, ensure_topics
from rapport_runtime.bus.port import Topic as AnyTopic
from rapport_runtime.errors import TopicsDiffer, TryLater

pytestmark = pytest.mark.integration
FEW = [dataclasses.replace(topic, partitions=1) for topic in TOPICS]
"""The contracts' topics with one partition each."""
BOOKINGS, CHANGES = (
    next(topic for topic in FEW if topic.name == name)
    for name in (SOURCE_BOOKINGS.name, PRACTICES.name)
)

COMPACTED = {"practices.v1", "keys.v1"}
SHORT = {"source.care.v1", "source.signals.v1"}
"""The topics that keep the last record of each key, for ever."""


@pytest.fixture
def options(kafka: Kafka, topic_prefix: str) -> KafkaOptions:
    return KafkaOptions(
        bootstrap_servers=kafka.bootstrap, client_id="test", topic_prefix=topic_prefix
    )


@pytest.fixture
def admin(kafka: Kafka) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    yield client
    client.close()


def make(
    admin: KafkaAdminClient, options: KafkaOptions, topic: Topic, wrong: Mapping[str, str]
) -> None:
    """The topic as the contracts say, but for what is `wrong`."""
    name = options.topic_prefix + topic.name
    settings = {**topic.settings, **wrong}
    new = NewTopic(name, topic.partitions, 1, topic_configs=settings)
    admin.create_topics([new], wait_for_metadata=True)


def faults(options: KafkaOptions, topics: Sequence[AnyTopic]) -> str:
    """What the check says is wrong, the same when the topics would be made."""
    with pytest.raises(TopicsDiffer) as by_worker:
        check_topics(options, topics)
    with pytest.raises(TopicsDiffer) as by_command:
        ensure_topics(options, topics)
    assert str(by_worker.value) == str(by_command.value)
    return str(by_worker.value)


def test_every_topic_is_made_with_the_settings_of_the_contracts(
    admin: KafkaAdminClient, options: KafkaOptions
) -> None:
    ensure_topics(options, FEW)
    for topic in FEW:
        resource = ConfigResource("TOPIC", options.topic_prefix + topic.name)
        found = admin.describe_configs([resource])["topic"][resource.name]
        kept = {"cleanup.policy": "compact"}
        if topic.name not in COMPACTED:
            days = 7 if topic.name in SHORT else 30
            kept = {"cleanup.policy": "delete", "retention.ms": str(days * 24 * 3600 * 1000)}
        assert {name: each["value"] for name, each in found.items()} == {
            **kept,
            "message.timestamp.type": "LogAppendTime",
            "compression.type": "uncompressed",
            "min.insync.replicas": "1",
        }


def test_topics_that_are_as_they_must_be_pass_the_check_again_and_again(
    options: KafkaOptions,
) -> None:
    for _ in range(2):
        ensure_topics(options, FEW)
        check_topics(options, FEW)


def test_a_longer_retention_is_the_operators_to_choose(
    admin: KafkaAdminClient, options: KafkaOptions
) -> None:
    make(admin, options, BOOKINGS, {"retention.ms": "-1"})
    ensure_topics(options, [BOOKINGS])
    check_topics(options, [BOOKINGS])


@pytest.mark.parametrize(
    ("topic", "setting", "found"),
    [
        pytest.param(BOOKINGS, "message.timestamp.type", "CreateTime", id="a stranger's clock"),
        pytest.param(BOOKINGS, "compression.type", "producer", id="any producer's compression"),
        pytest.param(BOOKINGS, "cleanup.policy", "compact,delete", id="compacted facts"),
        pytest.param(CHANGES, "cleanup.policy", "delete", id="practices that are forgotten"),
    ],
)
def test_a_wrong_setting_is_told_with_the_command_that_mends_it(
    admin: KafkaAdminClient, options: KafkaOptions, topic: Topic, setting: str, found: str
) -> None:
    make(admin, options, topic, {setting: found})
    name, wanted = options.topic_prefix + topic.name, topic.settings[setting]
    assert faults(options, [topic]) == (
        f"{name}: {setting} is {found}, must be {wanted}:"
        f" kafka-configs.sh --bootstrap-server {options.bootstrap_servers} --alter"
        f" --entity-type topics --entity-name {name} --add-config {setting}={wanted}"
    )
    mend(admin, faults(options, [topic]))
    check_topics(options, [topic])


def test_more_replicas_that_must_write_than_there_are_is_told(
    admin: KafkaAdminClient, options: KafkaOptions
) -> None:
    """The topic looks safer, and takes no record at all."""
    make(admin, options, BOOKINGS, {"min.insync.replicas": "2"})
    assert "min.insync.replicas is 2, must be 1" in faults(options, [BOOKINGS])
    mend(admin, faults(options, [BOOKINGS]))
    check_topics(options, [BOOKINGS])


def mend(admin: KafkaAdminClient, told: str) -> None:
    """Do what the command in the text does."""
    matched = re.search(r"--entity-name (\S+) --add-config (\S+)$", told)
    assert matched
    settings = dict(each.split("=") for each in matched[2].split(","))
    admin.alter_configs([ConfigResource("TOPIC", matched[1], settings)])


@pytest.mark.parametrize("count", [1, 3])
def test_a_wrong_number_of_partitions_is_told(
    admin: KafkaAdminClient, options: KafkaOptions, count: int
) -> None:
    make(admin, options, dataclasses.replace(BOOKINGS, partitions=count), {})
    told = faults(options, [dataclasses.replace(BOOKINGS, partitions=2)])
    name = options.topic_prefix + BOOKINGS.name
    assert told.startswith(f"{name} has {count} partitions, must have 2: ")
    assert f"--delete --topic {name}" in told


def test_all_that_is_wrong_is_told_at_once_a_line_for_each_topic(
    admin: KafkaAdminClient, options: KafkaOptions
) -> None:
    wrong = {"message.timestamp.type": "CreateTime", "compression.type": "gzip"}
    for topic in FEW:
        make(admin, options, topic, wrong)
    told = faults(options, FEW)
    for topic, line in zip(FEW, told.splitlines(), strict=True):
        name = options.topic_prefix + topic.name
        assert line.startswith(f"{name}: message.timestamp.type is CreateTime")
        assert line.endswith(",compression.type=uncompressed")
    assert told.count("compression.type is gzip, must be uncompressed") == len(FEW)


def test_a_topic_that_is_missing_is_waited_for(options: KafkaOptions) -> None:
    with pytest.raises(TryLater, match=f"{options.topic_prefix}{BOOKINGS.name} is missing"):
        check_topics(options, [BOOKINGS])


def test_a_batch_that_would_grow_in_its_readers_memory_is_refused(
    admin: KafkaAdminClient, options: KafkaOptions
) -> None:
    """Ten megabytes of zeros take some ten kilobytes on the way; only a broker that unpacks them
    can apply its limit to what a reader would hold."""
    ensure_topics(options, [BOOKINGS])
    unset = dataclasses.replace(BOOKINGS, name="source.unset.v1")
    make(admin, options, unset, {"compression.type": "producer"})
    producer = KafkaProducer(
        bootstrap_servers=options.bootstrap_servers,
        compression_type="gzip",
        max_request_size=2**24,
    )
    zeros = bytes(10_000_000)
    producer.send(options.topic_prefix + unset.name, zeros).get(30)  # taken without the setting
    with pytest.raises(kafka.errors.MessageSizeTooLargeError):
        producer.send(options.topic_prefix + BOOKINGS.name, zeros).get(30)
    producer.close()
