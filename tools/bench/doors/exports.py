"""The doors of heavy reads: a big practice takes out all it has, many pages at a time."""

import time
from collections.abc import Iterator, Mapping
from itertools import islice

from rapport_devkit.api_client import ApiClient, ApiProblem
from rapport_devkit.stack import Stack
from tools.bench.doors.door import Parties
from tools.bench.doors.rest import RestDoor

SOURCE, BUSIEST = "bench", "client-0"
"""The namespace of the bench's events, and the client that every fourth of them is about."""
PATHS = 200
"""Paths of each quiet practice, in turn."""
KNOWN_SECONDS = 60.0
TIERS = ("iron", "bronze", "silver", "gold")

Keys = Mapping[str, Mapping[str, str]]
"""By service and practice."""


def export_doors(stack: Stack, parties: Parties, keys: Keys) -> Iterator[RestDoor]:
    """One door for each service that has something to export, once scoring knows everybody."""
    clients = {
        practice: [
            each["client_id"]
            for each in islice(_api(stack, "ingestion", keys, practice).items("/v1/clients"), PATHS)
        ]
        for practice in parties.quiet
    }
    floods = {
        "ingestion": _ingestion(_api(stack, "ingestion", keys, parties.flooder)),
        "scoring": [
            *(f"/v1/tiers/{tier}/clients?limit=1000" for tier in TIERS),
            *("/v1/tier-changes?limit=1000", "/v1/distribution"),
        ],
    }
    quiet = {"ingestion": "/v1/clients/{}", "scoring": "/v1/clients/{}/tier"}
    for practice, ids in clients.items():
        _await_known(_api(stack, "scoring", keys, practice), ids[-1])
    for service, paths in floods.items():
        own = {name: [quiet[service].format(one) for one in ids] for name, ids in clients.items()}
        yield RestDoor(
            folder=stack.options.folder,
            parties=parties,
            port=int(stack.url(service).rpartition(":")[2]),
            keys=keys[service],
            quiet={"paths": own},
            flood={"paths": {parties.flooder: paths}},
            title=f"exports of {service}, one client read",
        )


def _api(stack: Stack, service: str, keys: Keys, practice: str) -> ApiClient:
    return stack.api(service, keys[service][practice])


def _ingestion(api: ApiClient) -> list[str]:
    """All that a practice can take out; every second request is for its busiest client."""
    wanted = {"items": [{"namespace": SOURCE, "external_id": BUSIEST}]}
    (found,) = api.post("/v1/clients/lookup", wanted)["items"]
    activity = f"/v1/clients/{found['client']['client_id']}/activity?limit=1000"
    return [activity, "/v1/clients?limit=1000", activity, "/v1/sources"]


def _await_known(scoring: ApiClient, client_id: str) -> None:
    """Raises RuntimeError when scoring does not know the client in time."""
    deadline = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            scoring.get(f"/v1/clients/{client_id}/tier")
        except ApiProblem as problem:
            if time.monotonic() > deadline:
                raise RuntimeError("scoring has not read what came") from problem
            time.sleep(0.2)
        else:
            return
