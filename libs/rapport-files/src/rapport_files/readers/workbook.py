"""Excel's own .xlsx: the sheet that is a table.

The reader of cells holds all sheets whole, so what a workbook comes to in memory is bounded, and
measured first. The errors that it does not show, such as #REF!, are found at the same time.
"""

import re
import zipfile
import zlib
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from posixpath import join, normpath
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from rapport_files.columns import HEADER_WITHIN
from rapport_files.options import BadAnswer
from rapport_files.problems import WHOLE_LINE, Problem
from rapport_files.readers.rows import Number, RawTable, Row, Rows, cell
from rapport_files.readers.workbook_size import MOST_ERRORS, Odd, Size, places, size_of
from rapport_files.said import Said, said
from rapport_files.vocabulary import Vocabulary

MOST_UNPACKED = 128 << 20
"""Bytes of all parts together, and of all shared strings as the cells show them."""
MOST_CELLS = 5_000_000
"""Of the rectangles of all sheets together, from the first cell of each to its last."""
_SAVE_AS = said('in Excel or WPS choose Save As, "CSV UTF-8 (comma delimited)"')
_WHOLE_DIGITS = 10**16
_OTHER_KINDS = frozenset({"xl/workbook.bin", "content.xml"})
"""Parts of workbooks that are measured in another way."""
_BAD_PARTS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading a part raises: also one that is encrypted, or packed in a way that is not known."""
_SHEET = re.compile(r"<(?:\w+:)?sheet\s[^<>]*>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\s[^<>]*>")
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')
_SHOWN = "#REF!"
"""Stands for any error of a cell; all of them are refused alike."""

Errors = Mapping[int, set[int]]
"""Row, from 1 -> places of its cells with errors, from 0."""


class Unreadable(Exception):
    """The file is no workbook that can be read; `problem` says why."""

    def __init__(self, reason: Said) -> None:
        super().__init__(str(reason))
        self.problem = Problem(1, WHOLE_LINE, reason, _SAVE_AS)


def workbook(
    path: Path, vocabulary: Vocabulary, answer: str | None = None
) -> tuple[RawTable, Mapping[str, Said]]:
    """The table of a workbook, and the sheets to choose from, which are empty without a choice.

    `answer` is the number of a sheet, from 1. While nobody has chosen, the first table is read.
    Raises Unreadable, BadAnswer, OSError.
    """
    size = _measured(path)
    try:
        book = CalamineWorkbook.from_path(path)
        sheets = [book.get_sheet_by_index(at) for at in range(len(book.sheet_names))]
    except CalamineError:
        raise Unreadable(said("is no workbook that can be read")) from None
    tables = [at for at, sheet in enumerate(sheets, 1) if _is_table(sheet, vocabulary)]
    chosen = _chosen(answer, tables, len(sheets))
    errors = _errors(path, chosen, size)
    notes = []
    if len(sheets) > 1:
        notes.append(said("sheet {number} of {sheets} is read", number=chosen, sheets=len(sheets)))
    table = RawTable(
        format=said("Excel"), rows=lambda: _rows(sheets[chosen - 1], errors), notes=notes
    )
    if answer is not None or len(tables) < 2:
        return table, {}
    return table, {
        str(at): said("the {rows} rows of sheet {number}", rows=sheets[at - 1].height, number=at)
        for at in tables
    }


def _measured(path: Path) -> Size:
    """What a workbook comes to; what would take too much memory is refused. Raises Unreadable,
    OSError."""
    try:
        with zipfile.ZipFile(path) as parts:
            parts.getinfo("xl/workbook.xml")
            if _OTHER_KINDS & {part.filename.casefold() for part in parts.infolist()}:
                raise KeyError
            unpacked = sum(part.file_size for part in parts.infolist())
            size = size_of(parts) if unpacked <= MOST_UNPACKED else None
    except Odd:
        raise Unreadable(said("is no workbook that can be read")) from None
    except (*_BAD_PARTS, KeyError):
        raise Unreadable(said("is no workbook of the kind .xlsx")) from None
    if size is None or size.shown > MOST_UNPACKED:
        most = f"{MOST_UNPACKED >> 20}"
        raise Unreadable(said("is a workbook of more than {most} MB, unpacked", most=most))
    if size.cells > MOST_CELLS:
        reason = said("has more than {most} cells up to its last one", most=f"{MOST_CELLS:,}")
        raise Unreadable(reason)
    return size


def _is_table(sheet: CalamineSheet, vocabulary: Vocabulary) -> bool:
    first = [_texts(cells) for cells in islice(sheet.iter_rows(), HEADER_WITHIN)]
    return vocabulary.is_table(first)


def _chosen(answer: str | None, tables: Sequence[int], sheets: int) -> int:
    if answer is None:
        return tables[0] if tables else 1
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= sheets:
        return int(answer)
    raise BadAnswer(f"sheet: {answer} is no number from 1 to {sheets}")


def _rows(sheet: CalamineSheet, errors: Errors) -> Rows:
    begins = sheet.start[1] if sheet.start else 0
    for line, values in enumerate(sheet.iter_rows(), 1):
        cells = _texts(values)
        for place in errors.get(line, ()):
            if begins <= place < begins + len(cells):
                cells[place - begins] = _SHOWN
        yield Row(line, cells)


def _texts(values: Sequence[Any]) -> list[str]:
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    """A cell as it is shown: at most 15 digits, and a date without a time as the date alone."""
    if isinstance(value, float):
        is_whole = value.is_integer() and abs(value) < _WHOLE_DIGITS
        return Number(int(value) if is_whole else f"{value:.15g}")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else cell(str(value))


def _errors(path: Path, chosen: int, size: Size) -> Errors:
    """The cells of a sheet that hold an error. Raises Unreadable, OSError."""
    try:
        with zipfile.ZipFile(path) as parts:
            packed = size.errors.get(_part(parts, chosen), array("Q"))
    except (*_BAD_PARTS, KeyError, IndexError):
        raise Unreadable(said("is no workbook that can be read")) from None
    if len(packed) > MOST_ERRORS:
        raise Unreadable(said("is a sheet full of errors such as #REF!"))
    found: dict[int, set[int]] = defaultdict(set)
    for row, column in places(packed):
        found[row].add(column)
    return found


def _part(parts: zipfile.ZipFile, chosen: int) -> str:
    """The name of a sheet's part. Raises KeyError, IndexError."""
    sheets = _SHEET.findall(parts.read("xl/workbook.xml").decode(errors="replace"))
    relation = _attributes(sheets[chosen - 1])["id"]
    links = parts.read("xl/_rels/workbook.xml.rels").decode(errors="replace")
    targets = {found["Id"]: found["Target"] for found in map(_attributes, _RELATION.findall(links))}
    name = normpath(join("/xl", targets[relation])).lstrip("/")
    return parts.getinfo(name).filename


def _attributes(tag: str) -> dict[str, str]:
    """Without their prefixes."""
    return {name.rpartition(":")[2]: value for name, value in _ATTRIBUTE.findall(tag)}
