"""Two files of what real people did, as a practice may have them: appointments of public clinics,
and purchases of a shop.

The appointments are not ours to publish: they lie in `../shared/data` beside the repository, or in
the folder that `RAPPORT_PUBLIC_DATA` names (see docs/development.md). The purchases are the
devkit's own.
"""

import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import islice
from typing import NamedTuple

from tests.support.places import PUBLIC_DATA, REPOSITORY

APPOINTMENTS = PUBLIC_DATA / "appointments.csv.gz"
PURCHASES = REPOSITORY / "libs/rapport-devkit/src/rapport_devkit/data/cdnow-sample.txt.gz"
Rows = Sequence[Sequence[str]]

TOLD = "client_id,happened_at,event,id,starts_at,amount,currency\n"
"""The header of a file of events."""
AS_PUBLISHED = (
    *("--as", "snapshot", "--answer", "column.client_id=PatientId"),
    *("--answer", "column.id=AppointmentID", "--answer", "column.starts_at=AppointmentDay"),
    *("--answer", "column.booked_at=ScheduledDay", "--answer", "column.event=No_show"),
    *("--answer", "word.no=completed", "--answer", "word.yes=no_show"),
)
"""How the file of appointments, as it is published, is read as bookings as they are now."""


class Table(NamedTuple):
    """A header and lines of text. Those that belong together stand in one entry."""

    header: str
    lines: list[str]

    def text(self) -> str:
        """The whole file."""
        return self.header + "".join(self.lines)

    def halves(self, seed: int) -> list[str]:
        """Two files, which have its lines in another order; equal ones stay together."""
        equal = Counter(self.lines)
        order = random.Random(seed).sample(sorted(equal), len(equal))
        return [
            self.header + "".join(line * equal[line] for line in half)
            for half in (order[::2], order[1::2])
        ]


def appointments(most: int | None) -> Rows:
    """The first rows of the file, without its header."""
    with gzip.open(APPOINTMENTS, "rt", encoding="utf-8", newline="") as file:
        return list(islice(csv.reader(file), 1, None if most is None else most + 1))


def purchases(most: int | None) -> Rows:
    """The first rows: a number, the client, the day, a quantity, dollars."""
    with gzip.open(PURCHASES, "rt", encoding="ascii") as file:
        return [line.split() for line in islice(file, most)]


def appointments_as_published(rows: Rows) -> Table:
    """Each appointment as it is."""
    with gzip.open(APPOINTMENTS, "rt", encoding="utf-8") as file:
        header = next(file)
    return Table(header, [_line(row) for row in rows])


def appointments_as_events(rows: Rows) -> Table:
    """Each appointment that was made, and what became of it."""
    lines = []
    for client, number, made_at, day, *_, missed in rows:
        outcome = {"No": "completed", "Yes": "no_show"}[missed]
        lines.append(_line([client, made_at, "booked", number, day, "", ""]))
        lines.append(_line([client, day, outcome, number, "", "", ""]))
    return Table(TOLD, lines)


def purchases_as_events(rows: Rows) -> Table:
    """Each purchase as an hour that was kept, and paid. 21 rows have an equal one, which a shop
    would tell apart by a number: theirs is the ordinal among equal rows."""
    times: Counter[tuple[str, ...]] = Counter()
    lines = []
    for row in rows:
        times[tuple(row)] += 1
        _, client, day, *_, dollars = row
        number = "-".join([*row, str(times[tuple(row)])])
        on = date.fromisoformat(day).isoformat()
        lines.append(_line([client, on, "completed", number, "", "", ""]))
        lines.append(_line([client, on, "settled", number, "", dollars, "CNY"]))
    return Table(TOLD, lines)


def _line(cells: Iterable[str]) -> str:
    """Cells without a comma."""
    return ",".join(cells) + "\n"
