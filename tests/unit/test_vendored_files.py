"""Files of other projects are as they came: their sums are those that `vendor.toml` names."""

import hashlib
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

FOLDERS = [
    path.parent
    for members in ("libs", "services", "tests", "tools")
    for path in sorted((REPOSITORY / members).rglob("vendor.toml"))
]


def faults(vendor: Path) -> list[str]:
    """What differs between a folder and its `vendor.toml`, and what the latter leaves out."""
    listed = tomllib.loads((vendor / "vendor.toml").read_text("utf-8"))
    sums = {
        f"{project}/{name}": digest
        for project, about in listed.items()
        for name, digest in about["sha256"].items()
    }
    present = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path != vendor / "vendor.toml"
    }
    wrong = {name for name in sums | present if sums.get(name) != present.get(name)}
    wrong |= {
        f"{project}: {field}"
        for project, about in listed.items()
        for field in ("version", "origin", "licence")
        if not about.get(field)
    }
    return sorted(wrong)


def test_there_are_vendored_files_of_the_runtime_and_of_the_tests() -> None:
    assert [folder.relative_to(REPOSITORY).parts[0] for folder in FOLDERS] == ["libs", "tests"]


@pytest.mark.parametrize("vendor", FOLDERS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_vendored_files_are_unchanged_and_say_where_they_are_from(vendor: Path) -> None:
    assert faults(vendor) == []


def test_an_altered_an_unlisted_and_a_missing_file_are_found(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    shutil.copytree(FOLDERS[0], vendor)
    with (vendor / "swagger-ui" / "swagger-ui.css").open("a") as style:
        style.write("\n")
    (vendor / "swagger-ui" / "more.js").touch()
    (vendor / "asyncapi-viewer" / "LICENSE").unlink()
    text = (vendor / "vendor.toml").read_text("utf-8").replace('licence = "MIT"\n', "")
    (vendor / "vendor.toml").write_text(text, "utf-8")
    assert faults(vendor) == [
        "asyncapi-viewer/LICENSE",
        "asyncapi-viewer: licence",
        "swagger-ui/more.js",
        "swagger-ui/swagger-ui.css",
    ]
