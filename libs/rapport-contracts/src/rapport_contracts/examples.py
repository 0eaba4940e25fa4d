"""Examples of every event, as documents and tests show them."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

BUNDLE = "examples.json"
"""Beside this module: all files of the repository's folder `examples`, which wheels do not have."""

Examples = Mapping[str, Any]
"""Name, such as `first-hour` -> the event."""


def examples_of(event_type: str) -> Examples:
    """The examples of one event type, by name. Raises KeyError for a type without any."""
    return _all()[event_type]


@cache
def _all() -> Mapping[str, Examples]:
    found: dict[str, Examples] = json.loads(
        (files("rapport_contracts") / BUNDLE).read_text("utf-8")
    )
    return found
