"""The language in which the demo speaks: its texts are English, and data/words.zh.json has them in
Chinese; so has rapport_files those of a file."""

import json
import os
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from rapport_files.said import translations

LANGUAGES = ("en", "zh")
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Words:
    """Says a text in one language; a text without a translation stays English."""

    def __init__(self, translations: Mapping[str, str] = MappingProxyType({})) -> None:
        self._translations = translations

    def __call__(self, text: str, **values: object) -> str:
        """The text, with `values` for the names in braces."""
        said = self._translations.get(text, text)
        return said.format(**values) if values else said


ENGLISH = Words()


def words_of(language: str) -> Words:
    """The texts in one of `LANGUAGES`."""
    if language == "en":
        return ENGLISH
    page = files("rapport_devkit") / "data" / f"words.{language}.json"
    own = json.loads(page.read_text(encoding="utf-8"))
    return Words({**translations(language), **own})


def language_of(environment: Mapping[str, str] = os.environ) -> str:
    """`zh` where the first of LC_ALL, LC_MESSAGES and LANG that is set says so, else `en`."""
    told = next(filter(None, map(environment.get, _VARIABLES)), "")
    return "zh" if told.startswith("zh") else "en"
