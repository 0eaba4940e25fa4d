"""The bytes of a dead letter at rest: sealed for the place where its record was."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.sealing import CannotUnseal, Keyring, place_of


class Content(NamedTuple):
    """What a record holds: its key, its value (None: a tombstone's), its headers."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class CannotOpen(Exception):
    """A letter's bytes open with no key that is here; the text names the letter and the key."""


class _Bytes(Protocol):
    """The part of a record that is sealed."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def sealed(
    keyring: Keyring, group: str, at: TopicPartition, offset: int, record: _Bytes
) -> dict[str, Any]:
    """The columns that hold a record's bytes; each opens in its own place alone."""
    place = _Place(group, at.topic, at.partition, offset)
    values = [value for _, value in record.headers]
    return {
        "sealed_key": place.seal(keyring, "key", record.key),
        "sealed_value": place.seal(keyring, "value", record.value),
        "sealed_headers": [
            place.seal(keyring, f"header {number}", value) for number, value in enumerate(values)
        ],
    }


def opened(keyring: Keyring, row: Any) -> Content:
    """What was sealed in a row of `dead_letter` or `decided_letter`. Raises `CannotOpen`."""
    place = _Place(row.consumer_group, row.topic, row.partition, row.record_offset)
    try:
        return Content(
            place.unseal(keyring, "key", row.sealed_key),
            place.unseal(keyring, "value", row.sealed_value),
            tuple(
                (name, place.unseal(keyring, f"header {number}", value))
                for number, (name, value) in enumerate(
                    zip(row.header_names, row.sealed_headers, strict=True)
                )
            ),
        )
    except CannotUnseal as error:
        raise CannotOpen(f"letter {row.id} cannot be opened: {error}") from error


def resealed(keyring: Keyring, row: Any) -> dict[str, Any] | None:
    """The row's sealed columns under the active key; None when they are so already. Raises
    `CannotOpen`."""
    found = [row.sealed_key, row.sealed_value, *row.sealed_headers]
    if all(keyring.is_current(bytes(raw)) for raw in found if raw is not None):
        return None
    at = TopicPartition(row.topic, row.partition)
    return sealed(keyring, row.consumer_group, at, row.record_offset, opened(keyring, row))


class _Place(NamedTuple):
    """Where a record was: group, topic, partition, offset."""

    group: str
    topic: str
    partition: int
    offset: int

    def bound(self, part: str) -> bytes:
        """This place as bytes, for one part of the record."""
        return place_of(self.group, self.topic, str(self.partition), str(self.offset), part)

    def seal(self, keyring: Keyring, part: str, plain: bytes | None) -> Any:
        return None if plain is None else keyring.seal(plain, self.bound(part))

    def unseal(self, keyring: Keyring, part: str, raw: bytes | None) -> Any:
        return None if raw is None else keyring.unseal(bytes(raw), self.bound(part))
