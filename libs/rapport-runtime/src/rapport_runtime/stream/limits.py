"""Too many invalid records mean that the deploy is wrong: the loop halts instead (R10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rapport_runtime.errors import InvalidRecord, LoopHalted, RefusedRecord

UNCOUNTED: Final = frozenset({"unknown-type"})
"""Reasons that no limit counts: a source may send a type before this version knows it. Its dead
letters wait; neither the schema nor the deploy is wrong."""


def uncounted(errors: Sequence[InvalidRecord]) -> int:
    """How many of these no limit counts, neither as records nor as invalid ones: what goes wrong
    for one practice must not stop the others."""
    return sum(isinstance(error, RefusedRecord) or error.reason in UNCOUNTED for error in errors)


@dataclass
class DeadLetterLimit:
    """Counts records and dead letters. `check` refuses a batch that makes more than `max_ratio` of
    at least `min_sample` records invalid, or `max_consecutive` in a row."""

    max_ratio: float = 0.2
    min_sample: int = 100
    max_consecutive: int = 50
    _records: int = 0
    _invalid: int = 0
    _consecutive: int = 0

    def check(self, *, records: int, invalid: int) -> None:
        """Raise `LoopHalted` if committing such a batch would pass a limit."""
        total, bad = self._records + records, self._invalid + invalid
        row = self._consecutive + invalid if invalid == records else 0
        if row >= self.max_consecutive:
            msg = f"{row} invalid records without a valid one: the schema or the deploy is wrong"
            raise LoopHalted(msg)
        if total >= self.min_sample and bad > self.max_ratio * total:
            msg = (
                f"{bad} of the last {total} records are invalid: the schema or the deploy is wrong"
            )
            raise LoopHalted(msg)

    def count(self, *, records: int, invalid: int) -> None:
        """Count a committed batch. Old counts are halved now and then, so that the ratio is about
        recent records."""
        self._consecutive = self._consecutive + invalid if invalid == records else 0
        self._records += records
        self._invalid += invalid
        if self._records > 100 * self.min_sample:
            self._records //= 2
            self._invalid //= 2
