"""The texts that come with the product, read from the files beside this one."""

import json
from importlib.resources import files
from typing import Any

from outreach_service.domain.templates import Catalogue, parse_templates

LANGUAGES = ("zh-CN", "en")
"""The languages of the built-in texts, the fallback first."""


def _read(name: str) -> Any:
    return json.loads((files("outreach_service") / "templates" / name).read_text(encoding="utf-8"))


def builtin_catalogue() -> Catalogue:
    """The built-in texts. Raises InvalidTemplate."""
    return parse_templates(_read(f"{name}.json") for name in LANGUAGES)
