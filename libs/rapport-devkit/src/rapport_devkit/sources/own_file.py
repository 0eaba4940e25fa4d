"""Events from a file of your own: the whole file is right, or each kind of fault is told.

A CSV file, a workbook of Excel (.xlsx), or JSON Lines with an object a line. A header line, then a
line for each event. Columns (others are ignored; order is free):

client_id    required   the client's id in your system
happened_at  required   `2026-03-01`, `2026-03-01 14:30`, or RFC 3339 with an offset; without an
                        offset the practice's clock, without a time 10:00
event        required   booked, rescheduled, cancelled, completed, no_show (bookings);
                        settled, refunded, failed, charged_back (payments)
id           required   the booking's or payment's id in your system
amount       payments   in the currency's main unit (`49.90`); not for `failed`
currency     payments   ISO 4217, the same in the whole file; without the column CNY
starts_at    bookings   for `booked` and `rescheduled`: when the hour begins, as happened_at

What spreadsheets save is read where there is no doubt: UTF-8, UTF-16, GB18030; commas, semicolons,
tabs; 2026/3/1 9:10; ¥1,200.00; common Chinese words for columns and events. Where two readings are
possible, --answer says which.

Two equal lines are two events.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from rapport_devkit.sources.dataset import Dataset, by_day
from rapport_devkit.words import ENGLISH, Words
from rapport_files.events import Origin
from rapport_files.options import Options
from rapport_files.problems import Problem
from rapport_files.understanding import Understanding, understand


class BadFile(ValueError):
    """The file cannot be replayed; `told` says why: each kind of fault, and each question."""

    def __init__(self, understood: Understanding) -> None:
        super().__init__("\n".join(_told(understood, ENGLISH)))
        self._understood = understood

    def told(self, words: Words) -> Iterator[str]:
        """A line for each kind of fault, and for each question."""
        return _told(self._understood, words)

    @property
    def asks(self) -> bool:
        """Whether a question is open."""
        return bool(self._understood.questions)


def read_file(
    path: Path,
    origin: Origin,
    options: Options | None = None,
    words: Words = ENGLISH,
    each: Callable[[Problem], None] = lambda _: None,
) -> Dataset:
    """The events of a file; its columns are described at the head of this module.

    `each` gets every problem as it is found. Raises BadFile when any line is bad or any question is
    open, BadAnswer, and OSError when the file cannot be read.
    """
    understood = understand(path, origin, options or Options(answers=AS_EVENTS), each)
    if understood.refusals.count or not understood.can_begin:
        raise BadFile(understood)
    return Dataset(
        title=path.name,
        currency=understood.rules.currency,
        days=by_day(understood.events(), origin.zone),
        notes=tuple(understood.preview.by(words)),
    )


AS_EVENTS = {"told_as": "events"}
"""The demo replays what happened; a file of bookings as they are now tells no history."""


def _told(understood: Understanding, words: Words) -> Iterator[str]:
    yield from understood.refusals.by(words)
    for question in understood.questions:
        yield question.by(words)
