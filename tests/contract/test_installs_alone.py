"""The contracts package installs by itself, needs four others at most, and imports no more."""

from pathlib import Path

import pytest

from tests.support.deploy.wheel_environment import WheelEnvironment

EVERYTHING = """
import importlib, pkgutil, rapport_contracts
names = [one.name for one in pkgutil.iter_modules(rapport_contracts.__path__)]
for name in names:
    importlib.import_module(f"rapport_contracts.{name}")
print(*names)
"""
WHAT_IS_THERE = """
import importlib.util
for name in ("rapport_contracts", "rapport_runtime", "fastapi", "sqlalchemy", "kafka", "httpx"):
    print(name, importlib.util.find_spec(name) is not None)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, contracts_wheel: Path) -> WheelEnvironment:
    return WheelEnvironment(tmp_path_factory.mktemp("alone") / "venv", contracts_wheel)


def test_it_needs_four_others_at_most(alone: WheelEnvironment):
    assert 1 <= len(alone.needs) <= 4, alone.needs


def test_nothing_else_is_there_and_all_of_it_can_be_imported(alone: WheelEnvironment):
    there = dict(line.split() for line in alone.run(WHAT_IS_THERE).splitlines())
    assert [name for name, found in there.items() if found == "True"] == ["rapport_contracts"]
    imported = alone.run(EVERYTHING).split()
    assert {"codec", "canonical", "source", "topics", "asyncapi", "schemas"} <= set(imported)


def test_the_installed_package_prints_the_committed_asyncapi_document(alone: WheelEnvironment):
    printed = alone.run("from rapport_contracts import asyncapi; print(asyncapi.text(), end='')")
    package = Path(__file__).parents[2] / "libs" / "rapport-contracts"
    assert printed == (package / "asyncapi.json").read_text("utf-8")
