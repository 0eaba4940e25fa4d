"""Compares what is committed with what a release has promised."""

import re
from pathlib import Path

from tests.support.contracts.documents import ASYNCAPI, read
from tests.support.contracts.events import event_breaks, undecodable
from tests.support.contracts.rest import rest_breaks


def breaks_since(release: Path, package: Path) -> list[str]:
    """Every promise of the release that the package's documents and today's codec break."""
    found = []
    for old in sorted((release / "openapi").glob("*.json")):
        path = f"openapi/{old.name}"
        found += [
            f"{old.stem}: {line}" for line in rest_breaks(read(release, path), read(package, path))
        ]
    found += event_breaks(read(release, ASYNCAPI), read(package, ASYNCAPI))
    return found + undecodable(release / "examples")


def may_break(release: str, version: str) -> bool:
    """Whether `version` may replace what `release` promised: only another minor version of 0.x."""
    old, new = (tuple(map(int, one.split("."))) for one in (release, version))
    return old[0] == new[0] == 0 and new[1] > old[1]


def announced(version: str, changelog: str) -> bool:
    """Whether the changelog says, in a section of this version, what a reader must change."""
    heading = rf"^## {re.escape(version)}$"
    section = re.search(heading + r"(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    return section is not None and re.search(r"^- \S", section[1], re.MULTILINE) is not None
