"""What producers and disks do to a log below our decoder: it is read, or its place is named."""

import secrets
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rapport_contracts.topics import SOURCE_BOOKINGS
from rapport_devkit.kafka import Kafka
from rapport_runtime.bus.kafka import KafkaLogReader, ensure_topics
from rapport_runtime.bus.port import Consumer, LogBounds, TopicPartition, Unreadable
from rapport_runtime.stream.assignment import AssignmentOptions
from rapport_runtime.stream.dead_letters.sealed import opened
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.skip import Skip, skip_command, skip_parser
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.places import JARS
from tests.support.servers.buses import OnKafka, eventually, read, restore_new, settle
from tests.support.servers.raw_batches import Raw, batch, give_unknown_codec, produce, rot
from tests.support.worlds.toy_ledger import GROUP, NEVER, Ledger, loop_of

pytestmark = pytest.mark.integration
TOPIC = "things.v1"
LONG = b"one" * 5_000
T0, T1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a broker whose disk these tests may spoil."""
    return tmp_path_factory.mktemp("rotten")


@pytest.fixture(scope="module")
def broker(folder: Path) -> Iterator[Kafka]:
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        made = Kafka.start(folder, jars=JARS)
    yield made
    made.destroy()


@pytest.fixture
def bus(broker: Kafka) -> Iterator[OnKafka]:
    made = OnKafka(broker.bootstrap)
    made.create(TOPIC, 2)
    yield made
    made.close()


def given(*words: str) -> Namespace:
    """The words of the command for the first partition's second record."""
    return skip_parser().parse_args([TOPIC, "0", "1", *words])


def put(bus: OnKafka, tp: TopicPartition, records: list[Raw], codec: str = "none") -> int:
    name = bus.options.topic_prefix + tp.topic
    return produce(bus.options.bootstrap_servers, name, tp.partition, batch(records, codec))


def reading(bus: OnKafka) -> Consumer:
    member = bus.consumer(f"g{secrets.token_hex(4)}", [TOPIC])
    settle(member, want=2, seconds=60)
    restore_new(member)
    return member


def stopped(member: Consumer) -> Unreadable:
    """What stops partition 0."""

    def is_found() -> bool:
        member.poll(0.1, 100)
        return T0 in member.unreadable()

    assert eventually(is_found)
    return member.unreadable()[T0]


def values(member: Consumer, tp: TopicPartition, count: int) -> list[bytes | None]:
    return [record.value for record in read(member, count, seconds=60)[tp]]


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4"])
def test_every_compression_of_producers_is_read(bus: OnKafka, codec: str) -> None:
    records = [Raw(LONG), Raw(b"two"), Raw(None)]
    put(bus, T0, records, codec)
    assert values(reading(bus), T0, 3) == [record.value for record in records]


def test_only_the_record_with_the_bad_header_is_passed_over(bus: OnKafka) -> None:
    put(bus, T0, [Raw(b"a"), Raw(b"b", bad_header=True), Raw(b"c"), Raw(b"d", bad_header=True)])
    put(bus, T0, [Raw(b"e")])
    member = reading(bus)
    assert values(member, T0, 1) == [b"a"]
    first = stopped(member)
    assert (first.offset, first.next_offset, first.is_whole) == (1, 2, True)
    assert first.why == "a header has a name that is not UTF-8"
    ((name, content),) = first.left.headers
    assert "\N{REPLACEMENT CHARACTER}" in name
    assert content == b"traced"
    member.seek(T0, 2)
    assert values(member, T0, 1) == [b"c"]
    assert stopped(member).offset == 3
    member.seek(T0, 4)
    assert values(member, T0, 1) == [b"e"]


def test_a_topic_of_the_contract_takes_a_bad_header_too(bus: OnKafka) -> None:
    ensure_topics(bus.options, [SOURCE_BOOKINGS])
    place = TopicPartition(SOURCE_BOOKINGS.name, 0)
    put(bus, place, [Raw(b"a"), Raw(b"b", bad_header=True)])
    found = bus.reader().unreadable(place, 1)
    assert found is not None
    assert (found.offset, found.left.value) == (1, b"b")


