"""A first reading of all rows of a file: what it says is counted, and nothing of it is taken."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from datetime import date
from typing import Generic, NamedTuple, Protocol, TypeVar

from rapport_files.counting import Contradictions, DiskCounter
from rapport_files.options import COLUMN, Question, question
from rapport_files.preview import Preview
from rapport_files.problems import WHOLE_LINE, Broken, Problem, Refusals
from rapport_files.readers.rows import Row
from rapport_files.rows import Outcome
from rapport_files.said import said
from rapport_files.tables import Table

_LINES_NAMED = 8
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class NotUnderstood(Exception):
    """The file waits for an answer, cannot be taken as a whole, or is told in the other way."""


class Reader(Protocol[T_co]):
    """Reads rows in the order of the file, until it is closed."""

    def read(self, row: Row) -> Outcome[T_co]:
        """What a row tells, or what stands against it."""

    def close(self) -> None:
        """Forget which rows there were."""


class Seen(NamedTuple):
    """What is counted of one thing that a row tells: its kind, its client, its practice-local day,
    and its money in minor units, as far as it has them."""

    kind: str
    client: str | None
    on: date | None
    minor: int | None = None


class Found(NamedTuple):
    """The questions that a file leaves open, and whether it as a whole is not right."""

    questions: list[Question]
    blocked: bool


class Survey(Generic[T]):
    """Reads all rows once, and counts into `preview`; problems go to `refusals`."""

    def __init__(
        self, table: Table, preview: Preview, refusals: Refusals, seen: Callable[[T], Seen]
    ) -> None:
        self._table = table
        self._preview = preview
        self._refusals = refusals
        self._seen = seen
        self._clients = DiskCounter()
        self._lacking: set[str] = set()
        self._waiting: dict[str, list[int]] = {}
        self._waits: Counter[str] = Counter()

    def all(self, reader: Reader[T], missing: Collection[str], **asks: bool) -> Found:
        """Read to the end. `missing` are the fields that every row needs and the file has no column
        for, `asks` the questions of the file as a whole."""
        for problem in self._table.blocked:
            self._refusals.add(problem)
        with closing(reader):
            broken = self._read_rows(reader)
        self._check_columns(missing)
        self._preview.clients = len(self._clients)
        self._clients.close()
        is_bad = bool(self._table.blocked or self._lacking or broken)
        return Found(self._questions(asks), is_bad or not self._preview.rows)

    def _read_rows(self, reader: Reader[T]) -> bool:
        """Whether the end of the file could not be read."""
        broken = False
        for row in self._table.rows():
            self._preview.rows += 1
            if not isinstance(row, Problem):
                self._count(reader.read(row))
                continue
            self._refusals.add(row)
            self._preview.refused += 1
            broken = broken or isinstance(row, Broken)
        return broken

    def _count(self, outcome: Outcome[T]) -> None:
        preview = self._preview
        for problem in outcome.problems:
            self._refusals.add(problem)
        preview.refused += bool(outcome.problems)
        preview.waiting += bool(outcome.asked and not outcome.problems)
        for key in set(outcome.asked):
            self._waits[key] += 1
            if len(lines := self._waiting.setdefault(key, [])) < _LINES_NAMED:
                lines.append(outcome.line)
        self._lacking |= outcome.lacking
        for each in outcome.told:
            self._saw(self._seen(each))

    def _saw(self, seen: Seen) -> None:
        preview = self._preview
        preview.kinds[seen.kind] += 1
        if seen.client is not None:
            self._clients.count(seen.client)
        if seen.minor is not None:
            preview.money[seen.kind] += seen.minor
        if seen.on is not None:
            preview.first_on = min(preview.first_on or seen.on, seen.on)
            preview.last_on = max(preview.last_on or seen.on, seen.on)

    def _check_columns(self, missing: Collection[str]) -> None:
        columns = self._table.columns
        if columns.width and not self._preview.rows:
            nothing = said("there is no line after the header")
            self._refusals.add(Problem(columns.line + 1, WHOLE_LINE, nothing, said("fill it in")))
        if not columns.width:
            return
        self._lacking.update(missing)
        found = ", ".join(columns.headers.values()) or "-"
        reason = said("the column is missing; there are: {found}", found=found)
        for name in sorted(self._lacking):
            way_out = said(
                "call it {name}, or answer column.{name}= its header or letter", name=name
            )
            self._refusals.add(Problem(columns.line, name, reason, way_out))

    def _questions(self, asks: Mapping[str, bool]) -> list[Question]:
        asked = {each.key: each for each in self._table.columns.asked.values()}
        questions = [*self._table.questions]
        questions += [question(key) for key, is_open in asks.items() if is_open]
        for key, lines in self._waiting.items():
            of = asked[key] if key.startswith(COLUMN) else question(key)
            questions.append(
                Question(
                    key=key, asks=of.asks, choices=of.choices, lines=lines, count=self._waits[key]
                )
            )
        return questions


def note_contradictions(
    table: Table, told: Callable[[Row], Iterable[tuple[str, str]]], found: Contradictions
) -> None:
    """Read all rows once for the keys of which each tells, with its words about each. Raises
    OSError."""
    for row in table.rows():
        if isinstance(row, Row):
            for key, words in told(row):
                found.see(key, words)
