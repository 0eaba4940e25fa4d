"""What is kept of a file that is on its way into the ledger (ADR 51)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.intake_results import IntakeResult


class ImportKey(NamedTuple):
    """An import: `job_id` is a hash of its source, of the file and of the options."""

    practice_id: PracticeId
    job_id: str


class About(NamedTuple):
    """What is imported: a file, by the SHA-256 of its bytes (hexadecimal digits), as events of a
    source, with these options (JSON)."""

    source: str
    file_hash: str
    options: str


class Counts(NamedTuple):
    """What became of the events of a file so far."""

    accepted: int = 0
    duplicate: int = 0
    parked: int = 0
    rejected: int = 0

    def plus(self, results: Sequence[IntakeResult]) -> "Counts":
        """With the results of some more."""
        found: Counter[str] = Counter(each.status for each in results)
        return Counts._make(known + found[name] for name, known in self._asdict().items())


class ImportHold(NamedTuple):
    """While an import goes on its practice stands at `stands_at`. `is_announced` is false after a
    restore, until the hold is announced again."""

    hold_id: str
    stands_at: datetime
    is_announced: bool


class ImportJob(NamedTuple):
    """How far an import has come: the number of the file's events that were decided on, what became
    of them, and when the last ones were (by the database's clock). Without a hold it has stood
    still for long."""

    key: ImportKey
    about: About
    position: int
    counts: Counts
    moved_at: datetime
    hold: ImportHold | None
