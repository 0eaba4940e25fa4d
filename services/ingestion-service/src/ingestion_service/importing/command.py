"""The command `import`: a file into the ledger (ADR 51).

What reads files is imported when a file is read: no other process of the service needs it.
"""

import argparse
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from ingestion_service.domain.errors import NotYet
from ingestion_service.ports import Stores
from rapport_files.arguments import answer
from rapport_runtime.database import Database
from rapport_runtime.ops.operators import OperatorCommand, Refused, Secrets, add_reason

OpenStores = Callable[[Database, Secrets], Stores]
_DESCRIPTION = (
    "take a file of a practice (CSV, JSON Lines, Excel's .xlsx) into the ledger, as events of a"
    " source. First it tells what it understood; with --yes it takes the file. Killed and given"
    " again, it goes on where it was; the same file twice says nothing new."
)


def import_command(open_stores: OpenStores) -> OperatorCommand:
    """The command for one file of one source."""

    def act(database: Database, secrets: Secrets, options: argparse.Namespace) -> list[str]:
        from ingestion_service.importing.running import run  # noqa: PLC0415 - see above

        try:
            return run(database, open_stores(database, secrets), options)
        except NotYet as error:
            raise Refused(error.detail) from error

    return OperatorCommand(_parser(), act)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="import", description=_DESCRIPTION)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--practice", required=True, metavar="ID", help="whose file it is")
    parser.add_argument(
        "--source", required=True, metavar="NAME", help="the system that the file is from"
    )
    parser.add_argument(
        "--as", dest="told_as", choices=("events", "snapshot"), help="how the file is told"
    )
    parser.add_argument(
        "--answer",
        type=answer("day_order=day"),
        action="append",
        default=[],
        metavar="KEY=CHOICE",
        help="to a question about the file, such as day_order=day",
    )
    parser.add_argument(
        "--errors", type=Path, metavar="FILE", help="a CSV file for all lines that are refused"
    )
    parser.add_argument(
        "--backfill",
        action=argparse.BooleanOptionalAction,
        help="whether the file reports history, which messages answer only where a play says so",
    )
    parser.add_argument("--yes", action="store_true", help="take the file")
    _add_snapshot(parser)
    add_reason(parser, required=False)
    return parser


def _add_snapshot(parser: argparse.ArgumentParser) -> None:
    only = parser.add_argument_group("with --as snapshot: bookings as they are now")
    only.add_argument(
        "--taken-at", type=_instant, metavar="INSTANT", help="when they were so; default: now"
    )
    only.add_argument(
        "--first-day",
        type=date.fromisoformat,
        metavar="DAY",
        help="the first day of which the file tells all bookings: those that it lacks are then"
        " cancelled",
    )
    only.add_argument(
        "--last-day", type=date.fromisoformat, metavar="DAY", help="the last of these days"
    )
    only.add_argument(
        "--vanishing-is-right",
        action="store_true",
        help="yes, more than a tenth of the planned hours are to be cancelled",
    )


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise argparse.ArgumentTypeError("an instant with an offset: 2026-03-01T09:00+08:00")
    return at
