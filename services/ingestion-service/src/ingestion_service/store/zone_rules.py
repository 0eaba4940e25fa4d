"""Which zone rules the days of activities are found by."""

import zoneinfo
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def zone_rules() -> str:
    """The version of the rules that `zoneinfo` reads, such as `2025b`: the system's, or those of
    the package `tzdata`; `unknown` where the system's do not name it. Found once in a process,
    which keeps the rules that it has read."""
    folders = [Path(folder) for folder in zoneinfo.TZPATH if Path(folder, "UTC").exists()]
    if not folders:
        return metadata.version("tzdata")
    names = folders[0] / "tzdata.zi"
    first = names.read_text("utf-8").partition("\n")[0] if names.exists() else ""
    return first.removeprefix("# version ") or "unknown"
