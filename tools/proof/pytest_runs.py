"""Runs of our own tests whose results are claims: each case, and whether it passed."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree  # of a report that our own pytest has written
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.places import REPOSITORY
from tools.claim import Bench, Measured, all_of

_LONGEST_SECONDS = 900.0
_HAS_RUN = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


class Case(NamedTuple):
    """One case of a test; `test` is pytest's id without the case in brackets."""

    test: str
    passed: bool


Claims = Mapping[str, tuple[str, ...]]
"""Claim -> the tests that show it: files, classes, or ids without the case in brackets."""


def named_tests(claims: Claims) -> set[str]:
    """All that the claims name, each once."""
    return {test for shown_by in claims.values() for test in shown_by}


def shown_by_one_run(bench: Bench, name: str, claims: Claims) -> Iterator[Measured]:
    """Run all that the claims name, in one run of pytest; its report has this name."""
    report = bench.folder / f"{name}.xml"
    cases = run_tests(report, named_tests(claims), postgres_url=bench.postgres.url())
    yield from shown_by_tests(claims, cases)


def shown_by_tests(claims: Claims, cases: Sequence[Case]) -> Iterator[Measured]:
    """A line for each claim: how many of its cases passed. A claim without a case is short."""
    for claim, shown_by in claims.items():
        passed = [case.passed for case in cases if _is_of(case.test, shown_by)]
        yield all_of(f"{claim}: tests that pass", sum(passed), len(passed))


def _is_of(test: str, shown_by: tuple[str, ...]) -> bool:
    return test in shown_by or test.startswith(tuple(f"{each}::" for each in shown_by))


def run_tests(report: Path, tests: Iterable[str], *, postgres_url: str) -> list[Case]:
    """Run these files or test ids; `report` is where JUnit's file is written.

    A skipped case has not passed. Raises RuntimeError when pytest did not come to run them, as for
    a name that no test has.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--junitxml={report}", *sorted(tests)],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": postgres_url},
        stdout=subprocess.DEVNULL,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    if done.returncode not in _HAS_RUN:
        raise RuntimeError(f"pytest ended with {done.returncode}, and did not run all of {report}")
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
