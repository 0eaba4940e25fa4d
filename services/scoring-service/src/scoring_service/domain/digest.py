"""The sums of a client's facts for each practice-local day: all that scoring stores of them."""

import struct
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import chain
from struct import Struct

from scoring_service.domain.facts import KNOWN_KINDS

_NARROW, _WIDE = b"\x01", b"\x02"
_ROW = Struct("<iiiqq")
_COLUMNS = 5
_WIDE_BYTES = 16
_COUNTS = frozenset({"completed", "no_show"})
_AMOUNTS = frozenset({"settled", "refunded"})


@lru_cache(maxsize=1_024)
def _rows(number: int) -> Struct:
    return Struct("<" + _ROW.format.removeprefix("<") * number)


@dataclass(slots=True)
class Digest:
    """Net sums by day, as five columns of one length, ordered by day.

    `days` are proleptic ordinals (`date.toordinal`), `completed` and `no_show` counts, `settled`
    and `refunded` minor units of the practice's currency, refunds positive. Folding is addition:
    commutative, so late and out-of-order facts cannot change the result (R8). A day whose sums
    are all zero is removed. A net may be negative while a correction is ahead of its original.
    """

    days: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)
    no_show: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    refunded: list[int] = field(default_factory=list)

    def add(self, kind: str, on: date, count: int, amount_minor: int) -> bool:
        """Fold one difference in; True if the digest changed.

        `completed` and `no_show` take `count`, `settled` and `refunded` take `amount_minor`;
        the others change nothing. ValueError for a kind that is not known.
        """
        if kind in _COUNTS:
            delta = count
        elif kind in _AMOUNTS:
            delta = amount_minor
        elif kind in KNOWN_KINDS:
            return False
        else:
            raise ValueError(f"not a kind of fact: {kind!r}")
        if not delta:
            return False
        column: list[int] = getattr(self, kind)
        day = on.toordinal()
        place = bisect_left(self.days, day)
        known = place < len(self.days) and self.days[place] == day
        net = column[place] + delta if known else delta
        if not known:
            self._open(place, day)
        column[place] = net
        if not net:
            self._close_if_empty(place)
        return True

    def last_completed(self, counted_to: int) -> int:
        """The last day up to `counted_to` with a positive net of completed bookings, else 0.

        Computed from the sums, never stored: a correction could not take back a stored maximum.
        """
        completed = self.completed
        for place in range(bisect_right(self.days, counted_to) - 1, -1, -1):
            if completed[place] > 0:
                return self.days[place]
        return 0

    @property
    def last_completed_on(self) -> date | None:
        """The last day with a positive net of completed bookings, future days included."""
        last = self.last_completed(self.days[-1]) if self.days else 0
        return date.fromordinal(last) if last else None

    def to_bytes(self) -> bytes:
        """A version byte (1), then 28 bytes a day, little-endian, ordered by day.

        Each day: ordinal int32 (1 = 0001-01-01), completed int32, no_show int32, settled int64,
        refunded int64. If any sum does not fit: the version byte 2, and the same five as int128.
        Equal digests give equal bytes.
        """
        rows = zip(
            self.days, self.completed, self.no_show, self.settled, self.refunded, strict=True
        )
        flat = [*chain.from_iterable(rows)]
        try:
            return _NARROW + _rows(len(self.days)).pack(*flat)
        except struct.error:
            return _WIDE + b"".join(
                number.to_bytes(_WIDE_BYTES, "little", signed=True) for number in flat
            )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Digest":
        """The digest that `to_bytes` wrote; ValueError for another version or a broken length."""
        version = data[:1]
        if version not in {_NARROW, _WIDE}:
            raise ValueError(f"digest of an unknown version: {version!r}")
        size = _ROW.size if version == _NARROW else _COLUMNS * _WIDE_BYTES
        number, rest = divmod(len(data) - 1, size)
        if rest:
            raise ValueError(f"digest cut off: {rest} bytes after {number} days")
        if version == _NARROW:
            flat = list(_rows(number).unpack_from(data, 1))
        else:
            flat = [
                int.from_bytes(data[at : at + _WIDE_BYTES], "little", signed=True)
                for at in range(1, len(data), _WIDE_BYTES)
            ]
        return cls(flat[0::5], flat[1::5], flat[2::5], flat[3::5], flat[4::5])

    def _open(self, place: int, day: int) -> None:
        self.days.insert(place, day)
        for column in (self.completed, self.no_show, self.settled, self.refunded):
            column.insert(place, 0)

    def _close_if_empty(self, place: int) -> None:
        columns = (self.completed, self.no_show, self.settled, self.refunded)
        if not any(column[place] for column in columns):
            for column in (self.days, *columns):
                del column[place]
