"""What is missing or wrong in the environment is named; what is secret is never shown."""

from pathlib import Path
from typing import ClassVar

import pytest

from rapport_runtime.connections import kafka_options
from rapport_runtime.settings import ServiceSettings, SettingsError


class ToySettings(ServiceSettings):
    """A service's settings with one variable of its own."""

    service: ClassVar[str] = "toy"

    colour: str = "red"


GIVEN = {
    "RAPPORT_DATABASE_URL": "postgresql://toy:hunter2@127.0.0.1/toy",
    "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_defaults_and_an_own_variable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RAPPORT_COLOUR", "blue")
    settings = ToySettings.from_environment()
    assert settings.colour == "blue"
    assert settings.environment == "production"
    assert settings.idle_in_transaction_ms < settings.session_timeout_ms
    assert settings.database_url.get_secret_value() == GIVEN["RAPPORT_DATABASE_URL"]
    assert "hunter2" not in repr(settings) + str(settings.model_dump())


def test_all_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as raised:
        ToySettings.from_environment()
    assert str(raised.value) == (
        "toy cannot start: RAPPORT_DATABASE_URL is missing;"
        " RAPPORT_KAFKA_BOOTSTRAP_SERVERS is missing"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAPPORT_PORT", "hunter3"),
        ("RAPPORT_ENVIRONMENT", "hunter3"),
        ("RAPPORT_DEAD_LETTER_MAX_RATIO", "2"),
        ("RAPPORT_FETCH_MAX_WAIT_MS", "501"),
        ("RAPPORT_TOPIC_PREFIX", "hunter3 "),
        ("RAPPORT_SIMULATED_CLOCK", "true"),
        ("RAPPORT_HEARTBEAT_INTERVAL_MS", "14000"),
    ],
)
def test_a_wrong_value_is_named_but_not_repeated(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        ToySettings.from_environment()
    assert "hunter" not in str(raised.value)


LOG_IN = {
    "RAPPORT_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "RAPPORT_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "RAPPORT_KAFKA_SASL_USERNAME": "rapport",
    "RAPPORT_KAFKA_SASL_PASSWORD": "hunter4",
}


def test_a_log_in_at_kafka_is_taken_whole_and_shown_to_nobody(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    for name, value in (LOG_IN | {"RAPPORT_KAFKA_CA_FILE": str(authority)}).items():
        environment.setenv(name, value)
    settings = ToySettings.from_environment()
    security = kafka_options(settings, "worker").security
    assert security.arguments() == {
        "security_protocol": "SASL_SSL",
        "ssl_cafile": str(authority),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "rapport",
        "sasl_plain_password": "hunter4",
    }
    assert "hunter" not in repr(settings) + repr(security)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"KAFKA_SASL_PASSWORD": ""}, "PASSWORD", id="no password"),
        pytest.param({"KAFKA_SASL_USERNAME": ""}, "USERNAME", id="no user name"),
        pytest.param({"KAFKA_SASL_MECHANISM": None}, "MECHANISM", id="no mechanism"),
        pytest.param({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "MECHANISM", id="another mechanism"),
        pytest.param({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "PROTOCOL", id="no such protocol"),
        pytest.param({"KAFKA_SECURITY_PROTOCOL": None}, "PASSWORD", id="left out by PLAINTEXT"),
        pytest.param({"KAFKA_SECURITY_PROTOCOL": "SSL"}, "PASSWORD", id="left out by SSL"),
        pytest.param({"KAFKA_CA_FILE": "/nowhere/hunter.pem"}, "CA_FILE", id="no such file"),
        pytest.param(
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_CA_FILE": __file__},
            "CA_FILE",
            id="a CA that would not be asked",
        ),
    ],
)
def test_half_a_log_in_at_kafka_is_refused_by_name(
    environment: pytest.MonkeyPatch, changes: dict[str, str | None], named: str
) -> None:
    variables = LOG_IN | {f"RAPPORT_{name}": value for name, value in changes.items()}
    for name, value in variables.items():
        if value is not None:
            environment.setenv(name, value)
    with pytest.raises(SettingsError, match=f"RAPPORT_KAFKA_\\w*{named}") as raised:
        ToySettings.from_environment()
    assert "hunter" not in str(raised.value)


