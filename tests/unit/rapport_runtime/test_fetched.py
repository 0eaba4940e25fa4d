"""Our innermost loop reads what kafka-python's own reads, and refuses what it refuses."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import Fetcher, IsolationLevel
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.structs import TopicPartition

from rapport_runtime.bus.fetched import FetchedRecords, parsed

PLACE = TopicPartition("t", 3)
GZIP = 1
TEXTS = st.none() | st.binary(max_size=300)
HEADERS = st.lists(st.tuples(st.text(max_size=150), TEXTS), max_size=3) | st.just(
    [("h", b"")] * 70  # a count of two bytes
)
RECORDS = st.lists(st.tuples(st.integers(0, 2**42), TEXTS, TEXTS, HEADERS), min_size=1, max_size=9)


def written(
    records: Sequence[Any], codec: int = 0, *, base: int = 0, transactional: bool = False
) -> bytes:
    """A batch as a producer sends it, as the broker places it at offset `base`."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=transactional,
        producer_id=7,
        producer_epoch=0,
        base_sequence=0,
        batch_size=10**6,
    )
    for offset, (at, key, value, headers) in enumerate(records):
        assert builder.append(offset, at, key, value, headers)
    built = bytes(builder.build())
    return base.to_bytes(8, "big") + built[8:]  # the checksum leaves the offset out


def read(kind: type[Any], batches: bytes, since: int = 0, **more: Any) -> tuple[list[Any], Any]:
    part = kind(
        since, PLACE, MemoryRecords(batches), isolation_level=IsolationLevel.READ_COMMITTED, **more
    )
    found = [
        (one.offset, one.timestamp, one.key, one.value, list(one.headers))
        for one in part.take(None)
    ]
    return found, (part.next_fetch_offset, part.leader_epoch, bool(part))


@given(RECORDS, RECORDS, st.sampled_from([0, GZIP]), st.integers(0, 9))
def test_it_reads_as_the_client_does(
    first: Sequence[Any], second: Sequence[Any], codec: int, since: int
) -> None:
    batches = written(first, codec) + written(second, base=len(first))
    ours, theirs = (
        read(kind, batches, since) for kind in (FetchedRecords, Fetcher.PartitionRecords)
    )
    assert ours == theirs
    assert len(ours[0]) == max(0, len(first) + len(second) - since)


class Aborted:
    producer_id, first_offset = 7, 0


@pytest.mark.parametrize("aborted", [[], [Aborted]])
def test_what_was_given_up_is_not_read(aborted: list[Any]) -> None:
    batches = written([(1, b"k", b"v", [])], transactional=True)
    ours, theirs = (
        read(kind, batches, aborted_transactions=aborted)
        for kind in (FetchedRecords, Fetcher.PartitionRecords)
    )
    assert ours == theirs
    assert len(ours[0]) == (0 if aborted else 1)


def test_it_can_be_taken_in_parts() -> None:
    part = FetchedRecords(0, PLACE, MemoryRecords(written([(1, b"k", b"v", [])] * 5)))
    assert [len(part.take(2)), part.next_fetch_offset] == [2, 2]
    assert [len(part.take(9)), part.next_fetch_offset, bool(part)] == [3, 5, False]


def test_a_wrong_checksum_is_refused() -> None:
    batch = bytearray(written([(1, b"k", b"value", [])]))
    batch[-3] ^= 1
    with pytest.raises(CorruptRecordError, match="checksum"):
        read(FetchedRecords, bytes(batch))


@given(st.lists(st.tuples(st.integers(61, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_nonsense_under_a_right_checksum_ends_in_records_or_in_a_refusal(
    changes: list[tuple[int, int]],
) -> None:
    sound = written([(1, b"key", b"value" * 9, [("a", b"b")])] * 4)
    broken = bytearray(sound)
    for place, byte in changes:
        broken[61 + (place - 61) % (len(sound) - 61)] = byte
    try:
        read = len(list(parsed(DefaultRecordBatch(broken))))
    except (CorruptRecordError, UnicodeDecodeError):
        return
    assert read == 4
