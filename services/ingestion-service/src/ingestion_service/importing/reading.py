"""What a file says, looked at as a whole before anything of it is taken."""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from ingestion_service.domain.imports import About, ImportKey
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.sources import Source
from ingestion_service.importing.snapshot import LedgerBookings
from ingestion_service.importing.taking import Numbered
from ingestion_service.ports import Stores
from rapport_contracts.ranges import FIRST_DAY, LAST_DAY
from rapport_contracts.values import Name
from rapport_files.events import Origin
from rapport_files.options import BadAnswer, Options
from rapport_files.problems import Problem, Refusals
from rapport_files.snapshots import Comparison, Snapshot
from rapport_files.understanding import Understanding, understand
from rapport_runtime.ops.operators import Refused

_BLOCK: Final = 1 << 20
_DIGITS: Final = 32


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: a file of a practice's source, and all that says how it is read. `zone` is
    that of times without an offset; `days` are those of which a snapshot tells all bookings, both
    included; None: of none."""

    path: Path
    practice: Practice
    source: str
    zone: str
    answers: Mapping[str, str]
    backfill: bool
    days: tuple[date, date] | None
    vanishing_is_right: bool

    @property
    def origin(self) -> Origin:
        """Whose events they are."""
        return Origin(
            practice_id=self.practice.practice_id,
            zone=self.zone,
            source=self.source,
            backfill=self.backfill,
        )

    def key(self, file_hash: str) -> ImportKey:
        """The import of these words. The same command has the same key."""
        options = [self.answers, self.backfill, self.days]
        words = [self.source, file_hash, options]
        told = json.dumps(words, sort_keys=True, default=str).encode()
        job_id = hashlib.sha256(told).hexdigest()[:_DIGITS]
        return ImportKey(self.practice.practice_id, job_id)

    def about(self, file_hash: str, taken_at: datetime) -> About:
        """What is kept of the words."""
        options = {
            "answers": dict(self.answers),
            "backfill": self.backfill,
            "days": self.days,
            "taken_at": taken_at,
        }
        return About(self.source, file_hash, json.dumps(options, sort_keys=True, default=str))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a file says: `events` gives those behind a position, `total` counts them, `refused`
    its lines that say nothing. A snapshot begins anew each time (`resumes` is false), since what it
    has told is known by then; `refusals` are its bookings that cannot be compared."""

    events: Callable[[int], Iterator[Numbered]]
    total: int
    refused: int
    resumes: bool = True
    refusals: Refusals = field(default_factory=Refusals)


def source_of(options: argparse.Namespace) -> str:
    """The name of the source. Raises `Refused`."""
    try:
        source: str = TypeAdapter(Name).validate_python(options.source)
    except ValidationError:
        raise Refused("--source: 1 to 200 visible characters, as events name it") from None
    return source


def request_of(options: argparse.Namespace, practice: Practice, declared: Source | None) -> Request:
    """The words of the command, for a source that is `declared` so. Raises `Refused`."""
    answers = dict(options.answer)
    if options.told_as is not None:
        answers["told_as"] = options.told_as
    zone = declared.zone if declared else None
    return Request(
        path=options.file,
        practice=practice,
        source=source_of(options),
        zone=zone or practice.zone,
        answers=answers,
        backfill=bool(options.backfill),
        days=_days(options.first_day, options.last_day),
        vanishing_is_right=options.vanishing_is_right,
    )


def look(request: Request, each: Callable[[Problem], None]) -> Understanding:
    """What was understood of the file; `each` gets every problem. Raises `Refused`."""
    try:
        options = Options(
            currency=request.practice.currency, only_currency=True, answers=request.answers
        )
        return understand(request.path, request.origin, options, each)
    except (BadAnswer, ValueError) as error:
        raise Refused(f"--answer {error}") from error
    except OSError as error:
        raise Refused(f"{request.path}: {error.strerror}") from error


def read(
    request: Request,
    understood: Understanding,
    stores: Stores,
    taken_at: datetime,
    each: Callable[[Problem], None],
) -> Reading:
    """The events of a file that was understood, or those that make the ledger's bookings its own;
    `each` gets every booking that cannot be compared. Raises `Refused` where more vanishes than may
    without a person's yes."""
    if understood.preview.told_as == "events":
        total = sum(understood.preview.kinds.values())
        refused = understood.refusals.count
        return Reading(events=partial(_events, understood), total=total, refused=refused)
    return _differences(request, understood, stores, taken_at, each)


def hash_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as hexadecimal digits. Raises `Refused`."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def _days(first: date | None, last: date | None) -> tuple[date, date] | None:
    if first is None and last is None:
        return None
    if first is None or last is None or last < first:
        raise Refused("--first-day and --last-day: both, the first not later than the last")
    if first < FIRST_DAY or last > LAST_DAY:
        raise Refused(f"--first-day and --last-day: days from {FIRST_DAY} to {LAST_DAY}")
    return first, last


def _events(understood: Understanding, position: int) -> Iterator[Numbered]:
    return map(Numbered._make, islice(understood.numbered_events(), position, None))


def _differences(
    request: Request,
    understood: Understanding,
    stores: Stores,
    taken_at: datetime,
    each: Callable[[Problem], None],
) -> Reading:
    known = LedgerBookings(stores, request.practice.practice_id, request.source)
    first_on, last_on = request.days or (date.min.replace(year=2), date.min.replace(year=2))
    snapshot = Snapshot(
        taken_at=taken_at,
        first_on=first_on,
        last_on=last_on,
        is_whole=request.days is not None and understood.refusals.count == 0,
    )
    comparison = Comparison(
        known, lambda: known.beside(understood.bookings()), snapshot, request.origin
    )
    found = comparison.look(each)
    if found.needs_yes and not request.vanishing_is_right:
        raise Refused(
            f"{found.vanishing:,} of {found.planned:,} planned hours would be cancelled, since the"
            " file does not have them: give --vanishing-is-right if they should"
        )
    total = sum(found.kinds.values())
    return Reading(
        events=lambda _: map(Numbered._make, comparison.numbered_events(confirmed=True)),
        total=total,
        refused=understood.refusals.count + found.refusals.count,
        resumes=False,
        refusals=found.refusals,
    )
