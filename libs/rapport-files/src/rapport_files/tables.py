"""A file as a table: its format by its first bytes, its header, and its columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rapport_files.columns import HEADER_WITHIN, Columns, columns_of
from rapport_files.decoding import decoding_of, is_empty, text_lines
from rapport_files.options import Options, Question, question
from rapport_files.problems import WHOLE_LINE, Problem
from rapport_files.readers.json_lines import json_lines
from rapport_files.readers.rows import RawTable, Row, Rows
from rapport_files.readers.separated import separated
from rapport_files.readers.workbook import Unreadable, workbook
from rapport_files.said import Said, said

_XLSX = b"PK\x03\x04"
_XLS = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file that can be read: its columns, and `rows` after the header, as often as it is called.

    `blocked` are problems of the file as a whole, with which nothing of it is taken.
    """

    format: Said
    columns: Columns
    rows: Callable[[], Rows]
    notes: Sequence[Said] = ()
    questions: Sequence[Question] = ()
    blocked: Sequence[Problem] = ()
    decimal_comma: bool = False


def open_table(path: Path, options: Options) -> Table:
    """The table of a file, also of one that cannot be read: `blocked` then says why.

    Raises BadAnswer, OSError.
    """
    try:
        raw, sheets = _raw(path, options)
    except Unreadable as unreadable:
        nothing = Columns(line=1, width=0)
        return Table(
            format=said("no table"),
            columns=nothing,
            rows=lambda: iter(()),
            blocked=[unreadable.problem],
        )
    first = [each for each in islice(raw.rows(), HEADER_WITHIN) if isinstance(each, Row)]
    titled = [row.cells for row in first] if raw.has_title else []
    place = options.vocabulary.header_place(titled)
    header = first[place] if first else Row(1, [])
    columns = columns_of(header.line, header.cells, options)
    notes = [*raw.notes]
    if place:
        notes.append(said("the header is line {line}", line=header.line))
    return Table(
        format=raw.format,
        columns=columns,
        rows=lambda: _body(raw.rows(), place),
        notes=notes,
        questions=[question("sheet", sheets)] if sheets else [],
        blocked=raw.problems,
        decimal_comma=raw.decimal_comma,
    )


def _raw(path: Path, options: Options) -> tuple[RawTable, Mapping[str, Said]]:
    """The rows of a file, and the sheets to choose from. Raises Unreadable, BadAnswer, OSError."""
    with path.open("rb") as file:
        head = file.read(len(_XLSX))
    if head == _XLSX:
        return workbook(path, options.vocabulary, options.answers.get("sheet"))
    if head == _XLS:
        raise Unreadable(said("is a workbook of an old kind"))
    if is_empty(path):
        nothing = Problem(1, WHOLE_LINE, said("the file is empty"), said("fill it in"))
        return RawTable(format=said("CSV"), rows=lambda: iter(()), problems=[nothing]), {}
    decoding = decoding_of(path)
    begins = next(text_lines(path, decoding), "").lstrip()[:1]
    if begins in ("{", "["):
        return json_lines(path, decoding), {}
    return separated(path, decoding, options.vocabulary), {}


def _body(rows: Rows, header: int) -> Rows:
    """The rows after the header, which is row `header` from 0, without those that say nothing."""
    passed = 0
    for each in rows:
        if isinstance(each, Problem):
            yield each
        elif passed <= header:
            passed += 1
        elif any(each.cells):
            yield each
