"""What a run with rebuilds left behind, beyond what every run is asked: what a reader saw, what
outreach knows of each client, and that nothing was said because of it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import scoring_service
from rapport_contracts.topics import CLIENT_ACTIVITY, TIER_CHANGES
from tests.support.pipeline.findings import (
    Findings,
    client_ids,
    events,
    look,
    of_latest_generations,
    rows,
)
from tests.support.pipeline.rebuilds import MOVING, RebuiltWorld
from tests.support.pipeline.run import World
from tests.support.pipeline.tier_watch import ClientKey, Readings, version_faults

Json = dict[str, Any]
ANEW = {"rebuild", "zone"}
"""The reasons of a change that a generation makes."""
BY_CLIENT = {"booked", "requested", "completed", "no_show", "cancelled", "settled", "refunded"}
_BESIDE = "SELECT practice_id, client_id, facts, came FROM next_generation"
_BOOKINGS = """
    SELECT practice_id, client_id, starts_at, sum(count) FROM booking
    GROUP BY practice_id, client_id, starts_at HAVING sum(count) <> 0
"""
_ACTIVE = "SELECT practice_id, client_id, activity_at FROM client WHERE activity_at IS NOT NULL"


def look_at_rebuilds(rebuilt: RebuiltWorld) -> Findings:
    """Everything that is to be seen at the end."""
    world, findings = rebuilt.world, look(rebuilt.world)
    activities = events(world, CLIENT_ACTIVITY.name, "rapport.activity.recorded.v1")
    opened = events(world, CLIENT_ACTIVITY.name, "rapport.generation.opened.v1")
    changes = events(world, TIER_CHANGES.name, "rapport.tier.changed.v1")
    latest = of_latest_generations(activities)
    findings.figures |= {
        "generations": len(opened),
        "generations by reason": dict(Counter(event["data"]["reason"] for event in opened)),
        "rebuilds": rebuilt.commands.done,
        "rebuilds killed": rebuilt.commands.killed,
        "moves": rebuilt.moves,
    }
    findings.faults["rebuilds"] = rebuilt.commands.surprises
    findings.faults["generations not complete"] = [
        f"{service}: {row}"
        for service in ("scoring", "outreach")
        for row in rows(world, service, _BESIDE)
    ]
    findings.faults["turned into another zone than the practice's"] = _in_other_zones(world, latest)
    findings.faults["outreach's bookings"] = _booking_faults(world, latest)
    findings.faults["outreach's newest activity"] = _activity_faults(world, latest)
    _look_at_changes(world, findings, changes)
    _look_at_answers(rebuilt, findings, changes)
    return findings


def _in_other_zones(world: World, latest: Iterable[Json]) -> list[str]:
    zones = {(e["practiceid"], e["data"]["client_id"], e["data"]["zone"]) for e in latest}
    return [str(each) for each in zones if each[2] != world.zones[each[0]]]


# --- what outreach knows --------------------------------------------------------------------


def _booking_faults(world: World, latest: Iterable[Json]) -> list[str]:
    """Bookings to come, against those of each client's generation on the bus."""
    wanted: Counter[tuple[str, str, datetime]] = Counter()
    for event in latest:
        data = event["data"]
        if data["kind"] == "booked" and data.get("starts_at"):
            starts_at = datetime.fromisoformat(data["starts_at"])
            wanted[event["practiceid"], data["client_id"], starts_at] += data["count"]
    found = {(row[0], row[1], row[2]): row[3] for row in rows(world, "outreach", _BOOKINGS)}
    return _differing({each: count for each, count in wanted.items() if count}, found)


def _activity_faults(world: World, latest: Iterable[Json]) -> list[str]:
    wanted: dict[ClientKey, datetime] = {}
    for event in latest:
        if event["data"]["kind"] in BY_CLIENT:
            client = event["practiceid"], event["data"]["client_id"]
            at = datetime.fromisoformat(event["data"]["occurred_at"])
            wanted[client] = max(at, wanted.get(client, at))
    found = {(row[0], row[1]): row[2] for row in rows(world, "outreach", _ACTIVE)}
    return _differing(wanted, found)


def _differing(wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> list[str]:
    return [
        f"{key}: {found.get(key)} instead of {wanted.get(key)}"
        for key in wanted.keys() | found.keys()
        if wanted.get(key) != found.get(key)
    ]


# --- what is said of it ---------------------------------------------------------------------


def _look_at_changes(world: World, findings: Findings, changes: Sequence[Json]) -> None:
    """Who stays in a zone has the tier that they had; whoever changes it says nothing."""
    anew = [event for event in changes if event["data"]["reason"] in ANEW]
    said = {(e["practiceid"], e["data"]["client_id"], e["data"]["version"]) for e in anew}
    messages = world.messages()
    findings.figures |= {
        "changes by a generation": len(anew),
        "win-backs": sum(message["play"] == "win-back" for message in messages),
        "withheld for a booking": sum(m["reason"] == "upcoming-booking" for m in messages),
    }
    findings.faults["changed by a rebuild alone"] = [
        str(event["data"]) for event in anew if event["practiceid"] != MOVING.practice_id
    ]
    findings.faults["a generation's change is live"] = [
        str(event["data"]) for event in anew if event["data"]["origin"] != "backfill"
    ]
    findings.faults["messages because of a generation"] = [
        str(message) for message in messages if _occasion(message) in said
    ]


def _occasion(message: Json) -> tuple[str, str, int]:
    version = int(message["occasion"]["id"].rpartition(":")[2])
    return message["practice_id"], message["client_id"], version


def _look_at_answers(rebuilt: RebuiltWorld, findings: Findings, changes: Sequence[Json]) -> None:
    """What the reader saw: each answer is of the old facts or of the new ones, and says so."""
    rulebook = Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json"
    readings = Readings(json.loads(rulebook.read_text("utf-8")), rebuilt.world.workload)
    owners = {
        (owner.practice_id, client_id): owner
        for owner, client_id in client_ids(rebuilt.world).items()
    }
    history: dict[ClientKey, dict[int, str]] = defaultdict(dict)
    for event in changes:
        data = event["data"]
        history[event["practiceid"], data["client_id"]][data["version"]] = data["to_tier"]
    watch = rebuilt.watch
    told = list(_all(watch.seen))
    compared = [(key, answer) for key, answer in told if readings.is_compared(answer)]
    findings.figures |= {
        "answers read": watch.asked,
        "different answers": len(told),
        "answers compared": len(compared),
        "answers while rebuilding": sum(answer["rebuilding"] for _, answer in compared),
    }
    findings.faults["answers that never came"] = watch.errors
    findings.faults["answers by a part of the facts"] = [
        f"{key}: {answer}" for key, answer in compared if not readings.permits(owners[key], answer)
    ]
    findings.faults["answers of versions"] = [
        f"{key}: {fault}"
        for key, seen in watch.seen.items()
        for fault in version_faults(seen, history[key])
    ]


def _all(seen: Mapping[ClientKey, Sequence[Json]]) -> Iterator[tuple[ClientKey, Json]]:
    return ((key, answer) for key, answers in seen.items() for answer in answers)
