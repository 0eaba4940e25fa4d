"""Records of source topics as bytes at rest: sealed for their practice and place in the log."""

from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.ports import Sealer
from rapport_runtime.sealing import place_of

_LENGTH_BYTES: Final = 4
_NONE: Final = b"\xff" * _LENGTH_BYTES


class LogPlace(NamedTuple):
    """Whose a record is, and where it stood."""

    practice_id: str
    topic: str
    partition: int
    offset: int

    def sealed_for(self) -> bytes:
        """The place as a sealer takes it."""
        return place_of(
            "deferred", self.practice_id, self.topic, str(self.partition), str(self.offset)
        )


def seal(sealer: Sealer, practice_id: str, record: SourceRecord) -> bytes:
    """The key, the value and the headers of a record, sealed for its practice and place."""
    place = LogPlace(practice_id, record.topic, record.partition, record.offset)
    parts = [record.key, record.value, *chain.from_iterable(_encoded(record.headers))]
    return sealer.seal(b"".join(map(_framed, parts)), place.sealed_for())


def unseal(sealer: Sealer, place: LogPlace, sealed: bytes, timestamp: int) -> SourceRecord:
    """The record that was sealed for this practice and place. Raises what `sealer` raises."""
    key, value, *rest = _parts(sealer.unseal(sealed, place.sealed_for()))
    headers = tuple(
        ((name or b"").decode(), content or b"")
        for name, content in zip(rest[::2], rest[1::2], strict=True)
    )
    return SourceRecord(place.topic, place.partition, place.offset, key, value, headers, timestamp)


def _encoded(headers: Sequence[tuple[str, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), content) for name, content in headers]


def _framed(part: bytes | None) -> bytes:
    return _NONE if part is None else len(part).to_bytes(_LENGTH_BYTES, "big") + part


def _parts(plain: bytes) -> list[bytes | None]:
    found: list[bytes | None] = []
    at = 0
    while at < len(plain):
        length = plain[at : at + _LENGTH_BYTES]
        at += _LENGTH_BYTES
        if length == _NONE:
            found.append(None)
            continue
        end = at + int.from_bytes(length, "big")
        found.append(plain[at:end])
        at = end
    return found
