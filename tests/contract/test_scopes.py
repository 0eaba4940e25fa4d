"""The list of scopes is what the three APIs ask for, and what the documentation shows."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapport_contracts.scopes import NAMES, SCOPES, scopes_of
from rapport_runtime.http.api_keys import checked_scopes
from tests.support.contracts import api_without_rows, documents

DEPLOYMENT = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"
SIMULATED = {"clock:write"}
"""Asked for by routes that are not in production's documents."""


def asked(service: str) -> Iterator[tuple[str, str]]:
    for one in api_without_rows.every_operation():
        if one.service == service and one.operation.scope:
            yield one.operation.scope, one.operation.holder


@pytest.mark.parametrize("service", documents.APPS)
def test_a_services_scopes_are_those_that_its_api_asks_for(service: str) -> None:
    listed = {(scope.name, scope.holder) for scope in scopes_of(service)}
    assert {pair for pair in listed if pair[0] not in SIMULATED} == set(asked(service))


def test_every_name_is_listed_once_and_can_be_had() -> None:
    assert sorted(scope.name for scope in SCOPES) == sorted(NAMES)
    assert checked_scopes(NAMES) == tuple(sorted(NAMES))


def test_the_documentation_lists_them_all() -> None:
    rows = re.findall(
        r"^\| `([a-z:-]+)` \| (\w+) \| ([a-z, ]+) \| (.+) \|$", DEPLOYMENT.read_text(), re.M
    )
    assert rows == [
        (
            scope.name,
            scope.holder,
            ", ".join(name.removesuffix("-service") for name in scope.services),
            scope.permits,
        )
        for scope in SCOPES
    ]
