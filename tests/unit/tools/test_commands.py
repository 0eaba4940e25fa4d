"""What the Makefile runs and no test imports: a part that was moved away would be missed there."""

import importlib
import re
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[3] / "Makefile"
COMMANDS = sorted(set(re.findall(r"-m ((?:tests|tools)\.[\w.]+)", MAKEFILE.read_text("utf-8"))))


def test_the_makefile_runs_some() -> None:
    assert "tools.proof" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_its_parts_are_where_it_looks_for_them(command: str) -> None:
    module = importlib.import_module(command)
    if hasattr(module, "__path__"):  # a package runs its __main__
        module = importlib.import_module(f"{command}.__main__")
    assert callable(getattr(module, "main", None))
