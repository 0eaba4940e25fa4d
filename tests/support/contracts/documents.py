"""OpenAPI of each service, AsyncAPI of the bus, schemas of documents: as coded and committed."""

import base64
import json
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

import ingestion_service.bootstrap
import outreach_service.bootstrap
import scoring_service.bootstrap
from ingestion_service.settings import IngestionSettings
from outreach_service.documents.schemas import document_schemas
from outreach_service.settings import OutreachSettings
from rapport_contracts import asyncapi
from scoring_service.settings import ScoringSettings

PACKAGE = Path(asyncapi.__file__).resolve().parents[2]
RELEASED = PACKAGE / "released"
ASYNCAPI = "asyncapi.json"
_KEY = base64.b64encode(bytes(32)).decode()
_NOWHERE = {
    "database_url": "postgresql://127.0.0.1:1/none",
    "kafka_bootstrap_servers": "127.0.0.1:1",
    "record_keys": {"k1": _KEY},
    "record_active_key": "k1",
    "cursor_secret": "for documents alone",
}

Document = dict[str, Any]


def _ingestion() -> FastAPI:
    return ingestion_service.bootstrap.build_api(IngestionSettings(**_NOWHERE))  # type: ignore[arg-type]


def _scoring() -> FastAPI:
    return scoring_service.bootstrap.build_api(ScoringSettings(**_NOWHERE))  # type: ignore[arg-type]


def _outreach() -> FastAPI:
    keys = {"contact_keys": {"k1": _KEY}, "contact_active_key": "k1", "contact_index_key": _KEY}
    return outreach_service.bootstrap.build_api(OutreachSettings(**_NOWHERE, **keys))  # type: ignore[arg-type]


APPS: Mapping[str, Callable[[], FastAPI]] = {
    "ingestion-service": _ingestion,
    "scoring-service": _scoring,
    "outreach-service": _outreach,
}
"""Each service's app as production has it: without the routes of a simulated clock."""


def as_coded() -> dict[str, str]:
    """Path within the package -> text, of every document that today's code makes."""
    made = {f"openapi/{name}.json": _text(app().openapi()) for name, app in APPS.items()}
    read = {f"documents/{name}.schema.json": _text(one) for name, one in document_schemas().items()}
    return {**made, **read, ASYNCAPI: asyncapi.text()}


def outdated(package: Path) -> list[str]:
    """Paths of documents in the package that are missing or not what the code makes."""
    return sorted(
        path
        for path, text in as_coded().items()
        if not (package / path).is_file() or (package / path).read_text("utf-8") != text
    )


def write(package: Path) -> None:
    """Make the package's documents those of the code."""
    for path, text in as_coded().items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text, "utf-8")


def version() -> str:
    """The contracts' version, which names the next snapshot."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


def snapshot(package: Path, name: str) -> Path:
    """Keep what is committed now as the promise of a release, and return its folder.

    Raises FileExistsError: a promise once given is not rewritten.
    """
    folder = package / "released" / name
    folder.mkdir(parents=True)
    shutil.copytree(package / "openapi", folder / "openapi")
    shutil.copytree(package / "examples", folder / "examples")
    shutil.copy(package / ASYNCAPI, folder / ASYNCAPI)
    return folder


def releases() -> list[Path]:
    """The folders of all releases, the oldest first."""
    folders = [path for path in RELEASED.glob("*") if path.is_dir()]
    return sorted(folders, key=lambda path: tuple(map(int, path.name.split("."))))


def read(folder: Path, path: str) -> Document:
    """One document of a folder."""
    document: Document = json.loads((folder / path).read_text("utf-8"))
    return document


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