@pytest.mark.parametrize("codec", ["zstd", "snappy"])
def test_a_topic_of_the_contract_keeps_what_was_compressed_plainly(
    bus: OnKafka, codec: str
) -> None:
    ensure_topics(bus.options, [SOURCE_BOOKINGS])
    place = TopicPartition(SOURCE_BOOKINGS.name, 1)
    put(bus, place, [Raw(LONG), Raw(b"b")], codec)
    got = bus.reader().read({place: LogBounds(0, 2)})[place]
    assert [record.value for record in got] == [LONG, b"b"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(rot, "its checksum is wrong"), (give_unknown_codec, "its compression is not known")],
)
def test_a_batch_that_cannot_be_opened_is_named_as_a_whole(
    bus: OnKafka, folder: Path, spoil: Callable[[Path, str, int, int], None], why: str
) -> None:
    for words in ("ab", "cde", "fg"):
        put(bus, T0, [Raw(word.encode()) for word in words])
    put(bus, T1, [Raw(b"elsewhere")])
    spoil(folder, bus.options.topic_prefix + TOPIC, 0, 2)
    member = reading(bus)
    got = read(member, 3, seconds=60)
    assert [record.value for record in got[T0]] == [b"a", b"b"]
    assert [record.value for record in got[T1]] == [b"elsewhere"]
    found = stopped(member)
    assert (found.offset, found.next_offset, found.why) == (2, 5, why)
    assert not found.is_whole
    assert found.left.value is not None
    assert b"c" in found.left.value
    assert bus.reader().unreadable(T0, 2) == found
    member.seek(T0, found.next_offset)
    assert values(member, T0, 2) == [b"f", b"g"]


def test_from_the_middle_of_a_broken_batch_its_rest_is_named(bus: OnKafka, folder: Path) -> None:
    put(bus, T0, [Raw(b"a"), Raw(b"b"), Raw(b"c")])
    rot(folder, bus.options.topic_prefix + TOPIC, 0, 0)
    found = bus.reader().unreadable(T0, 1)
    assert found is not None
    assert (found.offset, found.next_offset) == (1, 3)


def test_without_its_library_a_codec_stops_its_partition_alone(
    bus: OnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bus, T0, [Raw(LONG), Raw(b"b")], "zstd")
    put(bus, T1, [Raw(b"elsewhere")])
    monkeypatch.setattr("kafka.codec.zstd", None)
    member = reading(bus)
    assert values(member, T1, 1) == [b"elsewhere"]
    found = stopped(member)
    assert (found.offset, found.next_offset) == (0, 2)
    assert found.why == "its compression is not known"


def test_what_a_codec_cannot_unpack_stops_its_partition_alone(
    bus: OnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bus, T0, [Raw(LONG)], "snappy")
    put(bus, T1, [Raw(b"elsewhere")])

    def break_down(_payload: bytes) -> bytes:
        raise RuntimeError("the value, say")

    monkeypatch.setattr("kafka.record.default_records.snappy_decode", break_down)
    member = reading(bus)
    assert values(member, T1, 1) == [b"elsewhere"]
    assert stopped(member).why == "it cannot be unpacked (snappy: RuntimeError)"


def test_a_worker_goes_on_behind_what_an_operator_skips(bus: OnKafka, ledger: Ledger) -> None:
    put(bus, T0, [Raw(b"a"), Raw(b"b", bad_header=True), Raw(b"c")])
    put(bus, T1, [Raw(b"elsewhere")])
    consumer = bus.consumer(GROUP, [TOPIC])
    at_once = AssignmentOptions(reread_seconds=0.1)
    subject = loop_of(consumer, ledger, assignment=at_once, join_poll_seconds=0.05)

    def eventually_has(*entries: str) -> bool:
        def has() -> bool:
            subject.turn(NEVER)
            return sorted(ledger.entries()) == sorted(entries)

        return eventually(has)

    def stands() -> bool:
        subject.turn(NEVER)
        return "cannot be read" in subject.summary

    assert eventually_has("a", "elsewhere")
    assert eventually(stands)
    letters = DeadLetterTable(GROUP, RECORD_KEYS)
    skip = Skip(ledger.database, letters, lambda: KafkaLogReader(bus.options))
    assert skip_command(skip, given()) == 0
    assert skip_command(skip, given("--confirm", "--why", "a bad header", "--by", "ann")) == 0
    assert eventually_has("a", "c", "elsewhere")
    assert skip_command(skip, given("--confirm", "--why", "once more", "--by", "ann")) == 2
    (letter,) = ledger.rows("SELECT * FROM dead_letter")
    assert (letter.record_offset, opened(RECORD_KEYS, letter).value) == (1, b"b")
