"""The bench of an older commit beside this checkout's, in turn: `python -m tools.bench.compare`.

The older commit gets a worktree and a virtual environment of its own in a temporary folder. Both
benches run one after the other in each turn, so that both meet the same machine, and measure each
figure once in a turn, since the turns repeat it; a figure's ratio
is the median of the new runs by the median of the old ones. 1 when a figure that has a goal is
more than a tenth worse than before.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.places import JARS, REPOSITORY

TOLERANCE = 0.1
_HEADER = re.compile(r"bench\s+claim\s+figure\b")
_COLUMNS = re.compile(r"\s{2,}")
_NUMBER = re.compile(r"-?[\d,]*\.?\d+(?:e[+-]?\d+)?")


class Figure(NamedTuple):
    """One line of a bench's table; `goal` is as printed, such as ">= 30", or empty."""

    bench: str
    claim: str
    value: float
    goal: str


class Compared(NamedTuple):
    """A figure of both commits; `ratio` is new by old."""

    figure: Figure
    old: float
    new: float

    @property
    def ratio(self) -> float:
        """1.0 where both were nothing."""
        if self.old == 0:
            return 1.0 if self.new == 0 else float("inf")
        return self.new / self.old

    @property
    def ok(self) -> bool:
        """Not more than a tenth worse; what has no goal is only shown."""
        if self.figure.goal.startswith(">="):
            return self.ratio >= 1 - TOLERANCE
        if self.figure.goal.startswith("<="):
            return self.ratio <= 1 + TOLERANCE
        return True


def main() -> int:
    """Compare, and print a line for each figure."""
    options = _parser().parse_args()
    arguments = [f"--only={options.only}", f"--repetitions={options.repetitions}"]
    arguments += ["--quick"] if options.quick else []
    old, new = [], []
    with _checkout(options.old) as checkout:
        for turn in range(options.turns):
            print(f"turn {turn + 1} of {options.turns}", file=sys.stderr, flush=True)
            old.append(_run(checkout, arguments))
            new.append(_run(REPOSITORY, arguments))
    lines = compare(old, new)
    print(table(lines))
    worse = sum(not line.ok for line in lines)
    print(f"{len(lines)} figures, {worse} more than {TOLERANCE:.0%} worse than {options.old}")
    return 1 if worse else 0


def parse(output: str) -> list[Figure]:
    """The figures of what a bench printed: the lines of its table whose figure is a number."""
    figures, inside = [], False
    for line in output.splitlines():
        columns = _COLUMNS.split(line.strip())
        if not inside or len(columns) < len(("bench", "claim", "figure")):
            inside = bool(_HEADER.match(line))
            continue
        goal = columns[3] if columns[3:] and columns[3][:2] in {">=", "<="} else ""
        if number := _NUMBER.match(columns[2]):
            value = float(number[0].replace(",", ""))
            figures.append(Figure(columns[0], columns[1], value, goal))
    return figures


def compare(old: Sequence[list[Figure]], new: Sequence[list[Figure]]) -> list[Compared]:
    """The same places of all tables, for a claim may have another name in the older commit.

    Raises ValueError when the tables differ in length or in their benches.
    """
    if len({tuple(figure.bench for figure in run) for run in (*old, *new)}) != 1:
        raise ValueError("the two commits do not print the same figures")
    return [
        Compared(figure, _median(old, place), _median(new, place))
        for place, figure in enumerate(new[0])
    ]


def table(lines: Sequence[Compared]) -> str:
    """The figures in columns: bench, claim, old, new, ratio, and ok or WORSE if there is a goal."""
    rows = [("bench", "claim", "old", "new", "ratio", "")]
    for line in lines:
        values = (f"{line.old:g}", f"{line.new:g}", f"{line.ratio:.2f}", _verdict(line))
        rows.append((line.figure.bench, line.figure.claim, *values))
    widths = [max(len(row[place]) for row in rows) for place in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _verdict(line: Compared) -> str:
    if not line.figure.goal:
        return ""
    return "ok" if line.ok else "WORSE"


def _median(runs: Sequence[list[Figure]], place: int) -> float:
    return statistics.median(run[place].value for run in runs)


@contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    """A worktree of this commit with its own virtual environment, gone afterwards."""
    git = [_program("git"), "-C", str(REPOSITORY), "worktree"]
    with tempfile.TemporaryDirectory(prefix="rapport-compare-") as folder:
        checkout = Path(folder) / "old"
        subprocess.run([*git, "add", "--detach", str(checkout), revision], check=True)
        try:
            if JARS.exists():  # or the devkit fetches them once more
                jars = checkout / JARS.relative_to(REPOSITORY)
                jars.parent.mkdir(parents=True)
                jars.symlink_to(JARS)
            subprocess.run([_program("make"), "venv"], cwd=checkout, check=True)
            yield checkout
        finally:
            subprocess.run([*git, "remove", "--force", str(checkout)], check=True)


def _run(checkout: Path, arguments: Sequence[str]) -> list[Figure]:
    """One run of a checkout's bench; its exit code says only that a goal is short."""
    module = "tools.bench" if (checkout / "tools" / "bench").is_dir() else "tests.load.bench"
    done = subprocess.run(
        [str(checkout / ".venv" / "bin" / "python"), "-m", module, *arguments],
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(done.stdout, file=sys.stderr, flush=True)
    figures = parse(done.stdout)
    if not figures:
        what = f"printed no figures and ended with {done.returncode}"
        raise RuntimeError(f"the bench of {checkout} {what}")
    return figures


def _program(name: str) -> str:
    return shutil.which(name) or name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.compare", description=__doc__)
    parser.add_argument("--old", required=True, metavar="REV", help="the commit to compare with")
    parser.add_argument("--only", default="scoring,ingestion,api,latency")
    parser.add_argument("--quick", action="store_true", help="an eighth of the events, once")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=1, help="of each figure in a turn")
    return parser


if __name__ == "__main__":
    sys.exit(main())
