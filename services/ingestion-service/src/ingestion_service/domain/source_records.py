"""A record of a source topic."""

from typing import NamedTuple


class SourceRecord(NamedTuple):
    """A record of a source topic, as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
