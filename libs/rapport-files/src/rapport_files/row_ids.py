"""Ids of rows that have none: made of what they tell, so that they are the same each time."""

import hashlib
import json
from typing import Final

_DIGITS: Final = 32

in_words = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
"""The same text for all values that are the same."""


def row_id(words: str) -> str:
    """The id of a row that tells these words."""
    digest = hashlib.sha256(words.encode("utf-8", "surrogatepass"))
    return f"row-{digest.hexdigest()[:_DIGITS]}"
