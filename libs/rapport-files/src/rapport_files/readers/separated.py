"""CSV: cells with commas, semicolons, tabs or the like between them."""

import csv
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from rapport_files.columns import HEADER_WITHIN
from rapport_files.decoding import LONGEST_LINE, Decoding, text_lines
from rapport_files.problems import WHOLE_LINE, Broken
from rapport_files.readers.rows import RawTable, Row, Rows, cell
from rapport_files.said import Said, said
from rapport_files.vocabulary import Vocabulary

_SEPARATORS: Mapping[str, Said] = MappingProxyType(
    {
        ",": said("commas"),
        ";": said("semicolons"),
        "\t": said("tabs"),
        "，": said("Chinese commas"),
        "|": said("bars"),
    }
)
_SEP_LINE = re.compile(r"\ufeff?sep=(.)\r?\n?", re.IGNORECASE)
_TOO_LONG = said("is longer than {most} characters", most=f"{LONGEST_LINE:,}")
_CLOSE_QUOTES = said('close each quote, and write a quote inside of a cell twice: ""')


def separated(path: Path, decoding: Decoding, vocabulary: Vocabulary) -> RawTable:
    """The table of a CSV file. Raises OSError."""
    first = list(islice(text_lines(path, decoding), HEADER_WITHIN))
    told = _SEP_LINE.fullmatch(first[0]) if first else None
    separator = told[1] if told else _separator(first, vocabulary)
    notes = [decoding.note] if decoding.note else []
    if separator != ",":
        named = _SEPARATORS.get(separator, said(separator))
        notes.append(said("read with {separator} between the cells", separator=named))
    return RawTable(
        format=said("CSV"),
        rows=lambda: _rows(path, decoding, separator, skip=bool(told)),
        notes=notes,
        problems=[decoding.problem] if decoding.problem else [],
        decimal_comma=separator == ";",
    )


def _separator(first: list[str], vocabulary: Vocabulary) -> str:
    """The one by which the first rows have the most of our columns; else a comma."""

    def known(separator: str) -> int:
        rows = [line.replace('"', "").strip("\r\n").split(separator) for line in first]
        return max((len(vocabulary.fields(row)) for row in rows), default=0)

    return max(_SEPARATORS, key=known)


class _TooLong(Exception):
    pass


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if len(line) >= LONGEST_LINE and not line.endswith(("\n", "\r")):
            raise _TooLong
        yield line


def _rows(path: Path, decoding: Decoding, separator: str, *, skip: bool) -> Rows:
    lines = text_lines(path, decoding)
    reader = csv.reader(_bounded(lines), delimiter=separator, strict=True)
    try:
        for cells in reader:
            if not (skip and reader.line_num == 1):
                yield Row(reader.line_num, [cell(each) for each in cells])
    except csv.Error as error:
        reason = said("is not CSV ({error})", error=str(error))
        yield Broken(reader.line_num, WHOLE_LINE, reason, _CLOSE_QUOTES)
    except _TooLong:
        yield Broken(reader.line_num + 1, WHOLE_LINE, _TOO_LONG, _CLOSE_QUOTES)
