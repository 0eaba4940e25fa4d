"""The library's texts: each has its translation, with the same values in it."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import rapport_files
from rapport_files.said import Said, said, translations

PACKAGE = Path(rapport_files.__file__).parent


def texts() -> Iterator[str]:
    """Every literal text that the library says."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") == "said":
                for text in ast.walk(node.args[0]):
                    if isinstance(text, ast.Constant) and len(str(text.value)) > 1:
                        yield text.value


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_text_has_a_translation_with_its_values() -> None:
    chinese = translations("zh")
    found = {text for text in texts() if text != "snapshot"}
    assert len(found) > 80
    assert sorted(found - chinese.keys()) == []
    assert {text for text, other in chinese.items() if names(text) != names(other)} == set()


def test_a_text_within_a_text_is_said_in_the_same_language() -> None:
    inner: Said = said("write CNY")
    outer = said("{reason}: {way_out}", reason=inner, way_out="x")
    assert str(outer) == "write CNY: x"
    assert outer.by(lambda text, **values: f"<{text}>".format(**values)) == "<<write CNY>: x>"
