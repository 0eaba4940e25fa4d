"""`--help` does nothing but help, for every command of every service, without any setting."""

import os
import socket
import threading
from collections.abc import Mapping

import pytest

from ingestion_service import bootstrap as ingestion
from outreach_service import bootstrap as outreach
from rapport_runtime import cli
from rapport_runtime.cli import Command, main
from rapport_runtime.settings import PREFIX
from scoring_service import bootstrap as scoring

SERVICES: Mapping[str, Mapping[str, Command]] = {
    "ingestion_service": ingestion.COMMANDS,
    "scoring_service": scoring.COMMANDS,
    "outreach_service": outreach.COMMANDS,
}
SECOND_WORDS = {
    "keys": ("create", "rotate", "revoke", "list", "scopes"),
    "letters": ("list", "show", "replay", "drop"),
}
EVERY = [
    pytest.param(service, [name, *second], id=" ".join((service, name, *second)))
    for service, commands in SERVICES.items()
    for name in commands
    for second in ([], *([word] for word in SECOND_WORDS.get(name, ())))
]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that reads its settings ends with 2, and says what is missing."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def ended(service: str, *argv: str) -> int:
    """The exit code of the service's command line."""
    try:
        return main(service, SERVICES[service], argv)
    except SystemExit as end:
        return int(str(end.code))


@pytest.mark.parametrize(("service", "command"), EVERY)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_given_without_any_setting(
    service: str, command: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(service, *command, word) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: ")
    assert printed.err == ""


@pytest.mark.parametrize(("service", "command"), EVERY)
def test_a_word_that_is_not_known_is_refused_before_any_setting_is_read(
    service: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(service, *command, "--bogus") == 2
    told = capsys.readouterr().err
    assert "usage: " in told
    assert "is missing" not in told


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("command", ["api", "worker", "migrate"])
def test_a_command_without_arguments_takes_none(
    service: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(service, command, "--dry-run") == 2
    assert ended(service, command, "now") == 2
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("service", SERVICES)
def test_without_help_a_missing_setting_is_named(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """So the tests above do not pass because nothing reads the settings at all."""
    assert ended(service, "migrate") == 2
    assert f"{PREFIX}DATABASE_URL is missing" in capsys.readouterr().err


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_itself_lists_its_commands(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(service, "--help") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in SERVICES[service])


@pytest.mark.parametrize("service", SERVICES)
def test_a_log_level_that_there_is_not_is_named(
    service: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}LOG_LEVEL", "LOUD")
    assert ended(service, "migrate") == 2
    assert f"{PREFIX}LOG_LEVEL: " in capsys.readouterr().err


def test_a_workers_port_that_is_taken_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "ENVIRONMENT": "development",
    }.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.setattr(cli, "stop_on_signals", threading.Event)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(f"{PREFIX}WORKER_PORT", str(port))
        assert ended("ingestion_service", "worker") == 2
    told = capsys.readouterr().err
    assert told.startswith(
        f"ingestion-service cannot start: {PREFIX}WORKER_PORT={port} on 127.0.0.1:"
    )
    assert "Traceback" not in told
