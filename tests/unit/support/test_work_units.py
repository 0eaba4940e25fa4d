"""Tests that share something slow to make run in one worker."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.places import REPOSITORY
from tests.support.work_units import TOGETHER

CONFTEST = "from tests.support.work_units import pytest_xdist_make_scheduler"
TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(number):
    with open(__file__ + ".workers", "a") as ran:
        ran.write(os.environ["PYTEST_XDIST_WORKER"] + chr(10))
"""


def test_each_file_that_is_listed_is_there() -> None:
    assert [file for file in TOGETHER if not (REPOSITORY / file).is_file()] == []


def test_a_listed_file_has_one_worker_and_another_has_both(tmp_path: Path) -> None:
    files = [tmp_path / TOGETHER[0], tmp_path / "tests" / "test_other.py"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TESTS)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    outside = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    options = ["-q", "-n2", "--dist=loadgroup", "--no-loadscope-reorder", "-p", "no:schemathesis"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        env={**outside, "PYTHONPATH": str(REPOSITORY)},
        check=True,
        capture_output=True,
    )
    workers = [set(Path(f"{file}.workers").read_text().split()) for file in files]
    assert list(map(len, workers)) == [1, 2]
