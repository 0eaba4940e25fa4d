"""Runs of our own tests whose results are claims: each case, and whether it passed."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree  # of a report that our own pytest has written
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.support.places import REPOSITORY

_LONGEST_SECONDS = 900.0


class Case(NamedTuple):
    """One case of a test; `test` is pytest's id without the case in brackets."""

    test: str
    passed: bool


def run_tests(report: Path, tests: Iterable[str], *, postgres_url: str) -> list[Case]:
    """Run these files or test ids; `report` is where JUnit's file is written.

    A skipped case has not passed. Raises what reading a report raises when pytest wrote none.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, f"--junitxml={report}", *sorted(tests)],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": postgres_url},
        stdout=subprocess.DEVNULL,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    return [
        # A case without a child had no failure, no error and no skip.
        Case(_test_id(case.get("classname", ""), case.get("name", "")), not list(case))
        for case in ElementTree.parse(report).iter("testcase")  # noqa: S314 - our own report
    ]


def _test_id(classname: str, name: str) -> str:
    """The id of a test from what JUnit's report says: module and class with dots, name[case]."""
    parts = classname.split(".")
    classes = [part for part in parts if part[:1].isupper()]
    module = "/".join(part for part in parts if part not in classes)
    return "::".join([f"{module}.py", *classes, name.partition("[")[0]])
