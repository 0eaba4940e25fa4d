"""What every reader gives: rows of texts."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapport_files.problems import Problem
from rapport_files.said import Said

_AS_TEXT = re.compile(r'="(.*)"')


class Nested(str):
    """Stands in the place of a list or an object, which is no value of a cell."""

    __slots__ = ()


class Number(str):
    """A cell that the file itself has as a number, so that its dot begins the decimals."""

    __slots__ = ()


class Row(NamedTuple):
    """The cells of a row, without the blanks around them, and the number of its last line."""

    line: int
    cells: Sequence[str]


Rows = Iterator[Row | Problem]
"""Rows in the order of the file; a line that is no row is a problem instead."""


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A file that can be read. `rows` reads it from its beginning, as often as it is called, and
    holds no more than a row; the header is among its first rows.

    With `has_title` there may be other rows above the header. With `decimal_comma` the file is of a
    kind that may write 1,200 for 1.2.
    """

    format: Said
    rows: Callable[[], Rows]
    notes: Sequence[Said] = ()
    problems: Sequence[Problem] = ()
    has_title: bool = True
    decimal_comma: bool = False


def cell(text: str) -> str:
    """A cell without the blanks around it; ="001" is how some programs keep an id a text."""
    plain = text.strip()
    as_text = _AS_TEXT.fullmatch(plain)
    return as_text[1].strip() if as_text else plain
