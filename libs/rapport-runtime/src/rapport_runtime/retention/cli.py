"""The command `purge`."""

import argparse
import sys
import threading

from rapport_runtime.ops.operators import Refused, actor, add_reason, run_and_print
from rapport_runtime.retention.purge import NotAlone, Purge


def purge_parser() -> argparse.ArgumentParser:
    """The words of the command."""
    parser = argparse.ArgumentParser(
        prog="purge",
        description="remove what has outlived its term; without --confirm it only says what",
    )
    parser.add_argument("--confirm", action="store_true", help="without it nothing is removed")
    parser.add_argument(
        "--every-hours", type=float, help="go on, and purge anew each time; for a host without cron"
    )
    add_reason(parser, required=False)
    return parser


def purge_command(purge: Purge, stop: threading.Event, options: argparse.Namespace) -> int:
    """Run the command; the exit code: 1 when a class failed, 2 when it was refused.

    With `--every-hours` it goes on until `stop` is set, and a class that failed is tried again the
    next time.
    """
    if not options.confirm:
        return run_and_print(purge.dry_run)
    while True:
        code = _confirmed(purge, options)
        if options.every_hours is None or stop.wait(options.every_hours * 3600):
            return code


def _confirmed(purge: Purge, options: argparse.Namespace) -> int:
    failed: list[str] = []

    def run() -> list[str]:
        if options.why is None:
            raise Refused("say --why: it is kept in the audit")
        try:
            reports = purge.confirm(actor(options), options.why)
        except NotAlone as refused:
            raise Refused(str(refused)) from refused
        failed.extend(report.name for report in reports if report.failed is not None)
        return [str(report) for report in reports]

    code = run_and_print(run)
    sys.stdout.flush()
    return 1 if failed else code
