"""Records are cut into batches: each in its place, none twice, none left out."""

import pytest

from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import BatchHandler, PartitionBatch, Watermark
from rapport_runtime.stream.partition_batches import batch_of, decoded, halve, split
from rapport_runtime.stream.positions import Position
from tests.support.worlds.toy_ledger import MIDNIGHT

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


class Texts(BatchHandler):
    """Decodes a record to its text, and refuses those that begin with `bad`."""

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> str:
        text = (value or b"").decode()
        if text.startswith("bad"):
            raise InvalidRecord("unreadable", "a test")
        return text


def part(partition: TopicPartition, *values: str, first: int = 0, step: int = 1) -> PartitionBatch:
    records = [
        MemoryRecord(first + step * index, b"k", value.encode())
        for index, value in enumerate(values)
    ]
    return decoded(Texts(), partition, Position(first, "id"), records)


def texts(parts: list[PartitionBatch]) -> list[str]:
    return [event for one in parts for event in one.events]


def test_a_record_that_cannot_be_decoded_has_its_error_as_event() -> None:
    batch = part(P0, "a", "bad", "b", first=7)
    assert [batch.events[0], batch.events[2]] == ["a", "b"]
    assert isinstance(batch.events[1], InvalidRecord)
    assert batch.next_offset == 10


def test_a_batch_without_limit_takes_all_records() -> None:
    batch = part(P0, "a", "b")
    assert Texts().batch_end(batch) == 2


def test_invalid_records_are_dead_letters_and_the_handler_does_not_see_them() -> None:
    batch = batch_of([part(P0, "a", "bad1", "b"), part(P1, "bad2"), part(P1, "c")])
    assert texts(batch.partitions) == ["a", "b", "c"]
    assert [letter.record.value for letter in batch.letters] == [b"bad1", b"bad2"]
    assert [one.next_offset for one in batch.partitions] == [3, 1]
    assert len(batch) == 3


def test_a_rejected_record_is_a_dead_letter_of_the_same_batch() -> None:
    batch = batch_of([part(P1, "a", "b")])
    error = InvalidRecord("impossible", "a test")
    batch.reject(batch.partitions[0], 1, error)
    (letter,) = batch.letters
    assert (letter.partition, letter.record.value, letter.error) == (P1, b"b", error)


def test_a_split_ends_where_the_rest_begins_over_holes_in_the_log_too() -> None:
    head, tail = split(part(P0, "a", "b", "c", first=10, step=5), 2)
    assert tail is not None
    assert (texts([head]), head.next_offset) == (["a", "b"], 20)
    assert (texts([tail]), tail.next_offset) == (["c"], 21)


@pytest.mark.parametrize("count", [2, 3])
def test_a_split_that_leaves_nothing_has_no_rest(count: int) -> None:
    whole = part(P0, "a", "b")
    assert split(whole, count) == (whole, None)


@pytest.mark.parametrize(
    ("sizes", "first", "second"),
    [
        ((1,), ["a0"], []),
        ((2,), ["a0"], ["a1"]),
        ((3,), ["a0"], ["a1", "a2"]),
        ((1, 1), ["a0"], ["b0"]),
        ((3, 2), ["a0", "a1"], ["a2", "b0", "b1"]),
        ((1, 4), ["a0", "b0"], ["b1", "b2", "b3"]),
    ],
)
def test_halves_keep_every_record_in_order(
    sizes: tuple[int, ...], first: list[str], second: list[str]
) -> None:
    parts = [
        part(TopicPartition("t", number), *(f"{'ab'[number]}{i}" for i in range(size)))
        for number, size in enumerate(sizes)
    ]
    halves = halve(parts)
    assert (texts(halves[0]), texts(halves[1])) == (first, second)


def test_the_watermark_of_a_batch_is_its_latest() -> None:
    earlier, later = Watermark(MIDNIGHT), Watermark(MIDNIGHT.replace(hour=1))
    batch = part(P0, "a", "b", "c")
    assert batch.watermark is None
    batch.events = [later, "b", earlier]
    assert batch.watermark == later.up_to
