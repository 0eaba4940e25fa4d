"""Schemathesis finds nothing to object to in any of the three APIs (F40)."""

import pytest

from rapport_devkit.postgres import Postgres
from tests.support.access_matrix.fuzz import EXAMPLES, fuzz
from tests.support.access_matrix.worlds import WORLDS

pytestmark = [
    *(pytest.mark.integration, pytest.mark.fuzz, pytest.mark.slow),
    pytest.mark.timeout(1800),
]


@pytest.mark.parametrize("service", WORLDS)
def test_a_fuzzer_finds_nothing(postgres: Postgres, service: str) -> None:
    with WORLDS[service](postgres.url()) as world:
        report = fuzz(world)
        assert not report.findings, str(report)
        asked_too_little = {
            operation.label: report.cases[operation.label]
            for operation in world.operations
            if report.cases[operation.label] < EXAMPLES
        }
        assert not asked_too_little
        assert report.linked > 0
