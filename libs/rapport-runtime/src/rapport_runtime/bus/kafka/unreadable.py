"""Names partition and offset where kafka-python cannot read on; without it nobody learns them.

kafka-python 3.0.12 raises the bare error of a checksum, a codec or a record's structure once, and
then turns in its own poll for ever. Here the error becomes `UnreadableAt`, and a record that lies
before the position is stepped over: a batch is always fetched from its first record on.
"""

import struct
from collections.abc import Iterator
from typing import Any

import kafka.errors
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

from rapport_runtime.bus.port import RecordParts, Unreadable

_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_BASE_OFFSET = struct.Struct(">q")
_LAST_MILLISECOND = 253_402_300_799_999
"""Of the year 9999: a stamp beyond it is garbage."""

_OTHERS_MATTER = (
    kafka.errors.OffsetOutOfRangeError,
    kafka.errors.TopicAuthorizationFailedError,
    kafka.errors.InvalidTopicError,
)
"""Answers of the broker that say more than that a partition cannot be read."""


class UnreadableAt(Exception):
    """The client cannot read on in a partition (of Kafka's type); `found` is what lies there."""

    def __init__(self, partition: Any, found: Unreadable) -> None:
        super().__init__(f"{partition}: {found.where()}")
        self.partition = partition
        self.found = found


def name_the_unreadable(consumer: Any) -> None:
    """Let `poll` of this kafka-python consumer raise `UnreadableAt` where it cannot read on.

    The partition has to be paused or sought then; the others go on.
    """
    fetcher = consumer._fetcher
    parse = fetcher._parse_fetched_data

    def parsed(completed: Any) -> Any:
        try:
            return parse(completed)
        except _OTHERS_MATTER:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this partition's
            found = _nothing_left(completed.fetched_offset, _why(error))
        raise UnreadableAt(completed.topic_partition, found)

    fetcher.PartitionRecords = _PartitionRecords
    fetcher._parse_fetched_data = parsed


class _Stop(Exception):
    """A record within a batch that cannot be read."""

    def __init__(self, found: Unreadable) -> None:
        super().__init__(found.where())
        self.found = found


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka has no types
    """What was fetched of one partition."""

    def take(self, n: int | None = None) -> list[Any]:
        """The next records, at most `n`. Raises `UnreadableAt`, and is then at its end."""
        try:
            taken: list[Any] = super().take(n)
        except _Stop as stop:
            found = stop.found
        except Exception as error:  # noqa: BLE001 - codecs raise what they like
            found = self._batches.unreadable(max(self.fetch_offset, self.next_fetch_offset), error)
        else:
            return taken
        self.drain()
        raise UnreadableAt(self.topic_partition, found)

    def _unpack_records(self, tp: Any, records: Any, *deserializers: Any) -> Iterator[Any]:
        self._batches = _Batches(records, self.fetch_offset)
        unpacked: Iterator[Any] = super()._unpack_records(tp, self._batches, *deserializers)
        return unpacked


class _Batches:
    """The batches of what was fetched; remembers the one at hand."""

    def __init__(self, records: Any, fetch_offset: int) -> None:
        self._records = records
        self._fetch_offset = fetch_offset
        self._at_hand: Any = None

    def next_batch(self) -> Any:
        """The next batch, None at the end."""
        self._at_hand = None
        self._at_hand = batch = self._records.next_batch()
        return _Batch(batch, self._fetch_offset) if type(batch) is DefaultRecordBatch else batch

    def unreadable(self, offset: int, error: Exception) -> Unreadable:
        """The batch at hand, of which nothing from `offset` on can be read."""
        batch = self._at_hand
        if type(batch) is not DefaultRecordBatch:
            return _nothing_left(offset, _why(error))
        offset = max(offset, batch.base_offset)
        ends = [batch.next_offset]
        following = self._records._next_slice
        if following is not None:  # what the broken batch says of its own length may be broken, too
            ends.append(*_BASE_OFFSET.unpack_from(following))
        return Unreadable(
            offset,
            max(offset + 1, min(ends)),
            _why(error, batch),
            RecordParts(offset, None, bytes(batch._buffer), (), _stamp(batch.max_timestamp)),
            is_whole=False,
        )


