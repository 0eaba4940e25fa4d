"""The list of protections is whole, and each mutant that stands elsewhere is killed too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapport_devkit.postgres import Postgres
from tests.support.places import REPOSITORY
from tools.proof.claims.protections import PROTECTIONS, mutants_killed

HERE = "tests/faults/"
BOTH_CASES = "pytest.mark.parametrize('mutant', [False, True])"


def test_the_list_names_every_mutant_of_this_folder_and_no_other() -> None:
    listed = {test for test in PROTECTIONS.values() if test.startswith(HERE)}
    files = sorted((REPOSITORY / HERE).glob("test_*.py"))
    assert {test for file in files for test in _with_a_mutant(file)} == listed


def test_every_test_of_the_list_runs_with_its_protection_and_without() -> None:
    files = {REPOSITORY / test.partition("::")[0] for test in PROTECTIONS.values()}
    assert set(PROTECTIONS.values()) <= {test for file in files for test in _with_a_mutant(file)}


@pytest.mark.storm  # `make test` runs each of them as a case of its own
def test_the_mutants_of_other_folders_are_killed(tmp_path: Path, postgres: Postgres) -> None:
    """Those of this folder are cases of their own; together they are what `make proof` counts."""
    elsewhere = {name: test for name, test in PROTECTIONS.items() if not test.startswith(HERE)}
    killed = mutants_killed(tmp_path / "mutants.xml", postgres.url(), elsewhere)
    print(f"mutants killed: {len(killed)} of {len(elsewhere)}")
    assert killed == elsewhere.keys()


def _with_a_mutant(file: Path) -> Iterator[str]:
    """The ids of a file's tests that take a `mutant`, with both cases of it."""
    for node, before in _functions(
        ast.parse(file.read_text("utf-8")), str(file.relative_to(REPOSITORY))
    ):
        takes_it = "mutant" in {arg.arg for arg in node.args.kwonlyargs}
        if takes_it and node.name.startswith("test_"):
            assert BOTH_CASES in map(ast.unparse, node.decorator_list), node.name
            yield f"{before}::{node.name}"


def _functions(
    inside: ast.Module | ast.ClassDef, before: str
) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Each function of a module and of its classes, with the id of what it stands in."""
    for node in inside.body:
        if isinstance(node, ast.FunctionDef):
            yield node, before
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{before}::{node.name}")
