"""The playbook and the texts that come with the product, read from the files beside this one."""

import json
from importlib.resources import files
from typing import Any

from outreach_service.documents.templates import read_catalogue
from outreach_service.domain.templates import Catalogue

LANGUAGES = ("zh-CN", "en")
"""The languages of the built-in texts, the fallback first."""


def builtin_playbook() -> Any:
    """The built-in playbook as parsed JSON."""
    return _read("playbooks", "default.json")


def builtin_catalogue() -> Catalogue:
    """The built-in texts. Raises InvalidDocument."""
    return read_catalogue(_read("templates", f"{language}.json") for language in LANGUAGES)


def _read(folder: str, name: str) -> Any:
    return json.loads((files("outreach_service") / folder / name).read_text(encoding="utf-8"))
