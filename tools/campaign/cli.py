"""`make campaign`: storms in fresh worlds, one after the other, until their time is over.

Options: `--seed N` (of the first round; default: drawn anew, printed), `--minutes M` (no round
begins after it), `--report PATH` without suffix. Exit code 1 when anything was not as it must be;
such a round's folder, with all logs, is kept.
"""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.support.pipeline.run import Say
from tests.support.places import REPOSITORY
from tools.campaign.findings import compare, look
from tools.campaign.plan import Storm, full
from tools.campaign.report import Report, Round, versions
from tools.campaign.storm import Incident, run_round

REPORTS = REPOSITORY / ".local" / "reports"


def storm(plan: Callable[[int], Storm], seed: int, folder: Path, say: Say) -> Round:
    """One round, whatever becomes of it; its folder is deleted when all held."""
    began = time.monotonic()
    incidents: list[Incident] = []
    done = Round(seed, 0.0, incidents)
    try:
        done.findings = run_round(plan(seed), folder, look, compare, incidents=incidents, say=say)
    except Exception as error:  # noqa: BLE001 - whatever it was: the report tells, the rest goes on
        traceback.print_exc()
        done.broke_off = f"{type(error).__name__}: {error}"
    done.seconds = time.monotonic() - began
    if done.faults_found:
        say(f"seed {seed}: {done.faults_found} faults found; kept in {folder}")
        say(done.findings.worst())
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return done


def main(argv: Sequence[str]) -> int:
    """Storm until the time is over, then report."""
    parser = argparse.ArgumentParser(prog="make campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--minutes", type=float, default=40)
    now = datetime.now(UTC)
    parser.add_argument("--report", type=Path, default=REPORTS / f"campaign-{now:%Y-%m-%d}")
    options = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="rapport-campaign-"))
    report = Report("Campaign of faults", now.isoformat(timespec="seconds"), [], versions())
    began = time.monotonic()
    seed = options.seed
    while time.monotonic() - began < options.minutes * 60:
        _say(f"round {len(report.rounds) + 1}, seed {seed}")
        report.rounds.append(storm(full, seed, root / f"seed-{seed}", _say))
        report.write(options.report)
        seed += 1
    found = sum(each.faults_found for each in report.rounds)
    _say(f"{len(report.incidents)} faults injected, {found} found; {options.report}.md")
    return 1 if found else 0


def _say(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)
