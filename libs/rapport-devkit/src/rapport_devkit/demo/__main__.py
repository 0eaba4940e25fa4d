"""`python -m rapport_devkit.demo`: what `make demo` runs."""

import argparse
import json
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from rich.console import Console

from rapport_contracts.ranges import zones
from rapport_devkit.api_client import ApiProblem
from rapport_devkit.clock import BarrierTimeout
from rapport_devkit.databases import SERVICES
from rapport_devkit.demo.run import AlreadyRunning, DemoOptions, run_demo
from rapport_devkit.people import ContactRefused
from rapport_devkit.processes import ProcessFailed
from rapport_devkit.sources import own_file
from rapport_devkit.sources.cdnow import read_cdnow
from rapport_devkit.sources.dataset import Dataset
from rapport_devkit.sources.own_file import AS_EVENTS, BadFile, read_file
from rapport_devkit.words import LANGUAGES, Words, language_of, words_of
from rapport_files.arguments import answer
from rapport_files.events import Origin
from rapport_files.options import Options
from rapport_files.problems import ErrorFile

PRACTICE_ID = "quiet-harbour"
SOURCE = "demo-desk"
_FAILURES = (AlreadyRunning, ApiProblem, BarrierTimeout, ContactRefused, ProcessFailed)
_TEMPLATES = "docs/your-own-data.md, docs/your-own-data.csv, docs/your-own-data.zh.csv"


def main(argv: list[str]) -> int:
    """0 when nothing was lost; 1 when something was; 2 for wrong arguments, a bad file or a demo
    that failed; 130 for Ctrl-C."""
    arguments = _parser().parse_args(argv)
    console, words = Console(), words_of(arguments.language)
    origin = Origin(practice_id=PRACTICE_ID, zone=arguments.zone, source=SOURCE)
    try:
        dataset = _dataset(arguments, origin, words).until(arguments.days)
        _check_rulebook(arguments.rulebook)
    except BadFile as bad:
        _print_all(console, bad.told(words))
        if bad.asks:
            _print_all(console, [words('to answer: ARGS="--answer KEY=CHOICE"')])
        columns = words("the columns, and files to fill in: {files}", files=_TEMPLATES)
        _print_all(console, [words("nothing was replayed"), columns])
        return 2
    except (OSError, ValueError) as problem:
        _print_all(console, [str(problem), words("nothing was replayed")])
        return 2
    options = DemoOptions(
        folder=Path(".local", "demo").absolute(),
        origin=origin,
        services=arguments.services,
        stays=not arguments.exit,
        is_own_file=arguments.data is not None,
        rulebook=arguments.rulebook,
        words=words,
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # a script's background job ignores SIGINT
        signal.signal(number, _interrupt)
    try:
        return run_demo(options, dataset, console)
    except KeyboardInterrupt:
        console.print(words("interrupted; everything is stopped"))
        return 130
    except _FAILURES as problem:
        logs = words("logs: {folder}", folder=options.folder / "logs")
        _print_all(console, [words("the demo failed: {problem}", problem=problem), logs])
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rapport_devkit.demo",
        description="Replay real data through all of Rapport, in simulated time.",
        epilog=f"The columns of --data: {own_file.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=_path, help="a file of your own; see below")
    parser.add_argument(
        "--answer",
        type=answer("day_order=day"),
        action="append",
        default=[],
        help="such as day_order=day",
    )
    parser.add_argument("--errors", type=_path, help="a CSV file to write all bad lines into")
    parser.add_argument("--exit", action="store_true", help="stop by itself at the end")
    parser.add_argument("--days", type=_positive, help="only the first days of the data")
    parser.add_argument("--zone", type=_zone, default="Asia/Shanghai", help="the practice's zone")
    parser.add_argument(
        "--rulebook", type=_path, help="a rulebook of your own; its amounts are minor units"
    )
    parser.add_argument(
        "--language", choices=LANGUAGES, default=language_of(), help="default: by LANG"
    )
    parser.add_argument(
        "--services", type=_services, default=SERVICES, help="fewer than the three, with commas"
    )
    return parser


def _dataset(arguments: argparse.Namespace, origin: Origin, words: Words) -> Dataset:
    """Raises BadFile, OSError, ValueError."""
    if arguments.data is None:
        return read_cdnow(origin)
    options = Options(answers={**dict(arguments.answer), **AS_EVENTS})
    if arguments.errors is None:
        return read_file(arguments.data, origin, options, words)
    with ErrorFile(arguments.errors, words) as errors:
        return read_file(arguments.data, origin, options, words, errors.add)


def _check_rulebook(path: Path | None) -> None:
    """Raises OSError or ValueError for a file that is not JSON; scoring refuses what is no
    rulebook, and says why."""
    if path is not None:
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _print_all(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _path(text: str) -> Path:
    return Path(text).expanduser()


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
