"""The house: what keeps the code readable, counted in this checkout. Needs no server."""

import shutil
import subprocess
import time
from collections.abc import Iterable
from types import MappingProxyType

from tests.support.places import REPOSITORY
from tools.claim import Bench, Measured, at_most, none
from tools.lint import lengths, references, statements
from tools.proof.pytest_runs import Claims, shown_by_one_run

UNIT_SECONDS = 60
SHOWN_BY: Claims = MappingProxyType(
    {
        "our log lines go by our formatter": ("tests/unit/rapport_runtime/test_log_lines.py",),
        "vendored files have their sums": ("tests/unit/test_vendored_files.py",),
        "released tables have their sums": ("tests/unit/rapport_runtime/test_schema.py",),
    }
)
"""Claim -> the unit tests that check it."""


def measure(bench: Bench) -> Iterable[Measured]:
    """The checkout as it is now, committed or not."""
    bench.say("the house: references, lengths, SQL")
    yield none("references that lead nowhere", len(references.unresolved(REPOSITORY)))
    yield none("citations in public documents", len(references.public_citations(REPOSITORY)))
    yield at_most(
        "words of the README", lengths.words(REPOSITORY / "README.md"), lengths.README_WORDS
    )
    yield none(
        f"Python files above {lengths.FILE_LINES} lines", len(lengths.long_files(REPOSITORY))
    )
    yield none("statements outside the one way", len(statements.outside_the_one_way(REPOSITORY)))
    yield from shown_by_one_run(bench, "house", SHOWN_BY)
    bench.say("the house: make unit")
    yield _unit_tests()


def _unit_tests() -> Measured:
    """All must pass within the time; with a cold cache it takes longer."""
    began = time.monotonic()
    command = [shutil.which("make") or "make", "unit"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        return Measured("make unit", f"failed, exit code {done.returncode}", "passes", ok=False)
    within = seconds <= UNIT_SECONDS
    return Measured("make unit", f"{seconds:.0f} s", f"<= {UNIT_SECONDS} s", within)
