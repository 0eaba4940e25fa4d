"""The playbook and the texts that come with the product, read from the files beside this one."""

import json
from importlib.resources import files
from typing import Any

from outreach_service.domain.playbook import Playbook, parse_playbook
from outreach_service.domain.templates import Catalogue, parse_templates

LANGUAGES = ("zh-CN", "en")
"""The languages of the built-in texts, the fallback first."""


def _read(folder: str, name: str) -> Any:
    return json.loads((files("outreach_service") / folder / name).read_text(encoding="utf-8"))


def builtin_playbook() -> Playbook:
    """The built-in plays, all of them in mode `observe`."""
    return parse_playbook(_read("playbooks", "default.json"))


def builtin_catalogue(deny: tuple[str, ...] = ()) -> Catalogue:
    """The built-in texts; `deny` adds a practice's words to the lint. Raises InvalidTemplate."""
    return parse_templates((_read("templates", f"{name}.json") for name in LANGUAGES), deny)
