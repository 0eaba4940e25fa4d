"""The same loop on Apache Kafka: rebalances under load, a zombie, and logs that were emptied."""

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from rapport_devkit.kafka import Kafka
from rapport_runtime.bus.kafka import KafkaConsumer
from rapport_runtime.bus.kafka import consumer as adapter
from rapport_runtime.bus.port import Outgoing, TopicPartition
from rapport_runtime.errors import LoopHalted
from rapport_runtime.stream import outbox
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.relay import Relay
from tests.support.servers.buses import OnKafka, eventually, settle, together
from tests.support.worlds.toy_ledger import (
    GROUP,
    TOPIC,
    Ledger,
    Topic,
    loop_of,
    output,
    partition,
    words,
)

pytestmark = pytest.mark.integration
GO = threading.Event()


@pytest.fixture
def real_bus(kafka: Kafka) -> Iterator[OnKafka]:
    made = OnKafka(kafka.bootstrap)
    made.create(TOPIC, 4)
    yield made
    made.close()


loop_on_kafka = partial(loop_of, assignment=AssignmentOptions())


class Group:
    """Loops on threads of their own, of which the oldest leaves first."""

    def __init__(self, bus: OnKafka, ledger: Ledger) -> None:
        self._bus = bus
        self._ledger = ledger
        self._members: list[tuple[threading.Thread, threading.Event]] = []

    def join(self) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop,))
        thread.start()
        self._members.append((thread, stop))

    def leave(self) -> None:
        thread, stop = self._members.pop(0)
        stop.set()
        thread.join()

    def end(self) -> None:
        while self._members:
            self.leave()

    def _run(self, stop: threading.Event) -> None:
        consumer = self._bus.consumer(GROUP, [TOPIC])
        subject = loop_on_kafka(consumer, self._ledger, max_records=40)
        while not stop.is_set():
            subject.turn(stop)
        consumer.close()


def test_members_come_and_go_under_load_and_every_record_counts_once(
    real_bus: OnKafka, ledger: Ledger
) -> None:
    values = words("w", 3_000)
    real_bus.put_many((partition(number % 4), word.encode()) for number, word in enumerate(values))
    group = Group(real_bus, ledger)

    def done(count: int) -> bool:
        return eventually(lambda: len(ledger.entries()) >= count, 20)

    try:
        group.join()
        assert done(200)
        group.join()
        assert done(1_000)
        group.leave()
        group.join()
        assert done(len(values))
    finally:
        group.end()
    assert Counter(ledger.entries()) == Counter(values)
    for number in range(4):
        assert ledger.entries(number) == values[number::4]


