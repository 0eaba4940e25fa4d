"""Compares what is committed with what a release has promised."""

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
