"""The topic table holds together, and a key's partition never moves."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts.catalogue import CANONICAL, SOURCE
from rapport_contracts.topics import TOPICS, Topic, partition_of

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


@pytest.mark.parametrize(
    ("key", "partitions", "partition"),
    [
        # CRC-32 as published: "123456789" is 0xCBF43926, "" is 0, "a" is 0xE8B7BE43
        pytest.param("123456789", 4, 0xCBF43926 % 4, id="the check value of CRC-32"),
        pytest.param("123456789", 7, 0xCBF43926 % 7, id="another count of partitions"),
        pytest.param("a", 100, 0xE8B7BE43 % 100, id="one letter"),
        pytest.param("mei-of-crane-hill", 4, 2, id="Mei of Crane Hill"),
        pytest.param("老薄", 4, 1, id="a Chinese key, by its UTF-8 bytes"),
        pytest.param("", 4, 0, id="an empty key"),
    ],
)
def test_a_keys_partition_is_stable(key: str, partitions: int, partition: int):
    assert partition_of(key, partitions) == partition


@given(key=st.text(st.characters(exclude_categories=["Cs"])), partitions=st.integers(1, 1000))
def test_a_partition_is_one_of_the_topics(key: str, partitions: int):
    assert 0 <= partition_of(key, partitions) < partitions


def test_a_clients_records_meet_in_one_partition_number_on_every_topic():
    counts = {topic.partitions for topic in TOPICS if topic.retention_ms is not None}
    assert len(counts) == 1


@each_topic
def test_a_topic_has_a_name_with_a_major_version_writers_readers_and_a_sentence(topic: Topic):
    assert re.fullmatch(r"[a-z]+([.-][a-z]+)*\.v[1-9][0-9]*", topic.name)
    assert topic.writers
    assert topic.readers
    assert topic.content


@each_topic
def test_only_what_is_as_it_is_now_is_compacted(topic: Topic):
    assert (topic.retention_ms is None) == (topic.key in {"practice id", "key id"})


def test_names_are_unique_and_every_topic_carries_events():
    names = [topic.name for topic in TOPICS]
    assert len(names) == len(set(names))
    assert set(names) == CANONICAL.keys() | SOURCE.keys()
    assert all({**CANONICAL, **SOURCE}.values())
