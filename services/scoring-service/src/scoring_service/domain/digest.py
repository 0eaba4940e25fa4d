"""The sums of a client's facts for each practice-local day: all that scoring stores of them."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter, sub
from typing import Final

from scoring_service.domain import digest_bytes, purchases
from scoring_service.domain.kernel.facts import AMOUNTS, COUNTS, DENSE, FEEDS, Said, Series

_STORED: Final = ("completed", "no_show", "settled", "refunded")
_AMOUNTS: Final = frozenset({"settled", "refunded"})
_COLUMNS: Final = frozenset(DENSE)
_KINDS: Final = COUNTS | AMOUNTS | {purchases.PAID, purchases.RETURNED, purchases.OFFERED}
_FEEDERS: Final = {
    fed: tuple((kind, sign) for kind, pairs in FEEDS.items() for name, sign in pairs if name == fed)
    for fed in {name for pairs in FEEDS.values() for name, _ in pairs}
}
"""What a kind is made of besides itself, and with which sign."""
_PRICED: Final = {"sold": purchases.sold, "quoted": purchases.quoted}
_ORDER: Final = attrgetter("order")
_NOTHING: Final = Series([], [])


@dataclass(slots=True)
class Digest:
    """Net sums by (day, kind, key), and what was said on attributes. Folding is addition:
    commutative, so late and out-of-order facts cannot change the result (R8).

    Five columns of one length, ordered by day, have what most clients have: `days` are proleptic
    ordinals (`date.toordinal`), `completed` and `no_show` counts, `settled` and `refunded` minor
    units of the practice's currency, refunds positive; `net` is their difference. A day whose sums
    there are all zero is removed. `sums` has every other kind, and the kinds that have keys, by
    (kind, key); a sum of zero is removed. A net may be negative while a correction is ahead of its
    original. `words` has what was said by the attribute's name, in the order of `Said.order`;
    `unsaid` the marks of words that were taken back before they came.
    """

    days: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)
    no_show: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    refunded: list[int] = field(default_factory=list)
    sums: dict[tuple[str, str], Series] = field(default_factory=dict)
    words: dict[str, list[Said]] = field(default_factory=dict)
    unsaid: list[int] = field(default_factory=list)
    net: list[int] = field(init=False, compare=False, repr=False)
    _made: dict[str, Series] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.net = list(map(sub, self.settled, self.refunded))

    def add(self, kind: str, on: date, count: int, amount_minor: int) -> bool:
        """Fold one difference in; True if the digest changed.

        `completed` and `no_show` take `count`, `settled` and `refunded` take `amount_minor`.
        ValueError for another kind.
        """
        if kind not in _STORED:
            raise ValueError(f"not a kind with a column: {kind!r}")
        difference = amount_minor if kind in _AMOUNTS else count
        if not difference:
            return False
        if self._made:
            self._made.clear()
        self._put_in_column(kind, on.toordinal(), difference)
        return True

    def put(self, kind: str, day: int, difference: int, key: str = "") -> bool:
        """Add a difference to the sum of a kind on a day, and to that of its key; True if that
        changed anything. ValueError for a kind that nothing reads."""
        if kind not in _KINDS:
            raise ValueError(f"not a kind that is summed: {kind!r}")
        if not difference:
            return False
        if self._made:
            self._made.clear()
        if kind in _STORED:
            self._put_in_column(kind, day, difference)
            if not key:
                return True
        series = self.sums.setdefault((kind, key), Series([], []))
        add_to(series, day, difference)
        if not series.days:
            del self.sums[kind, key]
        return True

    def say(self, name: str, said: Said) -> bool:
        """Add a word on an attribute; False for one that was said already, or taken back."""
        if said.mark and said.mark in self.unsaid:
            self.unsaid.remove(said.mark)
            return True
        words = self.words.setdefault(name, [])
        if said in words:
            return False
        insort(words, said, key=_ORDER)
        return True

    def unsay(self, name: str, mark: int) -> bool:
        """Take back the word with that mark, also if it comes later."""
        words = self.words.get(name, [])
        rest = [said for said in words if said.mark != mark]
        if len(rest) == len(words):
            insort(self.unsaid, mark)
        elif rest:
            self.words[name] = rest
        else:
            del self.words[name]
        return True

    def series(self, kind: str) -> Series:
        """The sums of a kind over all its keys, and of the kinds that count for it."""
        if kind in _COLUMNS:
            return Series(self.days, getattr(self, kind))
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = self._make(kind)
        return made

    def keyed(self, kind: str) -> Mapping[str, Series]:
        """The sums of a kind by key, those without a key left out."""
        found = {key: each for (name, key), each in self.sums.items() if name == kind and key}
        worked_out = _PRICED.get(kind)
        return found if worked_out is None else found | worked_out(self.sums)

    def said(self, name: str) -> Sequence[Said]:
        """All that was said on an attribute, in the order of `Said.order`."""
        return self.words.get(name, ())

    def last_completed(self, counted_to: int) -> int:
        """The last day up to `counted_to` with a positive net of completed bookings, else 0.

        Computed from the sums, never stored: a correction could not take back a stored maximum.
        """
        completed = self.completed
        for place in range(bisect_right(self.days, counted_to) - 1, -1, -1):
            if completed[place] > 0:
                return self.days[place]
        return 0

    def to_bytes(self) -> bytes:
        """The bytes in which it is stored (`digest_bytes`); equal digests give equal bytes."""
        columns = (self.days, self.completed, self.no_show, self.settled, self.refunded)
        return digest_bytes.written(columns, self.sums, self.words, self.unsaid)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Digest":
        """The digest that `to_bytes` wrote; ValueError for another version or a broken length."""
        stored = digest_bytes.read(data)
        return cls(*stored.columns, stored.sums, stored.words, stored.unsaid)

    @property
    def last_completed_on(self) -> date | None:
        """The last day with a positive net of completed bookings, future days included."""
        last = self.last_completed(self.days[-1]) if self.days else 0
        return date.fromordinal(last) if last else None

    def _make(self, kind: str) -> Series:
        parts = [(each, 1) for (name, _), each in self.sums.items() if name == kind]
        for feeder, sign in _FEEDERS.get(kind, ()):
            parts.append((self.series(feeder), sign))
        if kind == "purchased":
            parts.append((purchases.purchased(self.sums), 1))
        if len(parts) == 1 and parts[0][1] == 1:
            return parts[0][0]
        made = Series([], [])
        for (days, nets), sign in parts:
            for day, net in zip(days, nets, strict=True):
                add_to(made, day, sign * net)
        return made if parts else _NOTHING

    def _put_in_column(self, kind: str, day: int, difference: int) -> None:
        place = bisect_left(self.days, day)
        if place == len(self.days) or self.days[place] != day:
            self.days.insert(place, day)
            for opened in (self.completed, self.no_show, self.settled, self.refunded, self.net):
                opened.insert(place, 0)
        column: list[int] = getattr(self, kind)
        column[place] += difference
        if kind in _AMOUNTS:
            self.net[place] += difference if kind == "settled" else -difference
        if not column[place]:
            self._close_if_empty(place)

    def _close_if_empty(self, place: int) -> None:
        columns = (self.completed, self.no_show, self.settled, self.refunded)
        if not any(column[place] for column in columns):
            for column in (self.days, *columns, self.net):
                del column[place]


def add_to(series: Series, day: int, difference: int) -> None:
    """Add a difference to the sum of a day; a sum of zero is removed."""
    days, nets = series
    place = bisect_left(days, day)
    if place == len(days) or days[place] != day:
        days.insert(place, day)
        nets.insert(place, difference)
        return
    nets[place] += difference
    if not nets[place]:
        del days[place], nets[place]
