"""Texts that a person reads: kept with their values, and said in a language at the end."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

Speaker = Callable[..., str]
"""Takes an English text and its values by name, and gives the text in a language."""


def english(text: str, **values: object) -> str:
    """The text as it is written here, with `values` for the names in braces."""
    return text.format(**values) if values else text


@dataclass(frozen=True)
class Said:
    """A text and its values; a value may be such a text again. It is hashable, so that what is told
    of many lines can be counted."""

    text: str
    values: tuple[tuple[str, object], ...] = ()

    def by(self, speaker: Speaker = english) -> str:
        """The text in the speaker's language."""
        return speaker(self.text, **{name: _by(value, speaker) for name, value in self.values})

    def __str__(self) -> str:
        """The text in English."""
        return self.by()


def said(text: str, **values: object) -> Said:
    """A text with `values` for the names in braces."""
    return Said(text, tuple(values.items()))


def translations(language: str) -> Mapping[str, str]:
    """English text -> text, for all texts of this package; of `zh` alone so far."""
    page = files("rapport_files") / "data" / f"words.{language}.json"
    translated: Mapping[str, str] = json.loads(page.read_text(encoding="utf-8"))
    return translated


def _by(value: object, speaker: Speaker) -> object:
    return value.by(speaker) if isinstance(value, Said) else value
