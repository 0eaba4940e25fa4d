"""The demo's texts: each has its translation, with the same values in it."""

import ast
import json
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import rapport_devkit
from rapport_devkit.words import language_of, words_of

PACKAGE = Path(rapport_devkit.__file__).parent
SPEAKERS = ("words", "say", "_words", "_say")
TRANSLATIONS: dict[str, str] = json.loads(
    (PACKAGE / "data" / "words.zh.json").read_text(encoding="utf-8")
)


def texts() -> Iterator[str]:
    """Every literal text that the demo says."""
    for file in (*PACKAGE.glob("demo/*.py"), *PACKAGE.glob("sources/*.py"), *PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
                text = node.args[0]
                if name in SPEAKERS and isinstance(text, ast.Constant):
                    yield text.value


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_text_has_a_translation() -> None:
    said = set(texts())
    assert len(said) > 60
    assert sorted(said - TRANSLATIONS.keys()) == []


def test_a_translation_has_the_values_of_its_text() -> None:
    differ = {text for text, other in TRANSLATIONS.items() if names(text) != names(other)}
    assert differ == set()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({}, "en"),
    ],
)
def test_the_environment_decides_the_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_a_text_without_a_translation_stays_as_it_is() -> None:
    words = words_of("zh")
    assert words("no {such} text") == "no {such} text"
    assert words("stopping") != "stopping"
