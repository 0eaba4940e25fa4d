"""JSON Lines: an object a line, whose keys are the columns."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rapport_files.decoding import LONGEST_LINE, Decoding, text_lines
from rapport_files.problems import WHOLE_LINE, Broken, Problem
from rapport_files.readers.rows import Nested, Number, RawTable, Row, Rows, cell
from rapport_files.said import Said, said

_MOST_KEYS = 500
_WAY_OUT = said("write one object a line, such as {example}", example='{"client_id": "c-17"}')


class _Cut(Said):
    """Why the last line is no object: it has no end, so more may be missing behind it."""


_CUT = _Cut("breaks off within a line")
_SAVE_AGAIN = said("export the file again, as a whole")


def json_lines(path: Path, decoding: Decoding) -> RawTable:
    """The table of a file of JSON objects. Its header is made of all their keys, in the order in
    which they are first found. Raises OSError."""
    keys: dict[str, None] = {}
    for _, found in _objects(path, decoding):
        if not isinstance(found, Said):
            keys.update(dict.fromkeys(found))
        if len(keys) > _MOST_KEYS:
            break
    problems = [decoding.problem] if decoding.problem else []
    if len(keys) > _MOST_KEYS:
        reason = said("the objects have more than {most} keys", most=_MOST_KEYS)
        problems.append(Problem(1, WHOLE_LINE, reason, said("take out what is not needed")))
    return RawTable(
        format=said("JSON Lines"),
        rows=lambda: _rows(path, decoding, list(keys)[:_MOST_KEYS]),
        notes=[decoding.note] if decoding.note else [],
        problems=problems,
        has_title=False,
    )


def _rows(path: Path, decoding: Decoding, header: list[str]) -> Rows:
    yield Row(1, header)
    for line, found in _objects(path, decoding):
        if isinstance(found, _Cut):
            yield Broken(line, WHOLE_LINE, found, _SAVE_AGAIN)
        elif isinstance(found, Said):
            yield Problem(line, WHOLE_LINE, found, _WAY_OUT)
        else:
            yield Row(line, [_text(found.get(key)) for key in header])


def _objects(path: Path, decoding: Decoding) -> Iterator[tuple[int, Mapping[str, Any] | Said]]:
    """Each line that is not blank, as an object or as the reason why it is none."""
    line, begins = 0, True
    for text in text_lines(path, decoding):
        line += begins
        whole = begins and not (len(text) >= LONGEST_LINE and not text.endswith("\n"))
        if whole and text.strip():
            found = _object(text)
            is_cut = isinstance(found, Said) and not text.endswith(("\n", "\r"))
            yield line, _CUT if is_cut else found
        elif begins and not whole:
            yield line, said("is longer than {most} characters", most=f"{LONGEST_LINE:,}")
        begins = text.endswith(("\n", "\r"))


def _object(text: str) -> Mapping[str, Any] | Said:
    """Numbers stay as they are written, so that no id loses a digit."""
    try:
        found = json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=str, object_pairs_hook=_pairs
        )
    except (ValueError, RecursionError):
        return said("is not a JSON object whose keys all differ")
    return found if isinstance(found, dict) else said("is not a JSON object")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value if isinstance(value, Number) else cell(value)
    if isinstance(value, (dict, list)):
        return Nested("...")
    return "" if value is None else str(value).lower()
