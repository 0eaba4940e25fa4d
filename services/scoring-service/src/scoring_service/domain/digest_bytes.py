"""The bytes in which a client's digest is stored: rows of days, then everything else.

Little-endian. A version byte; versions 3 and 4 then have the number of days as uint32. Each day is
a row: its ordinal (1 = 0001-01-01), completed, no_show, settled, refunded; as int32, int32, int32,
int64, int64 in the versions 1 and 3, as five int128 in 2 and 4, where a sum does not fit. After the
rows, in the versions 3 and 4: the number of series as uint32, each with its kind and key (a byte of
length, UTF-8), the width of its sums (8 or 16 bytes) as a byte, the number of its days as uint32,
the days as int32 and the sums; then the number of words as uint32, each with its day, the last day
on which it holds (0: no end), sequence, instant and mark as int32, int32, int64, int64, int64, the
name and the value as texts of that kind (a value of length 255 is none). Then the number of marks
of words that were taken back before they came, as uint32, and the marks as int64. Series run by
kind and key, words by name and `Said.order`, so that equal digests give equal bytes.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from struct import Struct
from typing import Final, NamedTuple

from scoring_service.domain.kernel.facts import Said, Series

_NARROW, _WIDE, _NARROW_AND_MORE, _WIDE_AND_MORE = 1, 2, 3, 4
_ROW = Struct("<iiiqq")
_COLUMNS = 5
_WIDE_BYTES, _NARROW_BYTES = 16, 8
_NUMBER, _WORD, _MARK = Struct("<I"), Struct("<iiqqq"), Struct("<q")
_NO_TEXT = 255
MOST_TEXT: Final = 254
"""Bytes of the longest key or word."""

Sums = Mapping[tuple[str, str], Series]
Words = Mapping[str, Sequence[Said]]


class Stored(NamedTuple):
    """What the bytes hold: five columns of days, the sums by (kind, key), the words by name, and
    the marks of those that were taken back before they came."""

    columns: tuple[list[int], list[int], list[int], list[int], list[int]]
    sums: dict[tuple[str, str], Series]
    words: dict[str, list[Said]]
    unsaid: list[int]


def written(
    columns: Sequence[Sequence[int]], sums: Sums, words: Words, unsaid: Sequence[int]
) -> bytes:
    """The bytes of a digest."""
    number = len(columns[0])
    flat = [*chain.from_iterable(zip(*columns, strict=True))]
    try:
        rows, is_wide = _rows(number).pack(*flat), False
    except struct.error:
        rows, is_wide = b"".join(_wide(each) for each in flat), True
    if not (sums or words or unsaid):
        return bytes((_WIDE if is_wide else _NARROW,)) + rows
    head = bytes((_WIDE_AND_MORE if is_wide else _NARROW_AND_MORE,)) + _NUMBER.pack(number)
    parts = [head, rows, _NUMBER.pack(len(sums))]
    parts += [_series(*key, sums[key]) for key in sorted(sums)]
    said = [(name, each) for name in sorted(words) for each in words[name]]
    parts.append(_NUMBER.pack(len(said)))
    parts += [_word(name, each) for name, each in said]
    parts.append(_NUMBER.pack(len(unsaid)))
    parts += map(_MARK.pack, unsaid)
    return b"".join(parts)


def read(data: bytes) -> Stored:
    """What `written` wrote; ValueError for another version or a broken length."""
    version = data[0] if data else 0
    if version not in {_NARROW, _WIDE, _NARROW_AND_MORE, _WIDE_AND_MORE}:
        raise ValueError(f"digest of an unknown version: {data[:1]!r}")
    size = _ROW.size if version in {_NARROW, _NARROW_AND_MORE} else _COLUMNS * _WIDE_BYTES
    if version in {_NARROW, _WIDE}:
        number, rest = divmod(len(data) - 1, size)
        if rest:
            raise ValueError(f"digest cut off: {rest} bytes after {number} days")
        return Stored(_columns(data, 1, number, size), {}, {}, [])
    try:
        (number,) = _NUMBER.unpack_from(data, 1)
        begin = 1 + _NUMBER.size
        columns = _columns(data, begin, number, size)
        more = _Reader(data, begin + number * size).all()
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"digest cut off after {len(data)} bytes") from error
    return Stored(columns, *more)


def _columns(
    data: bytes, at: int, number: int, size: int
) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    if size == _ROW.size:
        flat = list(_rows(number).unpack_from(data, at))
    else:
        flat = _wides(data, at, number * _COLUMNS)
    return flat[0::5], flat[1::5], flat[2::5], flat[3::5], flat[4::5]


def _series(kind: str, key: str, series: Series) -> bytes:
    days, nets = series
    head = _text(kind) + _text(key)
    try:
        numbers = _sums(len(days)).pack(*days, *nets)
        return b"".join((head, bytes((_NARROW_BYTES,)), _NUMBER.pack(len(days)), numbers))
    except struct.error:
        ordinals = _days(len(days)).pack(*days)
        wide = b"".join(map(_wide, nets))
        return b"".join((head, bytes((_WIDE_BYTES,)), _NUMBER.pack(len(days)), ordinals, wide))


def _word(name: str, said: Said) -> bytes:
    value = bytes((_NO_TEXT,)) if said.value is None else _text(said.value)
    numbers = said.day, said.until or 0, said.sequence, said.at, said.mark
    return _WORD.pack(*numbers) + _text(name) + value


def _text(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


class _Reader:
    """Reads what stands behind the rows, from one place on."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def all(self) -> tuple[dict[tuple[str, str], Series], dict[str, list[Said]], list[int]]:
        """The series, the words and the marks; IndexError where more stands behind them."""
        sums = {}
        for _ in range(self._number()):
            key = self._text() or "", self._text() or ""
            sums[key] = self._series()
        words: dict[str, list[Said]] = {}
        for _ in range(self._number()):
            day, until, sequence, at, mark = self._take(_WORD)
            name = self._text() or ""
            said = Said(day, sequence, self._text(), until or None, at, mark)
            words.setdefault(name, []).append(said)
        unsaid = [self._take(_MARK)[0] for _ in range(self._number())]
        if self._at != len(self._data):
            raise IndexError(self._at)
        return sums, words, unsaid

    def _series(self) -> Series:
        width = self._data[self._at]
        self._at += 1
        number = self._number()
        if width == _NARROW_BYTES:
            flat = self._take(_sums(number))
            return Series(list(flat[:number]), list(flat[number:]))
        days = self._take(_days(number))
        nets = _wides(self._data, self._at, number)
        self._at += number * _WIDE_BYTES
        return Series(list(days), nets)

    def _number(self) -> int:
        number: int = self._take(_NUMBER)[0]
        return number

    def _text(self) -> str | None:
        length = self._data[self._at]
        self._at += 1
        if length == _NO_TEXT:
            return None
        text = self._data[self._at : self._at + length]
        self._at += length
        return text.decode()

    def _take(self, form: Struct) -> tuple[int, ...]:
        values = form.unpack_from(self._data, self._at)
        self._at += form.size
        return values


def _wide(number: int) -> bytes:
    return number.to_bytes(_WIDE_BYTES, "little", signed=True)


def _wides(data: bytes, at: int, number: int) -> list[int]:
    return [
        int.from_bytes(data[place : place + _WIDE_BYTES], "little", signed=True)
        for place in range(at, at + number * _WIDE_BYTES, _WIDE_BYTES)
    ]


@lru_cache(maxsize=1_024)
def _rows(number: int) -> Struct:
    return Struct("<" + _ROW.format.removeprefix("<") * number)


@lru_cache(maxsize=1_024)
def _days(number: int) -> Struct:
    return Struct(f"<{number}i")


@lru_cache(maxsize=1_024)
def _sums(number: int) -> Struct:
    return Struct(f"<{number}i{number}q")
