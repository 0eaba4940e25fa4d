"""A JSON file that a setting names: read by the rules of a request's body."""

import json
from pathlib import Path
from typing import Any

from rapport_runtime.http.problems import MalformedJson
from rapport_runtime.http.strict_json import check_json
from rapport_runtime.settings import PREFIX, SettingsError


def read_json_file(variable: str, path: Path) -> Any:
    """The document in the file that `variable` (without the prefix) names.

    Raises SettingsError for what no body may hold either, such as an object with a key twice, and
    OSError when the file cannot be read.
    """
    content = path.read_bytes()
    try:
        check_json(content)
    except MalformedJson as error:
        raise SettingsError(f"{PREFIX}{variable}={path} cannot be used: {error}") from None
    return json.loads(content)
