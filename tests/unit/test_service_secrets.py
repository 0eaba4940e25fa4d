"""Secrets come from the environment alone, are never shown, and none has a default (S8)."""

import base64
import json
from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from ingestion_service.settings import IngestionSettings
from outreach_service.bootstrap import build_rules
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.settings import OutreachSettings
from rapport_runtime.settings import ServiceSettings, SettingsError
from scoring_service.settings import ScoringSettings

SERVICES = (IngestionSettings, ScoringSettings, OutreachSettings)
SECRET = "hunter2-" * 4
KEY = base64.b64encode(SECRET.encode()).decode()
GIVEN = {
    "RAPPORT_DATABASE_URL": f"postgresql://rapport:{SECRET}@db/rapport?sslmode=verify-full",
    "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "broker:9093",
    "RAPPORT_KAFKA_SECURITY_PROTOCOL": "SSL",
    "RAPPORT_CURSOR_SECRET": SECRET,
    "RAPPORT_RECORD_KEYS": json.dumps({"k1": KEY}),
    "RAPPORT_RECORD_ACTIVE_KEY": "k1",
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
        if name.endswith(("secret", "password", "database_url", "_keys", "index_key")):
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


@pytest.mark.parametrize("settings", SERVICES)
def test_in_production_no_record_is_sealed_without_the_environments_keys(
    environment: pytest.MonkeyPatch, settings: type[ServiceSettings]
) -> None:
    assert settings.from_environment().record_keyring.seal(b"x", b"").startswith(b"k1:")
    environment.delenv("RAPPORT_RECORD_KEYS")
    environment.delenv("RAPPORT_RECORD_ACTIVE_KEY")
    with pytest.raises(SettingsError, match="RECORD_KEYS is missing; RAPPORT_RECORD_ACTIVE_KEY is"):
        _ = settings.from_environment().record_keyring
    environment.setenv("RAPPORT_ENVIRONMENT", "development")
    sealed = settings.from_environment().record_keyring.seal(b"x", b"")
    assert sealed.startswith(b"development:")
    assert settings.from_environment().record_keyring.unseal(sealed, b"") == b"x"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"RECORD_ACTIVE_KEY": "k2"}, "the active key 'k2' is not among the keys"),
        ({"RECORD_KEYS": json.dumps({"k1": SECRET})}, "key 'k1' is not base64"),
        ({"RECORD_KEYS": None}, "RECORD_KEYS and RAPPORT_RECORD_ACTIVE_KEY go together"),
        ({"RECORD_ACTIVE_KEY": None}, "RECORD_KEYS and RAPPORT_RECORD_ACTIVE_KEY go together"),
    ],
)
def test_record_keys_that_cannot_be_used_are_refused_by_their_id(
    environment: pytest.MonkeyPatch, given: dict[str, str | None], reason: str
) -> None:
    for name, value in given.items():
        if value is None:
            environment.delenv(f"RAPPORT_{name}")
        else:
            environment.setenv(f"RAPPORT_{name}", value)
    with pytest.raises(SettingsError, match=reason) as refused:
        IngestionSettings.from_environment()
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


ACCOUNTS = {
    "SMTP_SENDER": "care@practice.example",
    "WECHAT_APPID": "wx1",
    "ALIYUN_ACCESS_KEY_ID": "id",
    "ALIYUN_SIGN_NAME": "Harbour",
}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"SMTP_SENDER": "海港 <care@example.org>"}, "SMTP_SENDER_NAME"),
        ({"SMTP_SENDER": "care"}, "SMTP_SENDER"),
        ({"SMTP_SENDER": "care@例え.jp\r\nBcc: x@example.org"}, "SMTP_SENDER"),
        ({"SMTP_SENDER_NAME": "Harbour\nBcc: x@example.org"}, "SMTP_SENDER_NAME"),
        ({"ALIYUN_SERVES": "China"}, "ALIYUN_SERVES"),
    ],
)
def test_a_sender_is_checked_at_the_start(
    environment: pytest.MonkeyPatch, given: dict[str, str], reason: str
) -> None:
    _set(environment, {f"RAPPORT_{name}": value for name, value in (ACCOUNTS | given).items()})
    with pytest.raises(SettingsError, match=reason):
        OutreachSettings.from_environment()


def test_sms_go_to_the_countries_that_the_account_serves(environment: pytest.MonkeyPatch) -> None:
    assert OutreachSettings.from_environment().sms_serves is None
    account = {"ALIYUN_BASE_URL": "https://sms.example", "ALIYUN_SERVES": "CN,HK"}
    _set(environment, {f"RAPPORT_{name}": value for name, value in (ACCOUNTS | account).items()})
    assert OutreachSettings.from_environment().sms_serves == {"CN", "HK"}


def test_until_replies_are_read_no_promotional_sms_goes(environment: pytest.MonkeyPatch) -> None:
    """Its text says "reply R to refuse"."""
    assert build_rules(OutreachSettings.from_environment()).without_way_out == frozenset()
    on = {
        "SENDING": "on",
        "ALIYUN_BASE_URL": "https://sms.example",
        "PUBLIC_URL": "https://care.practice.example",
    }
    _set(environment, {f"RAPPORT_{name}": value for name, value in (ACCOUNTS | on).items()})
    refused = build_rules(OutreachSettings.from_environment()).without_way_out
    assert refused == {(Channel.SMS, Purpose.MARKETING)}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"WECHAT_BASE_URL": "http://api.example"}, "WECHAT_BASE_URL must be https"),
        ({"ALIYUN_BASE_URL": "HTTP://sms.example"}, "ALIYUN_BASE_URL must be https"),
        ({"ALIYUN_BASE_URL": "sms.example"}, "ALIYUN_BASE_URL must be https"),
        (
            {"SMTP_HOST": "relay", "SMTP_SECURITY": "plain", "SMTP_USERNAME": "rapport"},
            "SMTP_SECURITY=plain",
        ),
        ({"SMTP_HOST": "relay", "SMTP_SECURITY": "plain"}, "SMTP_SECURITY=plain"),
    ],
)
def test_in_production_no_provider_is_spoken_to_in_clear(
    environment: pytest.MonkeyPatch, given: dict[str, str], reason: str
) -> None:
    _set(environment, {f"RAPPORT_{name}": value for name, value in (ACCOUNTS | given).items()})
    with pytest.raises(SettingsError, match=reason) as refused:
        OutreachSettings.from_environment()
    assert "RAPPORT_PROVIDERS_IN_CLEAR" in str(refused.value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAPPORT_ENVIRONMENT", "development")
        assert OutreachSettings.from_environment()
    environment.setenv("RAPPORT_PROVIDERS_IN_CLEAR", "true")
    assert OutreachSettings.from_environment()


@pytest.mark.parametrize(
    "given",
    [
        {"WECHAT_BASE_URL": "https://api.example", "ALIYUN_BASE_URL": "https://sms.example"},
        {"WECHAT_BASE_URL": "http://127.0.0.1:8080"},
        {"SMTP_HOST": "relay", "SMTP_USERNAME": "rapport"},
        {"SMTP_HOST": "localhost", "SMTP_SECURITY": "plain"},
    ],
)
def test_providers_by_tls_or_on_the_same_host_are_taken(
    environment: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    _set(environment, {f"RAPPORT_{name}": value for name, value in (ACCOUNTS | given).items()})
    assert OutreachSettings.from_environment().environment == "production"
