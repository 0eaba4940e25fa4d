"""Both buses, memory and Kafka, keep the same promises: what the loop and the relay rely on."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rapport_runtime.bus.port import Consumer, LogBounds, Outgoing, TopicPartition
from rapport_runtime.errors import LoopHalted, TryLater
from tests.support.servers import raw_batches
from tests.support.servers.buses import (
    AnyBus,
    InMemory,
    OnKafka,
    eventually,
    read,
    restore_new,
    settle,
)

T0, T1 = TopicPartition("things.v1", 0), TopicPartition("things.v1", 1)


@pytest.fixture(
    params=["memory", pytest.param("kafka", marks=pytest.mark.integration)],
)
def bus(request: pytest.FixtureRequest) -> Iterator[AnyBus]:
    made: AnyBus
    if request.param == "memory":
        made = InMemory()
    else:
        made = OnKafka(request.getfixturevalue("kafka").bootstrap)
    made.create("things.v1", 2)
    yield made
    made.close()


def test_delivers_nothing_before_the_seek_and_from_there_afterwards(bus: AnyBus) -> None:
    for word in (b"a", b"b", b"c"):
        bus.put(T0, word)
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    assert member.newly_assigned() == {T0, T1}
    assert read(member, 1, seconds=0.3) == {}
    member.seek(T0, 1)
    assert member.newly_assigned() == {T1}
    assert [record.value for record in read(member, 2)[T0]] == [b"b", b"c"]


def test_pause_silences_a_partition_until_the_next_seek(bus: AnyBus) -> None:
    bus.put(T0, b"a")
    bus.put(T1, b"b")
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    restore_new(member)
    member.pause(T0)
    assert set(read(member, 2, seconds=0.5)) == {T1}
    member.seek(T0, 0)
    assert set(read(member, 1)) == {T0}


def test_a_seek_back_delivers_again(bus: AnyBus) -> None:
    for word in (b"a", b"b"):
        bus.put(T0, word)
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    restore_new(member)
    assert len(read(member, 2)[T0]) == 2
    member.seek(T0, 0)
    assert [record.value for record in read(member, 2)[T0]] == [b"a", b"b"]


def test_a_kept_partition_is_noted_again_and_silent_until_it_is_sought(bus: AnyBus) -> None:
    for tp in (T0, T1):
        for word in (b"a", b"b"):
            bus.put(tp, word)
    first = bus.consumer("g", ["things.v1"])
    settle(first, want=2)
    restore_new(first)
    assert len(read(first, 4)) == 2
    second = bus.consumer("g", ["things.v1"])
    settle(first, second, want=2)
    (held,) = first.assignment()
    assert first.newly_assigned() == {held}
    assert read(first, 1, seconds=0.3) == {}
    first.seek(held, 0)
    assert [record.value for record in read(first, 2)[held]] == [b"a", b"b"]
    assert second.newly_assigned() == {T0, T1} - {held}


def test_a_member_that_closes_hands_over_at_once(bus: AnyBus) -> None:
    if isinstance(bus, OnKafka):  # no time-out may be what ends the first one's membership
        bus.options = replace(bus.options, session_timeout_ms=300_000, max_poll_interval_ms=300_000)
    first = bus.consumer("g", ["things.v1"])
    settle(first, want=2)
    second = bus.consumer("g", ["things.v1"])
    settle(first, second, want=2)
    first.close()
    settle(second, want=2, seconds=60)
    assert second.newly_assigned() == {T0, T1}


def test_a_seek_of_what_is_not_held_is_forgotten_quietly(bus: AnyBus) -> None:
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    member.seek(TopicPartition("things.v1", 1), 0)
    second = bus.consumer("g", ["things.v1"])
    settle(member, second, want=2)
    (foreign,) = second.assignment()
    member.seek(foreign, 7)
    member.pause(foreign)
    assert foreign not in member.newly_assigned()
    assert foreign not in member.assignment()


def test_several_topics_meet_by_partition_number(bus: AnyBus) -> None:
    bus.create("others.v1", 2)
    members = [bus.consumer("g", ["things.v1", "others.v1"]) for _ in range(2)]
    settle(*members, want=4)
    for member in members:
        held = member.assignment()
        assert {tp.topic for tp in held} == {"things.v1", "others.v1"}
        assert len({tp.partition for tp in held}) == 1


def test_knows_both_ends_of_the_log(bus: AnyBus) -> None:
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    assert member.end_offsets([T0, T1]) == {T0: 0, T1: 0}
    for _ in range(5):
        bus.put(T0, b"x")
    assert member.end_offsets([T0, T1]) == {T0: 5, T1: 0}
    assert member.first_offsets([T0]) == {T0: 0}
    bus.forget_before(T0, 3)
    assert eventually(lambda: member.first_offsets([T0]) == {T0: 3})
    assert member.end_offsets([T0]) == {T0: 5}


def test_a_position_before_the_log_halts_instead_of_skipping(bus: AnyBus) -> None:
    for _ in range(5):
        bus.put(T0, b"x")
    bus.forget_before(T0, 3)
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    restore_new(member, 0)
    with pytest.raises(LoopHalted):
        read(member, 1)


def test_a_position_beyond_the_log_halts_instead_of_waiting(bus: AnyBus) -> None:
    bus.put(T0, b"x")
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    restore_new(member, 9)
    with pytest.raises(LoopHalted):
        read(member, 1, seconds=5)


def test_a_topic_made_anew_has_another_id(bus: AnyBus) -> None:
    member = bus.consumer("g", ["things.v1"])
    known = member.topic_id("things.v1")
    assert member.topic_id("things.v1") == known
    assert bus.reader().topic_id("things.v1") == known
    bus.drop("things.v1")
    for asked in (member, bus.reader()):
        with pytest.raises(TryLater):
            asked.topic_id("things.v1")
    bus.create("things.v1", 2)
    assert eventually(lambda: _id_or_none(member) not in (None, known))


def test_publishes_to_the_partition_that_was_named_in_order(bus: AnyBus) -> None:
    producer = bus.producer()
    sent = [
        Outgoing("things.v1", number % 2, b"same key", str(number).encode()) for number in range(40)
    ]
    producer.publish(sent)
    producer.publish([Outgoing("things.v1", 1, b"k", b"last")])
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    restore_new(member)
    got = read(member, 41)
    assert [record.value for record in got[T0]] == [str(n).encode() for n in range(0, 40, 2)]
    assert [record.value for record in got[T1]][:-1] == [str(n).encode() for n in range(1, 40, 2)]
    assert got[T1][-1].value == b"last"
    assert got[T1][0].key == b"same key"
    assert [record.offset for record in got[T0]] == list(range(20))


def test_headers_keys_and_tombstones_arrive_as_they_were(bus: AnyBus) -> None:
    headers = (("traceparent", b"00-1"), ("raw", b"\xff\x00"))
    bus.put(T0, None, key=b"gone", headers=headers)
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    restore_new(member)
    (record,) = read(member, 1)[T0]
    assert (record.key, record.value, tuple(record.headers)) == (b"gone", None, headers)
    assert isinstance(record.timestamp, int)


def test_a_member_is_confirmed_and_one_that_left_is_not(bus: AnyBus) -> None:
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2)
    assert member.commit_to_group({T0: 0, T1: 0})
    assert not member.commit_to_group({})


def test_a_partition_stops_before_what_cannot_be_read_and_the_others_go_on(bus: AnyBus) -> None:
    bus.put(T0, b"a")
    _put_unreadable(bus, T0, b"b")
    bus.put(T0, b"c")
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2, seconds=60)
    restore_new(member)
    assert [record.value for record in read(member, 1, seconds=60)[T0]] == [b"a"]
    assert eventually(lambda: not member.poll(0.1, 100) and bool(member.unreadable()))
    ((place, found),) = member.unreadable().items()
    assert (place, found.offset, found.next_offset) == (T0, 1, 2)
    assert (found.is_whole, found.left.key, found.left.value) == (True, b"k", b"b")
    for word in (b"d", b"e"):
        bus.put(T1, word)
    assert {
        tp: [record.value for record in got] for tp, got in read(member, 2, seconds=60).items()
    } == {T1: [b"d", b"e"]}
    member.seek(T0, 2)
    assert member.unreadable() == {}
    assert [record.value for record in read(member, 1, seconds=60)[T0]] == [b"c"]


def test_what_cannot_be_read_is_found_again_where_it_is_sought_again(bus: AnyBus) -> None:
    _put_unreadable(bus, T0, b"a")
    member = bus.consumer("g", ["things.v1"])
    settle(member, want=2, seconds=60)
    restore_new(member)

    def found() -> bool:
        member.poll(0.1, 100)
        return T0 in member.unreadable()

    assert eventually(found)
    member.seek(T0, 0)
    assert member.unreadable() == {}
    assert eventually(found)


def test_a_reader_without_a_group_names_what_cannot_be_read(bus: AnyBus) -> None:
    bus.put(T0, b"a")
    _put_unreadable(bus, T0, b"b")
    bus.put(T0, b"c")
    reader = bus.reader()
    found = reader.unreadable(T0, 1)
    assert found is not None
    assert (found.offset, found.next_offset, found.left.value) == (1, 2, b"b")
    assert [reader.unreadable(T0, offset) for offset in (0, 2, 3)] == [None, None, None]
    assert [record.value for record in reader.read({T0: LogBounds(0, 1)})[T0]] == [b"a"]
    with pytest.raises(TryLater):
        reader.read({T0: LogBounds(0, 3)})
    assert [record.value for record in reader.read({T0: LogBounds(2, 3)})[T0]] == [b"c"]


def _put_unreadable(bus: AnyBus, tp: TopicPartition, value: bytes) -> None:
    """Write a record that no client can read, since the name of a header is not UTF-8."""
    if isinstance(bus, InMemory):
        bus.bus.append_unreadable(*tp, "a header has a name that is not UTF-8", left=(b"k", value))
    elif isinstance(bus, OnKafka):
        records = raw_batches.batch([raw_batches.Raw(value, bad_header=True)])
        name = bus.options.topic_prefix + tp.topic
        raw_batches.produce(bus.options.bootstrap_servers, name, tp.partition, records)


def _id_or_none(member: Consumer) -> str | None:
    try:
        return member.topic_id("things.v1")
    except TryLater:
        return None


def test_a_reader_without_a_group_gives_the_records_of_a_span(bus: AnyBus) -> None:
    for number in range(200):
        bus.put(T0, b"%d" % number)
    bus.forget_before(T0, 50)
    reader = bus.reader()
    bounds = reader.bounds([T0, T1])
    assert bounds == {T0: LogBounds(50, 200), T1: LogBounds(0, 0)}
    found = reader.read({T0: LogBounds(190, 198), T1: bounds[T1]})
    assert [record.value for record in found[T0]] == [b"%d" % number for number in range(190, 198)]
    assert found[T1] == []
    assert len(reader.read({T0: bounds[T0]})[T0]) == 150


def test_a_reader_of_a_topic_that_is_not_there_is_told_to_try_later(bus: AnyBus) -> None:
    with pytest.raises(TryLater):
        bus.reader().bounds([TopicPartition("nowhere.v1", 0)])
