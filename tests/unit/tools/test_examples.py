"""The examples of docs/development.md are the code's: each line stands in the file it names."""

import re
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

PAGE = REPOSITORY / "docs" / "development.md"
_EXAMPLE = re.compile(r"^`([\w./-]+\.py)`\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = _EXAMPLE.findall(PAGE.read_text("utf-8"))


def missing(example: str, source: str) -> list[str]:
    """The lines of an example that its file does not have, at whatever depth; `...` is any."""
    present = {line.strip() for line in source.splitlines()}
    lines = [line.strip() for line in example.splitlines()]
    return [line for line in lines if line != "..." and line not in present]


def test_there_is_an_example_for_each_room() -> None:
    rooms = {"api", "domain", "store", "handlers.py", "translate.py", "consumers.py", "tests"}
    assert rooms <= {part for path, _ in EXAMPLES for part in Path(path).parts}


@pytest.mark.parametrize(("path", "example"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_an_example_is_as_the_code_is(path: str, example: str) -> None:
    assert missing(example, (REPOSITORY / path).read_text("utf-8")) == []


def test_a_line_that_is_not_in_the_code_is_found() -> None:
    assert missing("a = 1\n...\nb = 2\n", "    a = 1\n") == ["b = 2"]
