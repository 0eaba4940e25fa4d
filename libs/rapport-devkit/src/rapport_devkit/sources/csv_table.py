"""A table from the bytes of a file as spreadsheets save it: its encoding, separator and header."""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rapport_devkit.sources.csv_problems import Problem
from rapport_devkit.sources.csv_words import COLUMNS, meanings, plain_word
from rapport_devkit.words import Words

REQUIRED = ("client_id", "happened_at", "event", "id")
_SEPARATORS: Mapping[str, str] = MappingProxyType(
    {",": "commas", ";": "semicolons", "\t": "tabs", "，": "Chinese commas", "|": "bars"}
)
_HEADER_WITHIN = 10
"""A header comes within so many rows; above it stand a title and the like."""
_SEP_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_AS_TEXT = re.compile(r'="(.*)"')
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BESIDE_LATIN = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f]|[^\x00-\x7f](?=[A-Za-z])")
_MEANS = meanings(COLUMNS)

Row = Mapping[str, str]


@dataclass(kw_only=True)
class Table:
    """The rows under the wanted columns that were found, each with its line's number.

    `notes` say what was read otherwise than as UTF-8 with commas and our names of columns, and
    `too_wide` are the lines with more cells than the header.
    """

    columns: frozenset[str] = frozenset()
    header_line: int = 1
    found: Sequence[str] = ()
    rows: list[tuple[int, Row]] = field(default_factory=list)
    semicolons: bool = False
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    too_wide: list[int] = field(default_factory=list)


def read_table(data: bytes, words: Words) -> Table:
    """All that can be read of a file; `problems` is empty only when that is all of it."""
    table = Table()
    if not data.strip(b"\0 \r\n\t"):
        table.problems.append(Problem(1, "-", words("the file is empty")))
    elif data.startswith(_WORKBOOKS):
        workbook = words("is a workbook and no CSV file: {way_out}", way_out=_way_out(words))
        table.problems.append(Problem(1, "-", workbook))
    else:
        _read_rows(_decoded(data, table, words), table, words)
    return table


def _way_out(words: Words) -> str:
    return words('in Excel or WPS choose Save As, "CSV UTF-8 (comma delimited)"')


def _decoded(data: bytes, table: Table, words: Words) -> str:
    """The text, in UTF-8, UTF-16, or GB18030 where there is no doubt."""
    if data.startswith(_UTF_16):
        return _decoded_as(data, "utf-16", table, words)
    if data[1:2] == b"\0":
        return _decoded_as(data, "utf-16-le", table, words)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    if _is_surely_chinese(text):
        sample = max(re.findall(r"[^\x00-\x7f]+", text), key=len)
        table.notes.append(
            words(
                'read as GB18030, not UTF-8; if "{sample}" is not what you wrote: {way_out}',
                sample=sample[:20],
                way_out=_way_out(words),
            )
        )
        return text
    return _not_decoded(data, "utf-8-sig", line, table, words)


def _decoded_as(data: bytes, encoding: str, table: Table, words: Words) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return _not_decoded(data, encoding, 1, table, words)
    table.notes.append(words("read as UTF-16, not UTF-8"))
    return text


def _not_decoded(data: bytes, encoding: str, line: int, table: Table, words: Words) -> str:
    """The text with marks for what cannot be read, so that the other problems are found too."""
    reason = words("is not UTF-8: {way_out}", way_out=_way_out(words))
    table.problems.append(Problem(line, "-", reason))
    return data.decode(encoding, errors="replace")


