"""Secrets come from the environment alone, are never shown, and none has a default (S8)."""

import base64
import json
from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from ingestion_service.settings import IngestionSettings
from outreach_service.settings import OutreachSettings
from rapport_runtime.settings import ServiceSettings, SettingsError
from scoring_service.settings import ScoringSettings

SERVICES = (IngestionSettings, ScoringSettings, OutreachSettings)
SECRET = "hunter2-" * 4
KEY = base64.b64encode(SECRET.encode()).decode()
GIVEN = {
    "RAPPORT_DATABASE_URL": f"postgresql://rapport:{SECRET}@db/rapport",
    "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
    "RAPPORT_CURSOR_SECRET": SECRET,
    "RAPPORT_CONTACT_KEYS": json.dumps({"k1": KEY}),
    "RAPPORT_CONTACT_ACTIVE_KEY": "k1",
    "RAPPORT_CONTACT_INDEX_KEY": KEY,
    "RAPPORT_SMTP_PASSWORD": SECRET,
    "RAPPORT_WECHAT_SECRET": SECRET,
    "RAPPORT_ALIYUN_ACCESS_KEY_SECRET": SECRET,
}
NEEDED = {
    IngestionSettings: ["RAPPORT_DATABASE_URL"],
    ScoringSettings: ["RAPPORT_DATABASE_URL"],
    OutreachSettings: [
        "RAPPORT_DATABASE_URL",
        "RAPPORT_CONTACT_KEYS",
        "RAPPORT_CONTACT_ACTIVE_KEY",
        "RAPPORT_CONTACT_INDEX_KEY",
    ],
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    _set(monkeypatch, GIVEN)
    return monkeypatch


def _set(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("settings", SERVICES)
def test_no_repr_and_no_dump_shows_a_secret(
    environment: pytest.MonkeyPatch, settings: type[ServiceSettings]
) -> None:
    made = settings.from_environment()
    for shown in (repr(made), str(made), str(made.model_dump()), made.model_dump_json()):
        assert SECRET not in shown
        assert KEY not in shown


@pytest.mark.parametrize("settings", SERVICES)
def test_every_field_that_sounds_secret_is_one(settings: type[ServiceSettings]) -> None:
    for name, field in settings.model_fields.items():
        if name.endswith(("secret", "password", "database_url", "contact_keys", "index_key")):
            assert "SecretStr" in str(field.annotation), name
            assert field.default in (None, SecretStr("")) or field.is_required(), name


@pytest.mark.parametrize(
    ("settings", "name"), [(settings, name) for settings in SERVICES for name in NEEDED[settings]]
)
def test_nothing_starts_without_its_secrets(
    environment: pytest.MonkeyPatch, settings: type[ServiceSettings], name: str
) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=f"{name} is missing") as refused:
        settings.from_environment()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"WECHAT_BASE_URL": "https://x", "WECHAT_SECRET": ""}, "WECHAT_SECRET"),
        ({"ALIYUN_BASE_URL": "https://x", "ALIYUN_ACCESS_KEY_SECRET": ""}, "ACCESS_KEY_SECRET"),
        ({"SMTP_USERNAME": "rapport", "SMTP_PASSWORD": ""}, "SMTP_PASSWORD"),
        ({"SMTP_HOST": "relay"}, "SMTP_HOST needs RAPPORT_SMTP_SENDER"),
        ({"ALIYUN_BASE_URL": "https://x"}, "ALIYUN_BASE_URL needs RAPPORT_ALIYUN_SIGN_NAME"),
        ({"SENDING": "on"}, "SENDING=on needs the account of a channel"),
    ],
)
def test_no_channel_starts_without_its_account(
    environment: pytest.MonkeyPatch, given: dict[str, str], reason: str
) -> None:
    accounts = {"WECHAT_APPID": "wx1", "ALIYUN_ACCESS_KEY_ID": "id"}
    _set(environment, {f"RAPPORT_{name}": value for name, value in (accounts | given).items()})
    with pytest.raises(SettingsError, match=reason):
        OutreachSettings.from_environment()
