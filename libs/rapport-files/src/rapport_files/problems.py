"""What is wrong with a file: each bad line with its column, the reason and the way out.

No problem repeats a cell: it may be about a person.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rapport_files.said import Said, Speaker, english, said

_LINES_NAMED = 8
WHOLE_LINE = "-"
"""Stands for the column where a problem is of the line."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line of a file (the first is 1), and how to mend it.

    `column` is the header as the file has it, our own name for a column that is missing, or
    `WHOLE_LINE`.
    """

    line: int
    column: str
    reason: Said
    way_out: Said

    def __str__(self) -> str:
        """One line of text in English."""
        return f"line {self.line}, {self.column}: {_fault(self, english)}"


@dataclass(frozen=True)
class Broken(Problem):
    """A problem behind which nothing of the file can be read."""


class Refused(Exception):
    """A cell that is not valid: the reason says what it is not, and the way out how to mend it."""

    def __init__(self, reason: Said, way_out: Said) -> None:
        super().__init__(f"{reason}: {way_out}")
        self.reason = reason
        self.way_out = way_out


class BadFile(ValueError):
    """Nothing of the file was taken; `told` says why, a line for each kind of fault or question."""

    def __init__(self, told: "Refusals") -> None:
        super().__init__("\n".join(told.by()))
        self.told = told


@dataclass
class _Kind:
    lines: list[int] = field(default_factory=list)
    count: int = 0


class Refusals:
    """Counts problems by kind in bounded memory, and hands each of them on to `each`.

    A thousand of one kind hide no other: each kind is told once, with its first lines.
    """

    def __init__(self, each: Callable[[Problem], None] = lambda _: None) -> None:
        self.count = 0
        self._each = each
        self._kinds: dict[tuple[str, Said, Said], _Kind] = {}

    def add(self, problem: Problem) -> None:
        """Count a problem."""
        key = (problem.column, problem.reason, problem.way_out)
        kind = self._kinds.setdefault(key, _Kind())
        kind.count += 1
        if len(kind.lines) < _LINES_NAMED:
            kind.lines.append(problem.line)
        self.count += 1
        self._each(problem)

    def by(self, speaker: Speaker = english) -> Iterator[str]:
        """A line for each kind of problem, by the first line on which it was found."""
        kinds = sorted(self._kinds.items(), key=lambda item: item[1].lines[0])
        for (column, reason, way_out), kind in kinds:
            fault = _fault(Problem(0, column, reason, way_out), speaker)
            yield f"{lines_named(kind.lines, kind.count, speaker)}, {column}: {fault}"


def lines_named(lines: list[int], count: int, speaker: Speaker) -> str:
    """`lines` are the first ones of `count` in all."""
    numbers = ", ".join(map(str, lines))
    if count > len(lines):
        more = said(
            "lines {numbers} and {more} more", numbers=numbers, more=f"{count - len(lines):,}"
        )
        return more.by(speaker)
    many = said("lines {numbers}", numbers=numbers)
    return (many if count > 1 else said("line {number}", number=numbers)).by(speaker)


class ErrorFile:
    """A CSV file of all problems, for a spreadsheet: line, column, reason, way out.

    It is begun at the first problem. Raises OSError. Use it as a context.
    """

    def __init__(self, path: Path, speaker: Speaker = english) -> None:
        self._path = path
        self._speaker = speaker
        self._file: TextIO | None = None

    def __enter__(self) -> "ErrorFile":
        """Nothing is written yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def add(self, problem: Problem) -> None:
        """Write a problem at the end of the file."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
            heads = (said("line"), said("column"), said("reason"), said("way out"))
            csv.writer(self._file).writerow([head.by(self._speaker) for head in heads])
        reason, way_out = problem.reason.by(self._speaker), problem.way_out.by(self._speaker)
        csv.writer(self._file).writerow([problem.line, problem.column, reason, way_out])


def _fault(problem: Problem, speaker: Speaker) -> str:
    fault = said("{reason}: {way_out}", reason=problem.reason, way_out=problem.way_out)
    return fault.by(speaker)
