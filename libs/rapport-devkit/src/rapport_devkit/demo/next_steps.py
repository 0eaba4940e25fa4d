"""What to look at next: addresses, and commands that work as they are printed."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from rapport_devkit.access import Access
from rapport_devkit.api_client import ApiClient
from rapport_devkit.demo.story import Story
from rapport_devkit.stack import Stack
from rapport_devkit.till import TILL, number_of
from rapport_devkit.words import Words
from rapport_files.events import Origin

_ONE_DAY = timedelta(days=1)


def print_next_steps(
    console: Console, stack: Stack, access: Access, origin: Origin, story: Story, words: Words
) -> None:
    """Print addresses and curl commands, each on one line, however narrow the terminal is."""
    console.rule(words("Look for yourself"))
    for line in (*_addresses(stack, access), "", words("With a key of the practice:")):
        _plain(console, line)
    for line in curl_lines(access, origin, story):
        _plain(console, line)
    _plain(console, words("With an operator's key; of all practices, but of no client:"))
    for line in operator_lines(access):
        _plain(console, line)
    if "outreach" in access.practice:
        _plain(console, words("What the sandbox's providers have received:"))
        _plain(console, shlex.join(["curl", "-sS", f"{stack.sandbox.url}/deliveries?limit=3"]))
    now = _now(access)
    standing = words(
        "The demo's time stands still at {now}: an event may be at most 48 hours ahead of it. To"
        " move it on by a day:",
        now=now.isoformat(),
    )
    _plain(console, standing)
    later = {"now": (now + _ONE_DAY).isoformat()}
    _plain(console, _curl(access.operator["ingestion"], "/v1/clock", later, "PUT"))


def print_left(console: Console, folder: Path, words: Words) -> None:
    """Print what stays on the disk until the next run."""
    _plain(console, words("logs: {folder}", folder=folder / "logs"))
    _plain(console, words("deliveries: {file}", file=folder / "deliveries.jsonl"))


def curl_lines(access: Access, origin: Origin, story: Story) -> Iterator[str]:
    """Commands for a shell, with a real key of the practice."""
    client, apis = story.client_id, access.practice
    yield _curl(apis["scoring"], f"/v1/clients/{client}/tier")
    yield _curl(apis["scoring"], f"/v1/clients/{client}/history")
    yield _curl(apis["scoring"], "/v1/distribution")
    yield _curl(apis["scoring"], "/v1/tier-changes?limit=3")
    yield _curl(apis["ingestion"], f"/v1/clients/{client}")
    yield _curl(apis["ingestion"], f"/v1/clients/{client}/activity")
    yield _curl(apis["ingestion"], "/v1/events", _new_events(access, origin, story))
    if "outreach" in apis:
        yield _curl(apis["outreach"], f"/v1/messages?client_id={client}")
        yield _curl(apis["outreach"], "/v1/messages/summary")


def operator_lines(access: Access) -> Iterator[str]:
    """Commands for a shell, with real keys of an operator."""
    for api in access.operator.values():
        yield _curl(api, "/v1/status")
    yield _curl(access.operator["ingestion"], "/v1/pauses")
    yield _curl(access.operator["ingestion"], "/v1/audit")


def _addresses(stack: Stack, access: Access) -> Iterator[str]:
    for service, api in access.practice.items():
        yield f"{service:<10} {api.base_url}/docs"
    yield f"{'kafka':<10} {stack.kafka.bootstrap}"
    yield f"{'postgres':<10} {stack.postgres.url()}"
    if "outreach" in access.practice:
        yield f"{'sandbox':<10} {stack.sandbox.url}/deliveries"


def _now(access: Access) -> datetime:
    """The time of the simulated clock."""
    now = access.operator["ingestion"].get("/v1/clock")["now"]
    return datetime.fromisoformat(now).astimezone(UTC)


def _new_events(access: Access, origin: Origin, story: Story) -> list[dict[str, Any]]:
    """A session of the client, completed now by the simulated clock, and its payment, each by the
    client's number in its system: they may change their tier."""
    session = {
        "specversion": "1.0",
        "id": "by-hand-1",
        "source": origin.source,
        "type": "rapport.booking.completed.v1",
        "practiceid": origin.practice_id,
        "subject": story.external_id,
        "time": _now(access).isoformat(),
        "data": {"booking_id": "by-hand-1"},
    }
    payment = session | {
        "source": TILL,
        "type": "rapport.payment.settled.v1",
        "subject": number_of(story.external_id),
        "data": {
            "payment_id": "by-hand-1",
            "amount_minor": 10_000,
            "currency": story.currency,
        },
    }
    return [session, payment] if story.currency else [session]


def _curl(api: ApiClient, path: str, body: Any = None, method: str = "POST") -> str:
    words = ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {api.key}"]
    if body is not None:
        words += ["-X", method, "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join([*words, f"{api.base_url}{path}"])


def _plain(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)