class _Batch:
    """A batch whose records before the position need not be readable."""

    def __init__(self, batch: Any, fetch_offset: int) -> None:
        self._batch = batch
        self._fetch_offset = fetch_offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        records = iter(self._batch)
        while True:
            try:
                yield from records
            except kafka.errors.CorruptRecordError as error:
                fault: Exception = error
            else:
                return
            if not self._step_over(fault):
                return

    def _step_over(self, error: Exception) -> bool:
        """Go on behind the record that has just failed; False when it was the last.

        Raises `_Stop` when that record is wanted, and `error` when its end cannot be told.
        """
        batch = self._batch
        if batch._next_record_index >= batch.records_count:
            return False  # bytes behind the last record, which nobody needs
        try:
            found, end = _taken_apart(batch, _why(error))
        except (ValueError, IndexError):
            raise error from None
        if found.offset >= self._fetch_offset:
            raise _Stop(found)
        batch._pos = end
        batch._next_record_index += 1
        return True


def _taken_apart(batch: Any, why: str) -> tuple[Unreadable, int]:
    """What is left of the record at the batch's place, and where the next begins.

    Key and value stand before the headers. Raises ValueError or IndexError where the record itself
    is broken.
    """
    buffer = batch._buffer
    length, start = decode_varint(buffer, batch._pos)
    end = start + length
    if not start < end <= len(buffer):
        raise ValueError("a record longer than its batch")
    _attributes, place = decode_varint(buffer, start)
    delta, place = decode_varint(buffer, place)
    offset_delta, place = decode_varint(buffer, place)
    key, place = _bytes(buffer, place, end)
    value, place = _bytes(buffer, place, end)
    count, place = decode_varint(buffer, place)
    headers = []
    for _ in range(count):
        name, place = _bytes(buffer, place, end)
        content, place = _bytes(buffer, place, end)
        headers.append(((name or b"").decode(errors="replace"), content or b""))
    offset = batch.base_offset + offset_delta
    stamp = batch.max_timestamp if batch.timestamp_type else batch.first_timestamp + delta
    left = RecordParts(offset, key, value, tuple(headers), _stamp(stamp))
    return Unreadable(offset, offset + 1, why, left, is_whole=True), end


def _bytes(buffer: Any, place: int, end: int) -> tuple[bytes | None, int]:
    """The bytes at the place, None where there are none, and the place behind them."""
    length, place = decode_varint(buffer, place)
    if length < 0:
        return None, place
    if place + length > end:
        raise ValueError("a part longer than its record")
    return bytes(buffer[place : place + length]), place + length


def _nothing_left(offset: int, why: str) -> Unreadable:
    """Nothing is known but the offset."""
    left = RecordParts(offset, None, None, (), 0)
    return Unreadable(offset, offset + 1, why, left, is_whole=False)


def _why(error: Exception, batch: Any = None) -> str:
    """The reason in our words: the client's may repeat the record."""
    if isinstance(error.__context__, UnicodeDecodeError):
        return "a header has a name that is not UTF-8"
    if isinstance(error, kafka.errors.CorruptRecordError):
        is_sum = "crc" in str(error)
        return "its checksum is wrong" if is_sum else "it is not built as a record"
    if isinstance(error, kafka.errors.UnsupportedCodecError):
        return "its compression is not known"
    if isinstance(error, kafka.errors.KafkaError):
        return f"the broker does not give it out ({type(error).__name__})"
    codec = _CODECS[batch.compression_type] if batch is not None else "unknown"
    return f"it cannot be unpacked ({codec}: {type(error).__name__})"


def _stamp(milliseconds: int) -> int:
    return milliseconds if 0 <= milliseconds <= _LAST_MILLISECOND else 0