def test_simulated_time_in_development(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RAPPORT_SIMULATED_CLOCK", "true")
    environment.setenv("RAPPORT_ENVIRONMENT", "development")
    assert ToySettings.from_environment().simulated_clock


def test_in_production_cursors_hang_on_a_secret_of_their_own(
    environment: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsError, match="RAPPORT_CURSOR_SECRET is missing"):
        _ = ToySettings.from_environment().cursor_key
    environment.setenv("RAPPORT_ENVIRONMENT", "development")
    assert ToySettings.from_environment().cursor_key


@pytest.mark.parametrize("secret", [None, "one"])
def test_another_role_or_password_of_the_database_changes_no_cursor(
    environment: pytest.MonkeyPatch, secret: str | None
) -> None:
    environment.setenv("RAPPORT_ENVIRONMENT", "development")
    if secret is not None:
        environment.setenv("RAPPORT_CURSOR_SECRET", secret)
    of_the_api = ToySettings.from_environment().cursor_key
    environment.setenv("RAPPORT_DATABASE_URL", "postgresql://toy_worker:other@127.0.0.1/toy")
    assert ToySettings.from_environment().cursor_key == of_the_api


def test_the_cursor_key_is_stable_and_follows_its_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RAPPORT_CURSOR_SECRET", "one")
    first = ToySettings.from_environment().cursor_key
    assert ToySettings.from_environment().cursor_key == first
    environment.setenv("RAPPORT_CURSOR_SECRET", "another")
    assert ToySettings.from_environment().cursor_key != first
    assert len(first) == 32


ELSEWHERE = "postgresql://toy:hunter2@db.example/toy"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"DATABASE_URL": ELSEWHERE}, "DATABASE_URL", id="no sslmode"),
        pytest.param(
            {"DATABASE_URL": f"{ELSEWHERE}?sslmode=prefer"}, "DATABASE_URL", id="TLS if it happens"
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql+psycopg://toy:hunter2@db.example/toy"},
            "DATABASE_URL",
            id="by the driver's name",
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql://toy:hunter2@127.0.0.1,db.example/toy"},
            "DATABASE_URL",
            id="one host of two",
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql://toy:hunter2@localhost/toy?hostaddr=192.0.2.1"},
            "DATABASE_URL",
            id="an address behind the name",
        ),
        pytest.param(
            {"KAFKA_BOOTSTRAP_SERVERS": "broker:9092"}, "KAFKA_SECURITY_PROTOCOL", id="Kafka"
        ),
        pytest.param(
            {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092, broker:9092"},
            "KAFKA_SECURITY_PROTOCOL",
            id="one broker of two",
        ),
    ],
)
def test_in_production_nothing_leaves_the_host_in_clear(
    environment: pytest.MonkeyPatch, changes: dict[str, str], named: str
) -> None:
    for name, value in changes.items():
        environment.setenv(f"RAPPORT_{name}", value)
    with pytest.raises(SettingsError, match=f"RAPPORT_{named}") as raised:
        ToySettings.from_environment()
    assert "hunter" not in str(raised.value)
    environment.setenv("RAPPORT_ENVIRONMENT", "development")
    assert ToySettings.from_environment()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"DATABASE_URL": f"{ELSEWHERE}?sslmode=verify-full"}, id="TLS"),
        pytest.param({"DATABASE_URL": f"{ELSEWHERE}?sslmode=require"}, id="TLS with anybody"),
        pytest.param({"DATABASE_URL": ELSEWHERE, "DATABASE_IN_CLEAR": "true"}, id="told by name"),
        pytest.param({"DATABASE_URL": "postgresql://toy@[::1]/toy"}, id="loopback"),
        pytest.param({"DATABASE_URL": "postgresql://toy@/toy?host=/run/postgres"}, id="a socket"),
        pytest.param(
            {"KAFKA_BOOTSTRAP_SERVERS": "broker:9092", "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
            id="Kafka, told by name",
        ),
        pytest.param(
            {"KAFKA_BOOTSTRAP_SERVERS": "broker:9093", "KAFKA_SECURITY_PROTOCOL": "SSL"},
            id="Kafka by TLS",
        ),
    ],
)
def test_what_is_encrypted_or_stays_or_is_told_by_name_is_taken(
    environment: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    for name, value in changes.items():
        environment.setenv(f"RAPPORT_{name}", value)
    assert ToySettings.from_environment().environment == "production"


def test_nobodys_word_on_a_callers_address_is_taken_but_a_named_proxys(
    environment: pytest.MonkeyPatch,
) -> None:
    assert ToySettings.from_environment().proxies == []
    environment.setenv("RAPPORT_TRUSTED_PROXIES", "127.0.0.1, 10.1.0.0/16,fd00::/8")
    assert ToySettings.from_environment().proxies == [
        *("127.0.0.1/32", "::ffff:127.0.0.1/128"),
        *("10.1.0.0/16", "::ffff:10.1.0.0/112"),
        "fd00::/8",
    ]


@pytest.mark.parametrize(
    "value",
    [
        *("*", "0.0.0.0/0", "::/0", "proxy.example", "10.1.0.1/16"),
        *("::ffff:0:0/96", "::ffff:0:0/95", "10.1.0.5,::/80"),
    ],
)
def test_a_proxy_is_named_by_its_address(environment: pytest.MonkeyPatch, value: str) -> None:
    """Else a typing error trusts nobody in silence, or everybody."""
    environment.setenv("RAPPORT_TRUSTED_PROXIES", value)
    with pytest.raises(SettingsError, match="RAPPORT_TRUSTED_PROXIES"):
        ToySettings.from_environment()
