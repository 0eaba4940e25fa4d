"""A deployment's own rulebook: a file that can be read in two ways stops the start."""

from pathlib import Path

import pytest

from rapport_runtime.settings import SettingsError
from scoring_service.bootstrap import rulebook_source
from scoring_service.settings import ScoringSettings


def settings(path: Path | None) -> ScoringSettings:
    return ScoringSettings(
        database_url="postgresql://127.0.0.1:1/none",  # type: ignore[arg-type]  # pydantic seals it
        kafka_bootstrap_servers="none:1",
        kafka_security_protocol="PLAINTEXT",
        rulebook_path=path,
    )


def test_a_file_is_used_in_the_place_of_the_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "rulebook.json"
    path.write_text('{"version": "ours"}', "utf-8")
    assert rulebook_source(settings(path)) == {"version": "ours"}
    assert rulebook_source(settings(None))["kind"] == "rfm"


def test_a_file_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rulebook.json"
    path.write_text('{"version": "one", "version": "two"}', "utf-8")
    with pytest.raises(SettingsError, match="the same key twice"):
        rulebook_source(settings(path))
