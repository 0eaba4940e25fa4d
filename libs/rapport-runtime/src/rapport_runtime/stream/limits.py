"""Records of several senders that cannot be decoded mean a wrong deploy: the loop halts (R10).

One sender's never do, however many: they are that practice's, or that source's, letters, and the
others go on. What a rule refuses, and what names nobody, no limit counts.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from rapport_runtime.errors import LoopHalted, RefusedRecord
from rapport_runtime.stream.batch import DeadLetter

_SEVERAL: Final = 0.2
"""Undecodable records come from several senders when more than this part of them is not the worst
sender's: a stray one beside a flood is no second flood."""

_ROWS_KEPT: Final = 4
"""A row longer than so many times the limit is halved, so that a long flood of one sender does not
hide for long that the others' records are wrong too."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A batch as the limits count it: its records, and those of them that could not be decoded, by
    whom they name as their sender."""

    records: int
    undecodable: Counter[str]

    @property
    def is_all_undecodable(self) -> bool:
        """Whether not one valid record is in it."""
        return self.undecodable.total() == self.records


def tally(records: int, letters: Collection[DeadLetter]) -> Tally:
    """The tally of a batch of so many records that sets these aside.

    What is refused for the sake of one practice or client counts neither as a record nor as an
    undecodable one, and so does what names nobody: it cannot show that several are at fault.
    """
    undecodable = Counter(
        letter.origin
        for letter in letters
        if letter.origin is not None and not isinstance(letter.error, RefusedRecord)
    )
    return Tally(records - len(letters) + undecodable.total(), undecodable)


@dataclass
class DeadLetterLimit:
    """Counts records and, by sender, those that cannot be decoded.

    `check` refuses a batch with undecodable records that makes more than `max_ratio` of at least
    `min_sample` records undecodable, or `max_consecutive` in a row, if they are of several senders.
    What is kept is bounded: old counts are halved, and a count of one is forgotten.
    """

    max_ratio: float = 0.2
    min_sample: int = 100
    max_consecutive: int = 50
    _records: int = 0
    _undecodable: Counter[str] = field(default_factory=Counter)
    _row: Counter[str] = field(default_factory=Counter)

    def check(self, batch: Tally) -> None:
        """Raise `LoopHalted` if committing such a batch would pass a limit."""
        if not batch.undecodable:
            return  # what was bad before is no reason to refuse what is good
        if batch.is_all_undecodable:
            row = self._row + batch.undecodable
            if row.total() >= self.max_consecutive and _of_several(row):
                _halt(f"{row.total()} invalid records without a valid one", row)
        total, bad = self._records + batch.records, self._undecodable + batch.undecodable
        if total < self.min_sample or bad.total() <= self.max_ratio * total:
            return
        if _of_several(bad):
            _halt(f"{bad.total()} of the last {total} records are invalid", bad)

    def count(self, batch: Tally) -> None:
        """Count a committed batch. Old counts are halved now and then, so that the ratio is about
        recent records."""
        if batch.is_all_undecodable:
            self._row.update(batch.undecodable)
        else:
            self._row.clear()
        if self._row.total() > _ROWS_KEPT * self.max_consecutive:
            self._row = _halved(self._row)
        self._records += batch.records
        self._undecodable.update(batch.undecodable)
        if self._records > 100 * self.min_sample:
            self._records //= 2
            self._undecodable = _halved(self._undecodable)


def _of_several(undecodable: Counter[str]) -> bool:
    total = undecodable.total()
    return total - max(undecodable.values()) > _SEVERAL * total


def _halt(what: str, undecodable: Counter[str]) -> None:
    msg = f"{what}, of {len(undecodable)} practices or sources: the schema or the deploy is wrong"
    raise LoopHalted(msg)


def _halved(counts: Counter[str]) -> Counter[str]:
    return Counter({sender: number // 2 for sender, number in counts.items() if number > 1})
