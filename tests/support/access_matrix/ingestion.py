"""Ingestion's API with two practices, a client, what it did, and letters put aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ingestion_service.bootstrap import build_api
from ingestion_service.consumers import GROUP
from ingestion_service.settings import IngestionSettings
from rapport_contracts import topics
from rapport_runtime.database import Database
from tests.support.access_matrix.world import (
    PRACTICE,
    STRANGER,
    ApiWorld,
    common_settings,
    every_key,
    put_letters_aside,
    running,
    service_database,
)

SOURCE, CLIENT = "booking-desk", "c-1042"
NOW = "2100-01-02T12:00:00Z"
"""Later than what the fuzzer dates its events."""


@contextmanager
def ingestion(postgres_url: str) -> Iterator[ApiWorld]:
    """The world, gone afterwards."""
    with service_database(postgres_url, "ingestion") as urls:
        worker = Database(urls.worker_url, application_name="test-worker")
        letters = put_letters_aside(worker, GROUP, topics.SOURCE_BOOKINGS.name)
        worker.close()
        with running(build_api(IngestionSettings(**common_settings(urls)))) as app:
            world = ApiWorld("ingestion", app, urls, keys=every_key(app, urls))
            yield replace(world, known=_fill(world) | {"path.letter_id": letters})


def _fill(world: ApiWorld) -> dict[str, list[str | int]]:
    for practice in (PRACTICE, STRANGER):
        body = {
            "name": practice,
            "zone": "Europe/London",
            "currency": "GBP",
            "undeclared_sources": "accept",
        }
        world.put("operator", f"/v1/practices/{practice}", body)
    world.put("operator", "/v1/clock", {"now": NOW})
    world.put("practice", f"/v1/sources/{SOURCE}", {"title": "Desk", "kind": "booking"})
    body = {"practice_id": None, "scopes": ["status:read"]}
    spare = world.call("POST", "/v1/keys", world.keys["operator"], json=body)
    client = world.put("practice", "/v1/clients", {"namespace": SOURCE, "external_id": CLIENT})
    return {
        "path.practice_id": ["lighthouse", "brook-side"],
        "path.client_id": [client["client_id"]],
        "path.source": [SOURCE],
        "path.key_id": [spare.json()["key_id"]],
        "body.data.currency": ["GBP"],
        "body.practiceid": [PRACTICE],
    }
