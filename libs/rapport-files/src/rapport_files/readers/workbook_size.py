"""What the cells of a workbook come to in memory, counted before they are read.

The reader of cells holds a sheet as a rectangle from its first cell to its last, so a single far
cell takes as much as all that could stand before it; and it repeats a shared string in each cell.
All of that is counted here from the XML of the parts, which come in pieces.
"""

import re
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

_CHUNK: Final = 1 << 16
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})", re.ASCII | re.IGNORECASE)
_SHARED: Final = "sharedstrings.xml"
_CELLS: Final = b"sheetData"
"""Stands in each part that is a sheet, whatever its name."""


@dataclass
class Size:
    """The cells of the rectangles of all sheets, and the bytes (UTF-8) of the shared strings that
    they show."""

    cells: int = 0
    shown: int = 0


class Odd(ValueError):
    """A part is no XML, or its cells have no places."""


def size_of(parts: zipfile.ZipFile) -> Size:
    """The size of all sheets of a workbook. Raises Odd, and what zipfile raises."""
    size, lengths = Size(), array("Q")
    shared = [each for each in parts.infolist() if each.filename.casefold().endswith(_SHARED)]
    for part in shared:
        _Strings(lengths).read(parts, part)
    for part in parts.infolist():
        if _is_sheet(parts, part):
            _Sheet(size, lengths).read(parts, part)
    return size


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


def _is_sheet(parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    last = b""
    for chunk in _pieces(parts, part):
        if _CELLS in last + chunk:
            return True
        last = chunk[-len(_CELLS) :]
    return False


class _Part:
    """Reads a part; `tag` is the element whose text is read, and `text` what it has so far."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = lambda name, given: self.begin(_local(name), given)
        self._parser.EndElementHandler = lambda name: self.end(_local(name))
        self._parser.StartDoctypeDeclHandler = _refuse

    def read(self, parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
        """Read all of it. Raises Odd, and what zipfile raises."""
        try:
            for chunk in _pieces(parts, part):
                self._parser.Parse(chunk, False)  # noqa: FBT003
            self._parser.Parse(b"", True)  # noqa: FBT003
        except (expat.ExpatError, ValueError):
            raise Odd from None

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
    """Adds the rectangle of a sheet, and the shared strings that its cells show. A cell without a
    value takes no place."""

    def __init__(self, size: Size, lengths: "array[int]") -> None:
        super().__init__()
        self._size = size
        self._lengths = lengths
        self._row = self._column = self._rows = self._columns = 0
        self._is_shared = False
        self._text = ""

    def begin(self, name: str, given: dict[str, str]) -> None:
        if name == "row":
            self._row = int(given.get("r", self._row + 1))
            self._column = 0
        elif name == "c":
            self._row, self._column = self._place(given.get("r"))
            self._is_shared = given.get("t") == "s"
        elif name in ("v", "is", "f"):
            self._rows = max(self._rows, self._row)
            self._columns = max(self._columns, self._column)
            self.listen(hear=name == "v" and self._is_shared)

    def _place(self, told: str | None) -> tuple[int, int]:
        if told is None:
            return self._row, self._column + 1
        found = _PLACE.fullmatch(told)
        if found is None:
            raise ValueError
        return int(found[2]), column_number(found[1]) + 1

    def hear(self, text: str) -> None:
        self._text += text

    def end(self, name: str) -> None:
        if name == "v" and self._is_shared and self._text:
            at = int(self._text)
            self._size.shown += self._lengths[at] if 0 <= at < len(self._lengths) else 0
        elif name == "sheetData":
            self._size.cells += self._rows * self._columns
        if name == "v":
            self._text = ""
            self.listen(hear=False)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _refuse(*_: object) -> None:
    raise ValueError
