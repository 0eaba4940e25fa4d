"""`python -m rapport_devkit.demo`: what `make demo` runs."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from rapport_contracts.ranges import zones
from rapport_devkit.databases import SERVICES
from rapport_devkit.demo.run import AlreadyRunning, DemoOptions, run_demo
from rapport_devkit.processes import ProcessFailed
from rapport_devkit.sources import csv_file
from rapport_devkit.sources.cdnow import read_cdnow
from rapport_devkit.sources.csv_file import BadFile, read_csv
from rapport_devkit.sources.dataset import Dataset, Origin

PRACTICE_ID = "quiet-harbour"
SOURCE = "demo-desk"
_MOST_PROBLEMS = 20


def main(argv: list[str]) -> int:
    """0 when nothing was lost; 1 when something was; 2 for wrong arguments or a bad file; 130 for
    Ctrl-C."""
    arguments = _parser().parse_args(argv)
    console = Console()
    origin = Origin(practice_id=PRACTICE_ID, zone=arguments.zone, source=SOURCE)
    try:
        dataset = _dataset(arguments.data, origin).until(arguments.days)
    except (BadFile, OSError) as problem:
        return _refuse(console, problem)
    options = DemoOptions(
        folder=Path(".local", "demo").absolute(),
        origin=origin,
        services=arguments.services,
        stays=not arguments.exit,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run_demo(options, dataset, console)
    except KeyboardInterrupt:
        console.print("interrupted; everything is stopped")
        return 130
    except (AlreadyRunning, ProcessFailed) as problem:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rapport_devkit.demo",
        description="Replay real data through all of Rapport, in simulated time.",
        epilog=f"The columns of --data: {csv_file.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="a CSV file of your own; see below")
    parser.add_argument("--exit", action="store_true", help="stop by itself at the end")
    parser.add_argument("--days", type=_positive, help="only the first days of the data")
    parser.add_argument("--zone", type=_zone, default="Asia/Shanghai", help="the practice's zone")
    parser.add_argument(
        "--services", type=_services, default=SERVICES, help="fewer than the three, with commas"
    )
    return parser


def _dataset(path: Path | None, origin: Origin) -> Dataset:
    return read_cdnow(origin) if path is None else read_csv(path, origin)


def _refuse(console: Console, problem: BadFile | OSError) -> int:
    """Print what is wrong with the file; nothing has been started."""
    problems = problem.problems if isinstance(problem, BadFile) else (problem,)
    for each in problems[:_MOST_PROBLEMS]:
        console.print(str(each), markup=False, highlight=False, soft_wrap=True)
    if len(problems) > _MOST_PROBLEMS:
        console.print(f"and {len(problems) - _MOST_PROBLEMS:,} more")
    console.print("nothing was replayed")
    return 2


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _zone(text: str) -> str:
    if text not in zones():
        raise argparse.ArgumentTypeError("no IANA zone, such as Asia/Shanghai")
    return text


def _services(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    if not {"ingestion", "scoring"} <= set(named) <= set(SERVICES):
        raise argparse.ArgumentTypeError("ingestion,scoring and perhaps outreach")
    return named


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the demo as Ctrl-C does: with all its children."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
