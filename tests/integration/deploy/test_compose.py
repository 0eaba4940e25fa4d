"""The compose file: it keeps to its specification, and says what the services understand."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion_service.settings import IngestionSettings
from outreach_service.settings import OutreachSettings
from rapport_runtime.settings import PREFIX, ServiceSettings
from scoring_service.settings import ScoringSettings
from tests.support.places import REPOSITORY

FILE = REPOSITORY / "docker-compose.yml"
PIN = REPOSITORY / "deploy" / "pin-images.sh"
DEFAULTS = REPOSITORY / "deploy" / "compose" / "defaults.env"
SCRAPES = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "ingestion": IngestionSettings,
    "scoring": ScoringSettings,
    "outreach": OutreachSettings,
}
PORTS = {"api": "RAPPORT_PORT", "worker": "RAPPORT_WORKER_PORT"}
ROLES = {"migrate": "owner", "topics": "owner", "api": "api", "worker": "worker", "purge": "purge"}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<word>[^}]*))?\}")


def _new_env(file: Path) -> "subprocess.CompletedProcess[str]":
    script = REPOSITORY / "deploy" / "compose" / "new-env.sh"
    return subprocess.run(["sh", script, file], capture_output=True, text=True, check=False)


KEYS_OF = ("ingestion", "scoring", "outreach", "contacts")


def _drawn() -> dict[str, dict[str, str]]:
    """The files that new-env.sh writes, by name, as compose reads them."""
    with tempfile.TemporaryDirectory() as folder:
        assert _new_env(Path(folder) / ".env").returncode == 0
        return {file.name: _variables(file) for file in Path(folder).iterdir()}


def _env_files(config: dict[str, Any]) -> list[str]:
    """The names of a container's env files, in the order in which they are read."""
    return [file if isinstance(file, str) else file["path"] for file in config["env_file"]]


def _environment(config: dict[str, Any], files: dict[str, dict[str, str]]) -> dict[str, str]:
    """The variables of a container: of the env files the last holds, and `environment` wins."""
    known = {DEFAULTS.relative_to(REPOSITORY).as_posix(): _variables(DEFAULTS)} | files
    variables: dict[str, str] = {}
    for name in _env_files(config):
        variables |= known.get(name, {})
    return variables | {name: str(value) for name, value in config["environment"].items()}


def _variables(file: Path) -> dict[str, str]:
    lines = file.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _filled(text: str, known: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        default = found["word"] if found["how"] == ":-" else None
        filling = known.get(found["name"], default)
        assert filling is not None, (
            f"{found['name']} has no default and new-env.sh does not make it"
        )
        return filling

    return _VARIABLE.sub(value, text)


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, str]]:
    """The files of one installation."""
    return _drawn()


