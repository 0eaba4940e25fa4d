"""When too much is poison the deploy is wrong, and the loop stops instead (RELIABILITY R10)."""

from dataclasses import dataclass

from rapport_runtime.errors import LoopHalted


@dataclass
class DeadLetterLimit:
    """Counts records and letters; past a ratio over a minimum sample, or so many bad ones without
    a good one, the batch is not committed and the loop halts."""

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
        """Remember a committed batch; older ones fade, so that the ratio speaks of now."""
        self._consecutive = self._consecutive + invalid if invalid == records else 0
        self._records += records
        self._invalid += invalid
        if self._records > 100 * self.min_sample:
            self._records //= 2
            self._invalid //= 2
