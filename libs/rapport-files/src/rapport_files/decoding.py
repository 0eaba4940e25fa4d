"""The text of a file from its bytes, as spreadsheets save it: UTF-8, UTF-16 or GB18030.

A file is read in pieces, and never held whole.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rapport_files.problems import WHOLE_LINE, Problem
from rapport_files.said import Said, said

LONGEST_LINE = 1_000_000
"""Characters; a line beyond it is no row of a table."""

SAVE_AS_UTF_8 = said('in Excel or WPS choose Save As, "CSV UTF-8 (comma delimited)"')
_CHUNK = 1 << 16
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BLANK = b"\0 \r\n\t\xef\xbb\xbf\xff\xfe"
_BESIDE_LATIN = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f]|[^\x00-\x7f](?=[A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a file's bytes become text. `note` is None for UTF-8.

    With a problem the text has marks in place of what cannot be read, so that the other problems
    of the file can be found too.
    """

    name: str
    note: Said | None = None
    problem: Problem | None = None


def decoding_of(path: Path) -> Decoding:
    """The encoding of a file that is not empty, where there is no doubt. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(2)
    if head in _UTF_16:
        return _utf_16(path, "utf-16")
    if head[1:] == b"\0":
        return _utf_16(path, "utf-16-le")
    if head[:1] == b"\0":
        return _utf_16(path, "utf-16-be")
    line = _first_unreadable_line(path, "utf-8-sig")
    if line is None:
        return Decoding(name="utf-8-sig")
    if _is_surely_chinese(path):
        note = said(
            "read as GB18030, not UTF-8; if that is wrong: {way_out}", way_out=SAVE_AS_UTF_8
        )
        return Decoding(name="gb18030", note=note)
    return _undecoded("utf-8-sig", line)


def is_empty(path: Path) -> bool:
    """Whether a file has no visible character. Raises OSError."""
    return not any(chunk.strip(_BLANK) for chunk in _chunks(path))


def text_lines(path: Path, decoding: Decoding) -> Iterator[str]:
    """The lines of a file with their ends, each at most `LONGEST_LINE` characters: a longer one
    comes in parts. Raises OSError."""
    errors = "strict" if decoding.problem is None else "replace"
    with path.open(encoding=decoding.name, errors=errors, newline="") as file:
        while line := file.readline(LONGEST_LINE):
            yield line


def _utf_16(path: Path, name: str) -> Decoding:
    if _first_unreadable_line(path, name) is not None:
        return _undecoded(name, 1)
    return Decoding(name=name, note=said("read as UTF-16, not UTF-8"))


def _undecoded(name: str, line: int) -> Decoding:
    return Decoding(
        name=name, problem=Problem(line, WHOLE_LINE, said("is not UTF-8"), SAVE_AS_UTF_8)
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _pieces(path: Path, name: str) -> Iterator[str]:
    """The text in pieces. Raises UnicodeDecodeError."""
    decoder = codecs.getincrementaldecoder(name)()
    for chunk in _chunks(path):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _first_unreadable_line(path: Path, name: str) -> int | None:
    line = 1
    try:
        for piece in _pieces(path, name):
            line += piece.count("\n")
    except UnicodeDecodeError as error:
        return line + error.object.count(b"\n", 0, error.start)
    return None


def _is_surely_chinese(path: Path) -> bool:
    """Whether a file that decodes as GB18030 was written in it.

    Letters of another code page, such as the ü of Müller, decode to rare characters beside Latin
    letters, and Big5 to characters of private use.
    """
    last = ""
    try:
        for piece in _pieces(path, "gb18030"):
            if any(unicodedata.category(each) in ("Co", "Cn") for each in set(piece)):
                return False
            "".join(_BESIDE_LATIN.findall(last + piece)).encode("gb2312")
            last = piece[-1:] or last
    except UnicodeError:
        return False
    return True
