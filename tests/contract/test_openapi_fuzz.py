"""Schemathesis finds nothing to object to in any of the three APIs (F40)."""

import pytest

from rapport_devkit.postgres import Postgres
from tests.support.access_matrix.fuzz import fuzz_alone
from tests.support.access_matrix.worlds import WORLDS

pytestmark = [
    *(pytest.mark.integration, pytest.mark.fuzz, pytest.mark.slow),
    pytest.mark.timeout(1800),
]

EXAMPLES = 6
KINDS = 6
"""Of the 40 kinds of source events: each has the edges of each of its fields to try, alone and in a
list. `make proof` asks for more of both."""


@pytest.mark.parametrize("service", WORLDS)
def test_a_fuzzer_finds_nothing(postgres: Postgres, service: str) -> None:
    report = fuzz_alone(service, postgres.url(), EXAMPLES, KINDS)
    assert not report.findings, str(report)
    assert report.operations > 0
    assert not report.asked_too_little
    assert report.linked > 0
