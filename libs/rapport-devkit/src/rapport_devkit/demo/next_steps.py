"""What to look at next: the OpenAPI pages, and commands that work as they are printed."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from rapport_devkit.access import Access
from rapport_devkit.demo.story import Story
from rapport_devkit.sources.dataset import Origin


def print_next_steps(console: Console, access: Access, origin: Origin, story: Story) -> None:
    """Print addresses and curl commands, each on one line, however narrow the terminal is."""
    console.rule("Look for yourself")
    for service, api in access.practice.items():
        _plain(console, f"{service:<10} {api.base_url}/docs")
    for line in curl_lines(access, origin, story):
        _plain(console, line)


def curl_lines(access: Access, origin: Origin, story: Story) -> Iterator[str]:
    """Commands for a shell, with a real key of the practice."""
    client = story.client_id
    yield _curl(access, "scoring", f"/v1/clients/{client}/tier")
    yield _curl(access, "scoring", f"/v1/clients/{client}/history")
    yield _curl(access, "scoring", "/v1/distribution")
    yield _curl(access, "scoring", "/v1/tier-changes?limit=3")
    yield _curl(access, "ingestion", f"/v1/clients/{client}/activity")
    yield _curl(access, "ingestion", "/v1/events", _new_event(access, origin, story))
    if "outreach" in access.practice:
        yield _curl(access, "outreach", f"/v1/messages?client_id={client}")
        yield _curl(access, "outreach", "/v1/messages/summary")


def _new_event(access: Access, origin: Origin, story: Story) -> dict[str, Any]:
    """A session of the client, completed now by the simulated clock: it may change their tier."""
    now = access.operator["ingestion"].get("/v1/clock")["now"]
    return {
        "specversion": "1.0",
        "id": "by-hand-1",
        "source": origin.source,
        "type": "rapport.booking.completed.v1",
        "practiceid": origin.practice_id,
        "subject": story.external_id,
        "time": datetime.fromisoformat(now).astimezone(UTC).isoformat(),
        "data": {"booking_id": "by-hand-1"},
    }


def _curl(access: Access, service: str, path: str, body: dict[str, Any] | None = None) -> str:
    api = access.practice[service]
    words = ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {api.key}"]
    if body is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join([*words, f"{api.base_url}{path}"])


def _plain(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)
