"""The contracts package as a stranger has it: built once, and installed by itself."""

import re
from pathlib import Path

import pytest

from rapport_contracts.schemas import DIRECTORY
from tests.support.deploy.wheel_environment import build_wheel

PACKAGE = DIRECTORY.parent


@pytest.fixture(scope="session")
def contracts_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(PACKAGE, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def readme_examples() -> dict[str, str]:
    """Heading -> the Python under it, of the package's README."""
    text = (PACKAGE / "README.md").read_text("utf-8")
    return dict(re.findall(r"^## (\w+)\n[^#]*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE))
