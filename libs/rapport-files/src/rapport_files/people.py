"""What was understood of a file of contacts and consents, before anything of it is taken."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from rapport_files.columns import Columns, letter
from rapport_files.counting import Contradictions
from rapport_files.damage import IdColumn
from rapport_files.lines import Rules
from rapport_files.options import DEFAULT_CURRENCY, Options, Question
from rapport_files.people_rows import PeopleRows, Told
from rapport_files.people_words import ADDRESSES, PEOPLE
from rapport_files.preview import Preview
from rapport_files.problems import Problem, Refusals
from rapport_files.readers.rows import Row
from rapport_files.survey import NotUnderstood, Seen, Survey, note_contradictions
from rapport_files.tables import Table, open_table


@dataclass(frozen=True, kw_only=True)
class PeopleUnderstanding:
    """What there is to know of a file of contacts and consents before it is taken; as
    `Understanding` is of events."""

    preview: Preview
    questions: Sequence[Question]
    refusals: Refusals
    blocked: bool
    table: Table
    rules: Rules

    @property
    def can_begin(self) -> bool:
        """Whether nothing stands against the file as a whole, and nothing is left open."""
        return not self.questions and not self.blocked

    def told(self) -> Iterator[Told]:
        """The contacts and consents of all rows that are not refused, in the order of the file.
        Raises NotUnderstood, OSError."""
        if not self.can_begin:
            raise NotUnderstood
        return self._told()

    def _told(self) -> Iterator[Told]:
        with closing(PeopleRows(self.rules)) as reader:
            for row in self.table.rows():
                if isinstance(row, Row):
                    yield from reader.read(row).told


def understand_people(
    path: Path, answers: Mapping[str, str], each: Callable[[Problem], None] = lambda _: None
) -> PeopleUnderstanding:
    """Read a file three times, for what its columns tell together, for lines that contradict each
    other, and for each of its rows, and take nothing of it. `each` gets every problem as it is
    found. Raises BadAnswer, OSError."""
    options = Options(answers=answers, vocabulary=PEOPLE)
    table = open_table(path, options)
    table = replace(table, columns=_without_postal(table.columns))
    rules = _rules_of(table, options)
    with closing(PeopleRows(rules)) as reader:
        note_contradictions(table, reader.told_ids, rules.contradictions)
    preview = Preview(
        format=table.format,
        told_as="people",
        notes=table.notes,
        columns=table.columns.headers,
        unread=table.columns.unread,
        currency=DEFAULT_CURRENCY,
    )
    refusals = Refusals(each)
    survey: Survey[Told] = Survey(table, preview, refusals, partial(_seen, rules.zone or UTC))
    found = survey.all(PeopleRows(rules), _missing(table.columns))
    return PeopleUnderstanding(
        preview=preview,
        questions=found.questions,
        refusals=refusals,
        blocked=found.blocked,
        table=table,
        rules=rules,
    )


def _without_postal(columns: Columns) -> Columns:
    """Beside phones and the like, an address that nobody gives a channel is where the client
    lives."""
    is_postal = not columns.has("channel") and any(map(columns.has, ADDRESSES))
    if not is_postal or "address" not in columns.places:
        return columns
    unread = [*columns.unread, letter(columns.places["address"])]
    return replace(
        columns,
        places={name: at for name, at in columns.places.items() if name != "address"},
        headers={name: each for name, each in columns.headers.items() if name != "address"},
        unread=sorted(unread, key=lambda each: (len(each), each)),
    )


def _rules_of(table: Table, options: Options) -> Rules:
    """How the cells of a table are read, from a first look at all of them. Raises OSError."""
    ids = IdColumn()
    at = table.columns.places.get("client_id")
    for row in table.rows():
        if isinstance(row, Row) and at is not None and at < len(row.cells):
            ids.see(row.cells[at])
    zone = options.answers.get("time_zone")
    return Rules(
        columns=table.columns,
        options=options,
        zone=None if zone is None else ZoneInfo(zone),
        currency=options.currency,
        decimal_comma=False,
        ids={("client_id", "client"): ids},
        words={},
        contradictions=Contradictions(),
    )


def _missing(columns: Columns) -> set[str]:
    """The fields that every row needs, and the file has no column for."""
    return set() if columns.has("client_id") else {"client_id"}


def _seen(zone: tzinfo, told: Told) -> Seen:
    """What is counted of a contact, or of a consent; its day is that of the answered zone."""
    on = None if told.at is None else told.at.astimezone(zone).date()
    return Seen(told.kind, told.client, on)
