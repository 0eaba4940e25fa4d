"""What the cells of a workbook come to in memory, counted before they are read.

The reader of cells holds a sheet as a rectangle from its first cell to its last, so a single far
cell takes as much as all that could stand before it; it repeats a shared string in each cell; and
it shows an error such as #REF! as an empty cell. All of that is found here from the XML of the
parts, which come in pieces, and each once.
"""

import re
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

_CHUNK: Final = 1 << 16
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})", re.ASCII | re.IGNORECASE)
_SHARED: Final = "sharedstrings.xml"
_CELLS: Final = b"sheetData"
"""Stands in each part that is a sheet, whatever its name."""
MOST_ERRORS: Final = 10_000
_MOST_ROWS: Final = 10**7
_COLUMN_BITS: Final = 15
"""So many bits hold the number of any column: three letters name less than 20,000."""


@dataclass
class Size:
    """The cells of the rectangles of all sheets, and the bytes (UTF-8) of the shared strings that
    they show. `errors` has the places of cells with errors, by the name of the sheet's part: at
    most one more than `MOST_ERRORS` of each, packed."""

    cells: int = 0
    shown: int = 0
    errors: "dict[str, array[int]]" = field(default_factory=dict)


class Odd(ValueError):
    """A part is no XML, or its cells have no places."""


def size_of(parts: zipfile.ZipFile) -> Size:
    """The size of all sheets of a workbook. Raises Odd, and what zipfile raises."""
    size, lengths = Size(), array("Q")
    shared: list[zipfile.ZipInfo] = []
    others: list[zipfile.ZipInfo] = []
    for part in parts.infolist():
        (shared if part.filename.casefold().endswith(_SHARED) else others).append(part)
    others += [each for each in shared if _Strings(lengths).read(parts, each)]
    for part in others:
        sheet = _Sheet(lengths)
        if sheet.read(parts, part):
            sheet.add_to(size, part.filename)
    return size


def places(packed: "array[int]") -> Iterator[tuple[int, int]]:
    """The row, from 1, and the column, from 0, of each cell with an error."""
    return ((each >> _COLUMN_BITS, each & ((1 << _COLUMN_BITS) - 1)) for each in packed)


def column_number(letters: str) -> int:
    """The place of a column, from 0, by its letters."""
    place = 0
    for each in letters.upper():
        place = place * 26 + ord(each) - ord("A") + 1
    return place - 1


def _pieces(parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    with parts.open(part) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


class _Part:
    """Reads a part, which may be anything that a workbook has."""

    must_be_xml = False

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = lambda name, given: self.begin(_local(name), given)
        self._parser.EndElementHandler = lambda name: self.end(_local(name))
        self._parser.StartDoctypeDeclHandler = _refuse

    def read(self, parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
        """Read all of it, and say whether it is a sheet. Raises Odd for a sheet, and for what must
        be XML, that is none; and what zipfile raises."""
        is_sheet, is_odd, last = False, False, b""
        for chunk in _pieces(parts, part):
            last += chunk
            is_sheet = is_sheet or _CELLS in last
            last = last[-len(_CELLS) :]
            is_odd = is_odd or not self._parse(chunk)
        is_odd = is_odd or not self._parse(b"", is_end=True)
        if is_odd and (is_sheet or self.must_be_xml):
            raise Odd
        return is_sheet

    def _parse(self, chunk: bytes, *, is_end: bool = False) -> bool:
        """Whether it is XML so far, with the places that cells need."""
        try:
            self._parser.Parse(chunk, is_end)
        except (expat.ExpatError, ValueError):
            return False
        return True

    def listen(self, hear: bool) -> None:  # noqa: FBT001
        """Whether texts are handed on from here."""
        self._parser.CharacterDataHandler = self.hear if hear else None

    def begin(self, name: str, given: dict[str, str]) -> None:
        """An element begins."""

    def hear(self, text: str) -> None:
        """A piece of text."""

    def end(self, name: str) -> None:
        """An element ends."""


class _Strings(_Part):
    """Adds the length of each shared string."""

    must_be_xml = True

    def __init__(self, lengths: "array[int]") -> None:
        super().__init__()
        self._lengths = lengths
        self._length = 0

    def begin(self, name: str, given: dict[str, str]) -> None:
        if name == "si":
            self._length = 0
        elif name == "t":
            self.listen(hear=True)

    def hear(self, text: str) -> None:
        self._length += len(text.encode())

    def end(self, name: str) -> None:
        if name == "si":
            self._lengths.append(self._length)
        elif name == "t":
            self.listen(hear=False)


class _Sheet(_Part):
    """Counts the rectangle of a sheet, the shared strings that its cells show, and its errors. A
    cell without a value takes no place."""

    def __init__(self, lengths: "array[int]") -> None:
        super().__init__()
        self._lengths = lengths
        self._cells = self._shown = 0
        self._errors = array("Q")
        self._row = self._column = self._rows = self._columns = 0
        self._is_shared = False
        self._text = ""

    def begin(self, name: str, given: dict[str, str]) -> None:
        if name == "row":
            self._row = _bounded(int(given.get("r", self._row + 1)), _MOST_ROWS)
            self._column = 0
        elif name == "c":
            self._row, self._column = self._place(given.get("r"))
            self._is_shared = given.get("t") == "s"
            if given.get("t") == "e" and len(self._errors) <= MOST_ERRORS:
                self._errors.append(self._row << _COLUMN_BITS | (self._column - 1))
        elif name in ("v", "is", "f"):
            self._rows = max(self._rows, self._row)
            self._columns = max(self._columns, self._column)
            self.listen(hear=name == "v" and self._is_shared)

    def add_to(self, size: Size, name: str) -> None:
        """Count what was read as that of the part of this name."""
        size.cells += self._cells
        size.shown += self._shown
        size.errors[name] = self._errors

    def _place(self, told: str | None) -> tuple[int, int]:
        if told is None:
            return self._row, _bounded(self._column + 1, 1 << _COLUMN_BITS)
        found = _PLACE.fullmatch(told)
        if found is None:
            raise ValueError
        return int(found[2]), column_number(found[1]) + 1

    def hear(self, text: str) -> None:
        self._text += text

    def end(self, name: str) -> None:
        if name == "v" and self._is_shared and self._text:
            at = int(self._text)
            self._shown += self._lengths[at] if 0 <= at < len(self._lengths) else 0
        elif name == "sheetData":
            self._cells += self._rows * self._columns
        if name == "v":
            self._text = ""
            self.listen(hear=False)


def _bounded(number: int, most: int) -> int:
    """A number that cells may have. Raises ValueError."""
    if not 0 <= number <= most:
        raise ValueError
    return number


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _refuse(*_: object) -> None:
    raise ValueError
