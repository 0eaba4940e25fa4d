"""Batches of records as no client of ours would make them, and faults of a broker's disk."""

import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import crc32c
from kafka.record.default_records import DefaultRecordBatchBuilder

from tests.support.servers.buses import eventually

_CRC = struct.Struct(">I")
_CRC_AT, _COVERED_FROM = 17, 21
"""Where a batch's checksum stands, and where the bytes begin that it is about."""

_CODEC_AT = 22
_BAD_NAME = (b"\x01stand-in", b"\xff\xfe\x80 \xc3\x28\xf0\x28\x8c")
"""Names of one length: UTF-8 to begin with, and then not."""

_NO_LEADER_YET = {3, 5, 6}

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class Raw(NamedTuple):
    """One record; `bad_header` gives it a header whose name is not UTF-8."""

    value: bytes | None
    key: bytes | None = b"k"
    bad_header: bool = False


def batch(records: Sequence[Raw], codec: str = "none") -> bytes:
    """A batch of these records, as a producer sends it. A bad header needs the codec `none`,
    any other codec something that grows smaller by it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1024 * 1024,
    )
    good, bad = _BAD_NAME
    for offset, record in enumerate(records):
        headers = [(good.decode(), b"traced")] if record.bad_header else []
        builder.append(offset, None, record.key, record.value, headers)
    made = bytearray(bytes(builder.build()).replace(good, bad))
    assert made[_CODEC_AT] & 7 == CODECS[codec], "too little to be worth compressing"
    _sign(made)
    return bytes(made)


def produce(bootstrap: str, topic: str, partition: int, records: bytes) -> int:
    """Write a batch as it is; returns its first offset. Waits for the leader of a topic just made;
    raises AssertionError when the broker refuses the batch."""
    answers: list[tuple[int, int]] = []

    def is_decided() -> bool:
        answers.append(_answer(bootstrap, topic, partition, records))
        return answers[-1][0] not in _NO_LEADER_YET

    eventually(is_decided, 10)
    error, offset = answers[-1]
    assert error == 0, f"the broker refused it: {error}"
    return offset


def _answer(bootstrap: str, topic: str, partition: int, records: bytes) -> tuple[int, int]:
    """The broker's error code, 0 for none, and the first offset."""
    client, name = b"raw", topic.encode()
    request = b"".join(
        (
            struct.pack(f">hhih{len(client)}s", 0, 7, 1, len(client), client),  # Produce, version 7
            struct.pack(">hhii", -1, -1, 10_000, 1),  # no transaction, all replicas; one topic
            struct.pack(f">h{len(name)}si", len(name), name, 1),
            struct.pack(">ii", partition, len(records)),
            records,
        )
    )
    host, _, port = bootstrap.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        body = answer.read(size)
    place = 4 + 4 + 2 + len(name) + 4 + 4  # correlation, topics, the name, partitions, its number
    error, offset = struct.unpack_from(">hq", body, place)
    return int(error), int(offset)


def rot(folder: Path, topic: str, partition: int, offset: int) -> None:
    """Turn a bit of the last byte of the batch at `offset` in the log of the broker of `folder`."""
    path, place, length = _on_disk(folder, topic, partition, offset)
    made = bytearray(path.read_bytes()[place : place + length])
    made[-1] ^= 1
    _overwrite(path, place, made)


def give_unknown_codec(folder: Path, topic: str, partition: int, offset: int) -> None:
    """Let the batch at `offset` say that it is compressed in a way that there is not."""
    path, place, length = _on_disk(folder, topic, partition, offset)
    made = bytearray(path.read_bytes()[place : place + length])
    made[_CODEC_AT] |= 7
    _sign(made)
    _overwrite(path, place, made)


def _sign(made: bytearray) -> None:
    _CRC.pack_into(made, _CRC_AT, crc32c.crc32c(bytes(made[_COVERED_FROM:])))


def _on_disk(folder: Path, topic: str, partition: int, offset: int) -> tuple[Path, int, int]:
    path = folder / "data" / f"{topic}-{partition}" / f"{0:020}.log"
    log, place = path.read_bytes(), 0
    while place < len(log):
        base, length = struct.unpack_from(">qi", log, place)
        if base == offset:
            return path, place, 12 + length
        place += 12 + length
    raise AssertionError(f"no batch begins at {offset} in {path}")


def _overwrite(path: Path, place: int, made: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(made)
