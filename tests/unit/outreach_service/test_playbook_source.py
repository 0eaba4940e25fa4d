"""A deployment's own playbook: a wrong one stops the start and names all that is wrong with it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from outreach_service.bootstrap import playbook_source
from outreach_service.builtin import builtin_playbook
from outreach_service.settings import OutreachSettings
from rapport_runtime.settings import SettingsError
from tests.support.generators.outreach_values import a_play_document

KEY = SecretStr(base64.b64encode(bytes(32)).decode())


def settings(playbook_path: Path | None) -> OutreachSettings:
    return OutreachSettings(
        database_url=SecretStr("postgresql://127.0.0.1:1/none"),
        kafka_bootstrap_servers="127.0.0.1:1",
        contact_keys={"k1": KEY},
        contact_active_key="k1",
        contact_index_key=KEY,
        playbook_path=playbook_path,
    )


def written(folder: Path, *plays: dict[str, Any]) -> Path:
    path = folder / "playbook.json"
    path.write_text(json.dumps({"key": "ours", "plays": list(plays)}), "utf-8")
    return path


def test_without_a_file_the_built_in_playbook_is_used() -> None:
    assert playbook_source(settings(None)) == builtin_playbook()


def test_a_file_is_used_as_it_is_written(tmp_path: Path) -> None:
    play = a_play_document()
    assert playbook_source(settings(written(tmp_path, play))) == {"key": "ours", "plays": [play]}


@pytest.mark.parametrize(
    ("play", "faults"),
    [
        pytest.param(
            {"mode": "shout", "surprise": 1, "steps": []},
            [
                "plays[0].steps: List should have at least 1 item after validation, not 0",
                "plays[0].mode: Input should be 'observe', 'approve' or 'send'",
                "plays[0].surprise: Extra inputs are not permitted",
            ],
            id="of shape",
        ),
        pytest.param(
            {"purpose": "service"},
            [
                f"plays[0].steps[0].channels[{place}].template: no template of this key for service"
                f" by {channel}; there is none at all"
                for place, channel in enumerate(("wechat", "sms", "email"))
            ],
            id="routes without a text",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_all_its_faults(
    tmp_path: Path, play: dict[str, Any], faults: list[str]
) -> None:
    path = written(tmp_path, a_play_document(**play))
    with pytest.raises(SettingsError) as refused:
        playbook_source(settings(path))
    assert str(refused.value).splitlines() == [
        f"RAPPORT_PLAYBOOK_PATH={path} cannot be used:",
        *faults,
    ]


def test_a_file_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "playbook.json"
    path.write_text('{"key": "ours", "plays": [], "plays": []}', "utf-8")
    with pytest.raises(SettingsError, match="the same key twice"):
        playbook_source(settings(path))
