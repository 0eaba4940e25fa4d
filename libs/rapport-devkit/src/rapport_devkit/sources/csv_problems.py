"""What is wrong with a file: every bad line, said in few lines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapport_devkit.words import ENGLISH, Words

_LINES_NAMED = 8


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line (1 = the header). The value itself is not repeated."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        """One line of text for a terminal."""
        return f"line {self.line}, {self.column}: {self.reason}"


class BadFile(ValueError):
    """The file cannot be replayed; `problems` has every bad line, in the order of lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Refused(Exception):
    """A cell that is not valid; `reason` says what it is not, and the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def summary(problems: Sequence[Problem], words: Words = ENGLISH) -> Iterator[str]:
    """A line for each kind of problem, so that no kind hides behind a thousand of another."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for problem in problems:
        lines[problem.column, problem.reason].append(problem.line)
    for (column, reason), found in lines.items():
        numbers = ", ".join(map(str, found[:_LINES_NAMED]))
        if len(found) > _LINES_NAMED:
            more = f"{len(found) - _LINES_NAMED:,}"
            where = words("lines {numbers} and {more} more", numbers=numbers, more=more)
        elif len(found) > 1:
            where = words("lines {numbers}", numbers=numbers)
        else:
            where = words("line {number}", number=numbers)
        yield f"{where}, {column}: {reason}"
