"""Which tests one worker of pytest-xdist runs, one after the other."""

from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

TOGETHER = ("tests/e2e/test_demo.py", "tests/integration/deploy/test_images.py")
"""Files whose tests share something that is slow to make: a run of the demo, a built stage."""


class WorkUnits(LoadGroupScheduling):
    """Gives whoever is free the next test, or all tests of a file in `TOGETHER`.

    The mark `xdist_group` does nothing: xdist 3.8 writes the group into the test's id, which pytest
    9.2 does not let it change.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkUnits | None:
    """A hook of xdist, for a conftest to import."""
    return WorkUnits(config, log) if config.getoption("dist") == "loadgroup" else None