@pytest.fixture(scope="module")
def services(drawn: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The services of the file, anchors merged and variables filled in."""
    filled = _filled(FILE.read_text("utf-8"), drawn[".env"])
    found: dict[str, Any] = yaml.safe_load(filled)["services"]
    return found


def _ours(services: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Service, role and description of each container that runs one of our images."""
    made = []
    for name, config in services.items():
        if config["image"].startswith("rapport/") and name != "sandbox":
            service = config["image"].removeprefix("rapport/").removesuffix("-service")
            made.append((service, config["command"][0], config))
    return made


def test_it_keeps_to_the_compose_specification() -> None:
    checker = Path(sys.executable).parent / "check-jsonschema"
    checked = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", FILE], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dockerfiles_are_clean() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    files = sorted((REPOSITORY / "deploy").glob("*Dockerfile"))
    assert len(files) == 2
    linted = subprocess.run([linter, "--no-color", *files], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


def test_each_service_has_an_api_a_worker_a_migration_and_a_purge(
    services: dict[str, Any],
) -> None:
    found = {(service, role) for service, role, _ in _ours(services)}
    for role in ("migrate", "api", "worker", "purge"):
        assert {service for service, its in found if its == role} == set(SETTINGS)
    assert services["postgres"]["image"].startswith("postgres:18")
    assert services["kafka"]["image"].startswith("apache/kafka:4.3.0")
    assert services["sandbox"]["profiles"] == ["dev"]


def test_every_container_has_settings_that_its_service_takes(
    services: dict[str, Any], drawn: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service, role, config in _ours(services):
        environment = _environment(config, drawn)
        settings = SETTINGS[service]
        known = {PREFIX + name.upper() for name in settings.model_fields}
        assert environment.keys() <= known
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            made = settings.from_environment()
            if role in ("api", "worker"):
                assert made.record_keyring.seal(b"", b"").startswith(b"k1:")
        url = made.database_url.get_secret_value()
        assert url.startswith(f"postgresql://{service}_{ROLES[role]}:")
        assert url.endswith(f"@postgres/{service}")


def test_outreach_starts_with_the_sandboxs_settings(
    services: dict[str, Any], drawn: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = _variables(REPOSITORY / "deploy" / "compose" / "sandbox.env.example")
    assert example.keys() <= {PREFIX + name.upper() for name in OutreachSettings.model_fields}
    files = {**drawn, ".env.outreach": example}
    for name, value in _environment(services["outreach-worker"], files).items():
        monkeypatch.setenv(name, value)
    settings = OutreachSettings.from_environment()
    assert (settings.environment, settings.closed) == ("production", frozenset())


def test_migrations_run_when_asked_for_and_what_starts_with_them_waits(
    services: dict[str, Any],
) -> None:
    """A start, also that of one more worker beside others, changes no table."""
    for service, role, config in _ours(services):
        assert (config.get("profiles") == ["migrate"]) is (role == "migrate"), (service, role)
        if role in {"api", "worker", "purge"}:
            assert config["depends_on"][f"{service}-migrate"] == {
                "condition": "service_completed_successfully",
                "required": False,
            }


def test_nothing_waits_for_what_is_not_there(services: dict[str, Any]) -> None:
    for config in services.values():
        for name, how in config.get("depends_on", {}).items():
            other = services[name]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in other
            else:
                assert other["restart"] == "no"


def test_prometheus_asks_the_ports_on_which_apis_and_workers_listen(
    services: dict[str, Any],
) -> None:
    """Those of the image, unless the compose file sets another."""
    dockerfile = (REPOSITORY / "deploy" / "Dockerfile").read_text("utf-8")
    image = dict(re.findall(r"(RAPPORT_\w+)=(\S+)", dockerfile))
    listening = set()
    for name, config in services.items():
        if config["image"].startswith("rapport/") and name != "sandbox":
            port = PORTS.get(config["command"][0])
            if port is not None:
                listening.add(f"{name}:{config['environment'].get(port, image[port])}")
    jobs = yaml.safe_load(SCRAPES.read_text("utf-8"))["scrape_configs"]
    scraped = [
        target for job in jobs for group in job["static_configs"] for target in group["targets"]
    ]
    assert sorted(scraped) == sorted(listening)


def test_our_containers_can_change_nothing_but_their_data(services: dict[str, Any]) -> None:
    for name, config in services.items():
        if config["image"].startswith("rapport/"):
            assert config["read_only"] is True, name
            assert config["cap_drop"] == ["ALL"], name


def test_what_an_operator_sets_in_an_env_file_is_not_overridden(services: dict[str, Any]) -> None:
    """`environment` wins over every env file, so it says only what differs by role; the keys that
    were drawn stand in files too, before the operator's own."""
    for service, role, config in _ours(services):
        assert config["environment"].keys() == {"RAPPORT_DATABASE_URL"}, (service, role)
        records = [f".env.keys.{service}"] if role in ("api", "worker") else []
        contacts = [".env.keys.contacts"] if service == "outreach" else []
        assert config["env_file"] == [
            DEFAULTS.relative_to(REPOSITORY).as_posix(),
            *(records + contacts),
            {"path": ".env.rapport", "required": False},
            {"path": f".env.{service}", "required": False},
        ]


@pytest.mark.parametrize("role", ["api", "worker"])
def test_an_operators_address_and_keys_hold_in_outreach(
    services: dict[str, Any],
    drawn: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    role: str,
) -> None:
    """The steps of docs/deployment.md: a public address, and new keys of contacts and records."""
    key = base64.b64encode(bytes(32)).decode()
    old = drawn[".env.keys.contacts"]["RAPPORT_CONTACT_KEYS"]
    own = {
        "RAPPORT_PUBLIC_URL": "https://care.harbour.example",
        "RAPPORT_CONTACT_KEYS": json.dumps(json.loads(old) | {"k2": key}),
        "RAPPORT_CONTACT_ACTIVE_KEY": "k2",
        "RAPPORT_RECORD_KEYS": json.dumps({"k2": key}),
        "RAPPORT_RECORD_ACTIVE_KEY": "k2",
    }
    files = {**drawn, ".env.outreach": own}
    for name, value in _environment(services[f"outreach-{role}"], files).items():
        monkeypatch.setenv(name, value)
    made = OutreachSettings.from_environment()
    assert made.public_url == "https://care.harbour.example"
    assert (made.contact_active_key, set(made.contact_keys)) == ("k2", {"k1", "k2"})
    assert made.record_keyring.seal(b"", b"").startswith(b"k2:")


def test_every_process_sees_the_operators_own_files(services: dict[str, Any]) -> None:
    for service, role, config in _ours(services):
        assert config["volumes"] == ["./deploy/compose/etc:/etc/rapport:ro"], (service, role)
    assert (REPOSITORY / "deploy" / "compose" / "etc" / "README.md").is_file()


def test_an_image_of_ours_is_never_asked_of_a_registry(services: dict[str, Any]) -> None:
    for name, config in services.items():
        assert (config.get("pull_policy") == "build") is ("build" in config), name


def test_logs_are_bounded_and_data_is_closed_in_time(services: dict[str, Any]) -> None:
    for name, config in services.items():
        assert config["logging"]["options"].keys() >= {"max-size", "max-file"}, name
        assert int(config["stop_grace_period"].removesuffix("s")) > 10, name


def test_no_health_check_starts_a_jvm(services: dict[str, Any]) -> None:
    words = [
        word for one in services.values() for word in one.get("healthcheck", {}).get("test", ())
    ]
    assert words
    assert not [word for word in words if "kafka" in word or ".sh" in word]


def test_a_script_that_the_database_runs_is_run_and_not_sourced(services: dict[str, Any]) -> None:
    """One without the executable bit is read into the entry point's own shell."""
    (mounted,) = [
        volume.split(":")[0] for volume in services["postgres"]["volumes"] if "initdb.d" in volume
    ]
    assert os.access(REPOSITORY / mounted, os.X_OK)


def test_the_files_head_and_the_documentation_begin_alike() -> None:
    steps = [
        re.sub(r"\s+#.*", "", line.removeprefix("#").strip())
        for line in FILE.read_text("utf-8").splitlines()[:6]
        if "compose" in line
    ]
    assert len(steps) == 3
    documentation = (REPOSITORY / "docs" / "deployment.md").read_text("utf-8")
    assert all(step in documentation for step in steps)


UNPINNED = {
    "postgres:18",
    "apache/kafka:4.3.0",
    "python:3.11-slim-bookworm",
}
"""Base images that are not pinned by digest: where Rapport is built no registry of images can be
asked. `deploy/pin-images.sh` pins them where one can; then they leave this list."""


def _base_images() -> set[str]:
    images = set()
    for file in (FILE, *(REPOSITORY / "deploy").glob("*Dockerfile")):
        images |= set(
            re.findall(r"^(?:FROM |    image: )([\w/-]+:\S+)", file.read_text("utf-8"), re.M)
        )
    return images


def test_every_base_image_is_pinned_by_digest_or_stands_in_the_list_of_exceptions() -> None:
    found = _base_images()
    assert found
    assert {image for image in found if "@sha256:" not in image} == UNPINNED


def test_the_script_pins_every_base_image_and_again(tmp_path: Path) -> None:
    """With a stand-in for docker, in a copy of the files."""
    for file in (FILE, *(REPOSITORY / "deploy").glob("*Dockerfile"), PIN):
        copy = tmp_path / file.relative_to(REPOSITORY)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(file, copy)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.touch(0o755)
    for digit in ("a", "b"):
        digest = f"sha256:{digit * 64}"
        docker.write_text(f"#!/bin/sh\necho {digest}\n")
        around = {**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}"}
        script = tmp_path / PIN.relative_to(REPOSITORY)
        subprocess.run(["sh", script], env=around, check=True)
        text = "\n".join(
            (tmp_path / file.relative_to(REPOSITORY)).read_text("utf-8")
            for file in (FILE, *(REPOSITORY / "deploy").glob("*Dockerfile"))
        )
        for image in UNPINNED:
            assert f"{image}@{digest}" in text
        assert text.count(digest) == 5
        assert len(re.findall("@sha256:", text)) == 5


def test_secrets_are_for_their_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert _new_env(file).returncode == 0
    written = {each.name: each for each in tmp_path.iterdir()}
    assert written.keys() == {".env", *(f".env.keys.{name}" for name in KEYS_OF)}
    assert {each.stat().st_mode & 0o777 for each in written.values()} == {0o600}
    for there in written:
        before = written[there].read_text("utf-8")
        assert _new_env(file).returncode != 0
        assert written[there].read_text("utf-8") == before
        for other in set(written) - {there}:
            written[other].unlink(missing_ok=True)
        refused = _new_env(file)
        assert refused.returncode != 0
        assert there in refused.stderr
        assert [each.name for each in tmp_path.iterdir()] == [there]
        written[there].unlink()
        assert _new_env(file).returncode == 0


def test_two_installations_share_no_secret() -> None:
    one, other = _secrets(), _secrets()
    assert one.keys() == other.keys()
    assert not set(one.values()) & set(other.values())
    assert all(len(value) >= 40 for value in one.values())


def _secrets() -> dict[str, str]:
    """All secrets of a new installation."""
    return {
        f"{file} {name}": value
        for file, variables in _drawn().items()
        for name, value in variables.items()
        if not name.endswith("_ACTIVE_KEY")
    }


def test_no_two_secrets_of_an_installation_are_the_same() -> None:
    drawn = _secrets()
    assert len(set(drawn.values())) == len(drawn) == 22
