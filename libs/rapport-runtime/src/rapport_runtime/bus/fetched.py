"""What the broker sent, as records: kafka-python's fetcher with an inner loop of our own.

kafka-python 3.0 makes two objects and some thirty calls for each record (ADR 24 has the figures).
Only that innermost part is replaced: fetching, positions, errors and transactions stay the
client's own. `tests/unit/rapport_runtime/test_fetched.py` holds both to the same answers.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

_LOG_APPEND_TIME = 1


class FetchedRecord(NamedTuple):
    """See `Record`."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int


class FetchedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka has no types
    """One partition's part of one answer, for a reader of committed records."""

    def _unpack_records(self, _tp: Any, batches: Any, *_deserializers: Any) -> Iterator[Any]:
        """Called once by the client; `take` pulls from it, and asks for `next_fetch_offset`."""
        while (batch := batches.next_batch()) is not None:
            if batch.magic != 2 or not batch.validate_crc():
                where = f"{self.topic_partition} at {batch.base_offset}"
                raise CorruptRecordError(f"{where}: format {batch.magic}, or a wrong checksum")
            self.leader_epoch = batch.leader_epoch
            if self._is_for_readers(batch):
                for record in parsed(batch):
                    self.next_fetch_offset = record.offset + 1
                    yield record
                self.records_read += batch.records_count
                self.bytes_read += batch.size_in_bytes
            self.next_fetch_offset = batch.next_offset  # compaction may have taken the last ones
        self.drain()

    def _is_for_readers(self, batch: Any) -> bool:
        """Neither a marker nor part of a transaction that was given up."""
        if batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return False
        return not batch.is_control_batch


def parsed(batch: Any) -> Iterator[FetchedRecord]:
    """The records of a batch of format 2. Raises CorruptRecordError, UnicodeDecodeError.

    Varints are read in place where they have one byte, as nearly all have: a call costs as much as
    the rest of a record.
    """
    batch._maybe_uncompress()
    data, pos = bytes(batch._buffer), batch._pos  # slices of bytes are copied once, not twice
    base_offset, first_at = batch.base_offset, batch.first_timestamp
    appended_at = batch.max_timestamp if batch.timestamp_type == _LOG_APPEND_TIME else None
    try:
        for _ in range(batch.records_count):
            size, pos = data[pos], pos + 1
            if size > 127:
                size, pos = _long(data, pos)
            end = pos + (size >> 1)
            at, pos = _long(data, pos + 2)  # behind the attributes, which say nothing
            delta, pos = data[pos], pos + 1
            if delta > 127:
                delta, pos = _long(data, pos)
            key, pos = _bytes(data, pos)
            value, pos = _bytes(data, pos)
            headers, pos = _headers(data, pos) if data[pos] else ((), pos + 1)
            if pos != end:
                raise CorruptRecordError(f"a record ends at {pos}, not at {end}")
            timestamp = first_at + ((at >> 1) ^ -(at & 1)) if appended_at is None else appended_at
            yield FetchedRecord(base_offset + (delta >> 1), key, value, headers, timestamp)
    except IndexError as error:
        raise CorruptRecordError("a record ends before its time") from error
    if pos != len(data):
        raise CorruptRecordError(f"{len(data) - pos} bytes are no record")


def _long(data: bytes, pos: int) -> tuple[int, int]:
    """The varint (still in zigzag) whose first byte lies before `pos`, and where it ends."""
    byte = data[pos - 1]
    result, shift = byte & 127, 7
    while byte > 127:
        byte = data[pos]
        pos += 1
        result |= (byte & 127) << shift
        shift += 7
    return result, pos


def _bytes(data: bytes, pos: int) -> tuple[bytes | None, int]:
    """A text with its length before it; a negative length is none."""
    size, pos = data[pos], pos + 1
    if size > 127:
        size, pos = _long(data, pos)
    if size & 1:
        return None, pos
    end = pos + (size >> 1)
    return data[pos:end], end


def _headers(data: bytes, pos: int) -> tuple[Sequence[tuple[str, bytes]], int]:
    """Names and values, their number before them."""
    count, pos = _long(data, pos + 1)
    if count & 1:
        raise CorruptRecordError("a negative number of headers")
    headers: list[Any] = []
    for _ in range(count >> 1):
        name, pos = _bytes(data, pos)
        value, pos = _bytes(data, pos)
        if name is None:
            raise CorruptRecordError("a header without a name")
        headers.append((name.decode(), value))
    return headers, pos