def _is_surely_chinese(text: str) -> bool:
    """Whether a text that decodes as GB18030 was written in it.

    Letters of another code page, such as the ü of Müller, decode to rare characters beside Latin
    letters, and Big5 to characters of private use.
    """
    if not text or any(unicodedata.category(each) in ("Co", "Cn") for each in set(text)):
        return False
    beside = "".join(_BESIDE_LATIN.findall(text))
    try:
        beside.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _read_rows(text: str, table: Table, words: Words) -> None:
    told = _SEP_LINE.match(text)
    separator = told[1] if told else _separator(text)
    table.semicolons = separator == ";"
    if separator != ",":
        named = words(_SEPARATORS.get(separator, separator))
        table.notes.append(words("read with {separator} between the cells", separator=named))
    lines = _lines(text, separator, table, words)[bool(told) :]
    if not lines:
        return
    place = _header_place([cells for _, cells in lines[:_HEADER_WITHIN]])
    table.header_line, header = lines[place]
    if place:
        table.notes.append(words("the header is line {line}", line=table.header_line))
    columns = _columns(header, table, words)
    table.columns, table.found = frozenset(columns.values()), [*filter(None, header)]
    for number, cells in lines[place + 1 :]:
        if any(cells):
            _add_row(number, cells, len(header), columns, table)
    _check_rows(table, words)


def _add_row(
    number: int, cells: Sequence[str], width: int, columns: Mapping[int, str], table: Table
) -> None:
    if any(cells[width:]):
        table.too_wide.append(number)
    row = {name: cells[at] for at, name in columns.items() if at < len(cells)}
    table.rows.append((number, row))


def _check_rows(table: Table, words: Words) -> None:
    if not table.rows:
        reason = words("there is no line after the header")
        table.problems.append(Problem(table.header_line + 1, "-", reason))
    reason = words(
        "has more cells than the header: a comma inside of a cell needs quotes around it,"
        ' "1,200.00"'
    )
    table.problems += [Problem(number, "-", reason) for number in table.too_wide]


def _separator(text: str) -> str:
    """The one by which the first rows have the most of our columns; else a comma."""
    first = text.splitlines()[:_HEADER_WITHIN]

    def known(separator: str) -> int:
        rows = [line.replace('"', "").split(separator) for line in first]
        return max((len(_known(row)) for row in rows), default=0)

    return max(_SEPARATORS, key=known)


def _lines(
    text: str, separator: str, table: Table, words: Words
) -> list[tuple[int, Sequence[str]]]:
    """The cells of each row, without the blanks around them, and the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[tuple[int, Sequence[str]]] = []
    try:
        for cells in reader:
            lines.append((reader.line_num, [_cell(each) for each in cells]))
    except csv.Error as error:
        reason = words("is not CSV: {error}", error=error)
        table.problems.append(Problem(reader.line_num, "-", reason))
    return lines


def _cell(text: str) -> str:
    """A cell without the blanks around it; ="001" is how some programs keep an id a text."""
    plain = text.strip()
    as_text = _AS_TEXT.fullmatch(plain)
    return as_text[1].strip() if as_text else plain


def _known(header: Sequence[str]) -> set[str]:
    return {_MEANS[each] for each in map(plain_word, header) if each in _MEANS}


def _header_place(rows: Sequence[Sequence[str]]) -> int:
    """The first row that has the most of the required columns."""
    counts = [len(_known(row) & set(REQUIRED)) for row in rows]
    return counts.index(max(counts)) if counts else 0


def _columns(header: Sequence[str], table: Table, words: Words) -> dict[int, str]:
    """Place in a row -> column. Our own name goes before other words for the same column."""
    plain = [plain_word(each) for each in header]
    columns: dict[int, str] = {}
    for name in COLUMNS:
        own = [at for at, each in enumerate(plain) if each == plain_word(name)]
        found = own or [at for at, each in enumerate(plain) if _MEANS.get(each) == name]
        if len(found) > 1:
            which = ", ".join(header[at] for at in found)
            reason = words("more than one column may be this one: {which}", which=which)
            table.problems.append(Problem(table.header_line, name, reason))
        columns |= dict.fromkeys(found[:1], name)
    read_as = [
        f"{header[at]} = {name}" for at, name in columns.items() if plain[at] != plain_word(name)
    ]
    if read_as:
        table.notes.append(words("columns: {columns}", columns=", ".join(read_as)))
    return columns