@pytest.mark.parametrize("mutant", [False, True])
def test_kept_partitions_are_sought_again_on_the_real_client(
    real_bus: OnKafka, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """What was polled and rolled back during a rebalance comes again, with the seek only."""
    for number in range(4):
        for word in words(f"p{number}-", 3):
            real_bus.put(partition(number), word.encode())
    if mutant:
        monkeypatch.setattr(KafkaConsumer, "on_assigned", _forgetful_on_assigned)
        monkeypatch.setattr(KafkaConsumer, "seek", _forgetful_seek)
    first = real_bus.consumer(GROUP, [TOPIC])
    subject = loop_on_kafka(first, ledger, poll_seconds=0.3)
    assert eventually(lambda: subject.turn(GO) >= 0 and subject.assigned)
    got = 0
    while got < 12:  # in the client's memory all is read, in the table nothing
        got += sum(map(len, first.poll(0.2, 100).values()))
    second = loop_on_kafka(real_bus.consumer(GROUP, [TOPIC]), ledger, poll_seconds=0.3)

    turns = [partial(subject.turn, GO), partial(second.turn, GO)]

    def shared() -> bool:
        return len(subject.positions) == 2 and len(second.positions) == 2

    assert together(turns, shared, 30)
    all_read = together(turns, lambda: len(ledger.entries()) == 12, 3 if mutant else 30)
    assert all_read is not mutant


def _forgetful_on_assigned(self: KafkaConsumer, assigned: set[object]) -> None:
    """Pauses and notes only partitions that this member did not have before."""
    known: set[object] = getattr(self, "known", set())
    for physical in assigned:
        if physical not in known:
            self._consumer.pause(physical)
            self._consumer.seek(physical, 0)
    with self._noting:
        self._noted |= {self._logical(physical) for physical in assigned}
    self._joining = False
    self.known = known | set(assigned)  # type: ignore[attr-defined]  # the mutant's own


def _forgetful_seek(self: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    """Seeks only what is new to this member."""
    sought: set[object] = getattr(self, "sought", set())
    if partition not in sought:
        self._consumer.seek(self._physical(partition), offset)
    self._consumer.resume(self._physical(partition))
    self.sought = sought | {partition}  # type: ignore[attr-defined]  # the mutant's own
    with self._noting:
        self._noted.discard(partition)


def test_a_member_without_partitions_though_some_are_unowned_begins_anew(
    real_bus: OnKafka, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "REBUILD_SECONDS", 2.0)
    real_bus.put(partition(0), b"a")
    consumer = real_bus.consumer(GROUP, [TOPIC])
    monkeypatch.setattr(consumer._consumer, "poll", lambda *_a, **_k: {})  # never joins
    subject = loop_on_kafka(consumer, ledger)
    assert eventually(lambda: subject.turn(GO) == 1, 25)


def test_a_join_begun_by_a_topic_just_made_is_not_forgotten(
    real_bus: OnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kafka-python 3.0.12 loses track of it when a poll ends meanwhile: with short polls, often."""
    monkeypatch.setattr(adapter, "JOIN_MS", 1)
    for number in range(4):
        topic = f"fresh-{number}.v1"
        real_bus.create(topic, 2)
        members = [real_bus.consumer(topic, [topic]) for _ in range(2)]
        settle(*members, want=2)


def test_a_member_that_is_one_too_many_waits_without_disturbing_the_group(
    real_bus: OnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_bus.create("narrow.v1", 1)
    members = [real_bus.consumer("narrow", ["narrow.v1"]) for _ in range(2)]
    polls = [partial(member.poll, 0.2, 10) for member in members]

    def stable() -> bool:
        held = sum(len(one.assignment()) for one in members)
        return held == 1 and not any(one._joining for one in members)

    assert together(polls, stable, 20)
    clients = [member._consumer for member in members]
    monkeypatch.setattr(adapter, "REBUILD_SECONDS", 0.2)
    together(polls, lambda: False, 1)
    assert [member._consumer for member in members] == clients


def test_retention_that_overtook_the_group_halts_the_loop(
    real_bus: OnKafka, ledger: Ledger
) -> None:
    consumer = real_bus.consumer(GROUP, [TOPIC])
    assert eventually(
        lambda: loop_on_kafka(consumer, ledger).turn(GO) >= 0 and _positions(ledger) == 4
    )
    consumer.close()
    for word in words("a", 6):
        real_bus.put(partition(0), word.encode())
    real_bus.forget_before(partition(0), 4)
    successor = loop_on_kafka(real_bus.consumer(GROUP, [TOPIC]), ledger)
    with pytest.raises(LoopHalted, match="no longer holds"):
        _turn_for(successor, 10)
    assert ledger.entries() == []


def test_a_topic_made_anew_halts_the_loop(real_bus: OnKafka, ledger: Ledger) -> None:
    consumer = real_bus.consumer(GROUP, [TOPIC])
    assert eventually(
        lambda: loop_on_kafka(consumer, ledger).turn(GO) >= 0 and _positions(ledger) == 4
    )
    consumer.close()
    real_bus.drop(TOPIC)
    real_bus.create(TOPIC, 4)
    with pytest.raises(LoopHalted, match="anew"):
        _turn_for(loop_on_kafka(real_bus.consumer(GROUP, [TOPIC]), ledger), 10)


def test_what_the_relay_publishes_the_loop_reads(real_bus: OnKafka, ledger: Ledger) -> None:
    with ledger.database.transaction() as tx:
        outbox.append(
            tx,
            [Outgoing(TOPIC, n % 4, b"k", word.encode()) for n, word in enumerate(words("w", 400))],
        )
    relay = Relay(
        ledger.database,
        real_bus.producer(),
        output(Topic(TOPIC, 4)),
    )
    assert relay.drain() == 400
    subject = loop_on_kafka(real_bus.consumer(GROUP, [TOPIC]), ledger)
    assert eventually(lambda: subject.turn(GO) >= 0 and len(ledger.entries()) == 400)
    assert ledger.entries(1) == words("w", 400)[1::4]


def _positions(ledger: Ledger) -> int:
    return len(ledger.offsets())


def _turn_for(subject: BatchLoop, seconds: float) -> None:
    eventually(lambda: subject.turn(GO) < 0, seconds)
