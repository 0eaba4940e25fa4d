"""A JSON file that a setting names is read by the rules of a request's body."""

from pathlib import Path

import pytest

from rapport_runtime.json_files import read_json_file
from rapport_runtime.settings import SettingsError


def written(folder: Path, content: bytes) -> Path:
    path = folder / "document.json"
    path.write_bytes(content)
    return path


def test_it_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path, '{"version": "海港", "bands": [1, 2.5]}'.encode())
    assert read_json_file("RULEBOOK_PATH", path) == {"version": "海港", "bands": [1, 2.5]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b'{"a": {"b": 1, "b": 2}}', "an object has the same key twice", id="twice"),
        pytest.param(b'{"a": NaN}', "NaN is not JSON", id="NaN"),
        pytest.param(b"moon cake", "not JSON at character 0", id="no JSON"),
        pytest.param(b"\xff", "not UTF-8 at byte 0", id="no UTF-8"),
    ],
)
def test_what_no_body_may_hold_is_refused_by_the_settings_name(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SettingsError) as refused:
        read_json_file("RULEBOOK_PATH", path)
    assert str(refused.value) == f"RAPPORT_RULEBOOK_PATH={path} cannot be used: {why}"
