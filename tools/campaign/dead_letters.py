"""Replaying what was put aside, as an operator would, and what then must have become of it."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from rapport_devkit.api_client import ApiClient
from rapport_devkit.stack import Stack
from tests.support.generators.poison import Document
from tests.support.generators.workload import PRACTICES, EventKey, Workload
from tools.campaign.environment import StormEnvironment

AHEAD = timedelta(hours=48)
"""How far beyond ingestion's time an event may happen."""

_KNOWN = {practice.practice_id for practice in PRACTICES}


def decider_keys(stack: Stack) -> list[ApiClient]:
    """Clients of ingestion's API that decide on letters: the practices', and an operator's for
    those of nobody."""
    scopes = "dead-letters:read,dead-letters:decide"
    holders = [None, *sorted(_KNOWN)]
    return [
        stack.api("ingestion", stack.create_key("ingestion", scopes, holder)) for holder in holders
    ]


def replay_all(environment: StormEnvironment) -> int:
    """Queue every letter, also one that was replayed, by its id in random order; how many."""
    letters = [
        (api, letter["id"])
        for api in environment.letters
        for letter in api.items("/v1/dead-letters")
    ]
    environment.chance.shuffle(letters)
    for api, number in letters:
        api.post(f"/v1/dead-letters/{number}/replay", {})
    return len(letters)


def queued(environment: StormEnvironment) -> int:
    """How many letters still wait for their replay."""
    return sum(
        1 for api in environment.letters for _ in api.items("/v1/dead-letters", state="queued")
    )


def accept_what_time_has_cured(workload: Workload, day: int, now: datetime) -> int:
    """An event of too far ahead that is replayed later is a good event; how many became one."""
    cured = 0
    for sent_on in range(day):
        refused_after = workload.noon(sent_on) + AHEAD
        for document in _poison_of(workload, sent_on):
            key = EventKey(document["practiceid"], document["source"], document["id"])
            if refused_after < _time(document) <= now + AHEAD and key not in workload.accepted:
                workload.accepted[key] = document
                workload.letters["occurred-in-the-future"] -= 1
                cured += 1
    return cured


def _time(document: Document) -> datetime:
    return datetime.fromisoformat(document["time"])


def _poison_of(workload: Workload, day: int) -> Iterator[Document]:
    """A day's poison that is an event but for its time."""
    for sent in workload.days[day]:
        document = _event(sent.value)
        if document is None or not str(document.get("id", "")).startswith("poison-"):
            continue
        keyed = sent.key == str(document.get("subject")).encode()
        whole = "data" in document and document.get("practiceid") in _KNOWN
        if keyed and whole and _time(document).tzinfo is not None:
            yield document


def _event(value: bytes | None) -> dict[str, Any] | None:
    if value is None or len(value) > 10_000:
        return None
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
