"""The compose file: it keeps to its specification, and says what the services understand."""

import re
import subprocess
import sys
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
SCRAPES = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "ingestion": IngestionSettings,
    "scoring": ScoringSettings,
    "outreach": OutreachSettings,
}
PORTS = {"api": "RAPPORT_PORT", "worker": "RAPPORT_WORKER_PORT"}
ROLES = {"migrate": "owner", "topics": "owner", "api": "api", "worker": "worker"}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<word>[^}]*))?\}")


def _secrets() -> dict[str, str]:
    """What new-env.sh prints, as compose reads it."""
    script = REPOSITORY / "deploy" / "compose" / "new-env.sh"
    printed = subprocess.run(["sh", script], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines() if not line.startswith("#"))


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
def services() -> dict[str, Any]:
    """The services of the file, anchors merged and variables filled in."""
    filled = _filled(FILE.read_text("utf-8"), _secrets())
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


def test_there_are_three_apis_three_workers_and_a_migration_for_each(
    services: dict[str, Any],
) -> None:
    found = {(service, role) for service, role, _ in _ours(services)}
    for role in ("migrate", "api", "worker"):
        assert {service for service, its in found if its == role} == set(SETTINGS)
    assert {services["postgres"]["image"], services["kafka"]["image"]} == {
        "postgres:18",
        "apache/kafka:4.3.0",
    }
    assert services["sandbox"]["profiles"] == ["dev"]


def test_every_container_has_settings_that_its_service_takes(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service, role, config in _ours(services):
        environment = {name: str(value) for name, value in config["environment"].items()}
        settings = SETTINGS[service]
        known = {PREFIX + name.upper() for name in settings.model_fields}
        assert environment.keys() <= known
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            url = settings.from_environment().database_url.get_secret_value()
        assert url.startswith(f"postgresql://{service}_{ROLES[role]}:")
        assert url.endswith(f"@postgres/{service}")


def test_the_sandboxs_settings_are_outreachs(services: dict[str, Any]) -> None:
    example = REPOSITORY / "deploy" / "compose" / "sandbox.env.example"
    lines = example.read_text("utf-8").splitlines()
    names = {line.partition("=")[0] for line in lines if not line.startswith("#")}
    assert names <= {PREFIX + name.upper() for name in OutreachSettings.model_fields}


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


def test_two_installations_share_no_secret() -> None:
    one, other = _secrets(), _secrets()
    assert one.keys() == other.keys()
    assert not set(one.values()) & set(other.values())
    assert all(len(value) >= 40 for value in one.values())
