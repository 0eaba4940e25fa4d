"""The examples of docs/development.md are the code's: each part stands in the file it names."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

PAGE = REPOSITORY / "docs" / "development.md"
_EXAMPLE = re.compile(r"^`([\w./-]+\.py)`\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = re.compile(r"^\s*# \.\.\.$", re.MULTILINE)
EXAMPLES = _EXAMPLE.findall(PAGE.read_text("utf-8"))


def missing(example: str, source: str) -> list[str]:
    """The parts of an example, between its lines of `# ...`, that its file does not have.

    White space is not compared: on the page a method stands without its class.
    """
    code = _without_space(source)
    return [part for part in _LEFT_OUT.split(example) if _without_space(part) not in code]


def _without_space(text: str) -> str:
    return "".join(text.split())


def test_there_is_an_example_for_each_room() -> None:
    rooms = {"api", "domain", "store", "handlers.py", "translate.py", "consumers.py", "tests"}
    assert rooms <= {part for path, _ in EXAMPLES for part in Path(path).parts}


@pytest.mark.parametrize(("path", "example"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_an_example_is_as_the_code_is(path: str, example: str) -> None:
    assert missing(example, (REPOSITORY / path).read_text("utf-8")) == []


@pytest.mark.parametrize(
    "example", [text for _, text in EXAMPLES], ids=[path for path, _ in EXAMPLES]
)
def test_an_example_is_valid_python(example: str) -> None:
    ast.parse(example)


def test_a_part_that_is_not_in_the_code_is_found() -> None:
    assert missing("a = 1\n# ...\nb = 2\n", "    a = 1\n    b = 3") == ["\nb = 2\n"]
