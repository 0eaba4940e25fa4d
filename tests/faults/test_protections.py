"""The list of protections is whole, and each mutant that stands elsewhere is killed too."""

import ast
from collections.abc import Iterator
from pathlib import Path

from rapport_devkit.postgres import Postgres
from tests.support.places import REPOSITORY
from tools.proof.claims.protections import PROTECTIONS, mutants_killed

HERE = "tests/faults/"


def test_the_list_names_every_mutant_of_this_folder_and_no_other() -> None:
    listed = {test for test in PROTECTIONS.values() if test.startswith(HERE)}
    assert set(_with_a_mutant(REPOSITORY / HERE)) == listed


def test_the_mutants_of_other_folders_are_killed(tmp_path: Path, postgres: Postgres) -> None:
    """Those of this folder are cases of their own; together they are what `make proof` counts."""
    elsewhere = {name: test for name, test in PROTECTIONS.items() if not test.startswith(HERE)}
    killed = mutants_killed(tmp_path / "mutants.xml", postgres.url(), elsewhere)
    print(f"mutants killed: {len(killed)} of {len(elsewhere)}")
    assert killed == elsewhere.keys()


def _with_a_mutant(folder: Path) -> Iterator[str]:
    """The ids of the tests in a folder that take a `mutant`."""
    for file in sorted(folder.glob("test_*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            if is_test and "mutant" in {arg.arg for arg in node.args.kwonlyargs}:
                yield f"{file.relative_to(REPOSITORY)}::{node.name}"
