"""What the run left behind, compared with the oracles: each finding is a list of what is wrong."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

import scoring_service
from rapport_contracts.topics import CLIENT_ACTIVITY, OUTREACH_EVENTS, TIER_CHANGES
from rapport_devkit.api_client import ApiClient
from tests.support.generators.workload import EventKey
from tests.support.oracles.due_messages import due_messages
from tests.support.oracles.ledger import (
    SourceClient,
    codes_held,
    differences,
    expect,
    history_faults,
    net_facts,
    published_codes,
    published_nets,
)
from tests.support.oracles.messages import WENT, Letterbox, Reachable, unknown_faults
from tests.support.pipeline.run import World

_LOOKUP = 1_000
_HELD = "SELECT reason, count(*) FROM every_letter WHERE state <> 'replayed' GROUP BY 1"
Json = dict[str, Any]


@dataclass
class Findings:
    """Figures, and faults by kind; an empty list of every kind is what must be."""

    figures: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def worst(self, most: int = 3) -> str:
        """A few of each kind of fault, to be read by whoever looks for the cause."""
        return "\n".join(
            f"{kind}: {len(found)}\n  " + "\n  ".join(found[:most])
            for kind, found in self.faults.items()
            if found
        )


def look(world: World) -> Findings:
    """Ask the databases, the bus, the APIs and the sandbox's log, and compare."""
    findings = Findings()
    clients = client_ids(world)
    activities = events(world, CLIENT_ACTIVITY.name, "rapport.activity.recorded.v1")
    changes = events(world, TIER_CHANGES.name, "rapport.tier.changed.v1")
    _look_at_ledger(world, findings)
    _look_at_activities(world, findings, clients, activities)
    _look_at_histories(findings, changes)
    _look_at_feed(world, findings, changes)
    look_at_tiers(world, findings, clients, activities, changes)
    _look_at_messages(world, findings, clients, changes)
    _look_at_rests(world, findings)
    _look_at_workers(world, findings)
    return findings


# --- ingestion ------------------------------------------------------------------------------


def _look_at_ledger(world: World, findings: Findings) -> None:
    ledger = rows(world, "ingestion", "SELECT practice_id, source, event_id FROM ledger")
    found = Counter(EventKey(*row) for row in ledger)
    wanted = world.workload.accepted.keys()
    letters = Counter(dict(rows(world, "ingestion", _HELD)))
    findings.figures |= {
        "records sent": world.workload.records,
        "events to accept": len(wanted),
        "events accepted": len(found),
        "copies sent": world.workload.copies,
        "sent late": world.workload.late,
        "poison sent": world.workload.letters.total(),
        "dead letters": letters.total(),
    }
    findings.faults["lost events"] = [str(key) for key in wanted - found.keys()]
    findings.faults["events of nobody"] = [str(key) for key in found.keys() - wanted]
    findings.faults["events doubled"] = [str(key) for key, count in found.items() if count > 1]
    findings.faults["dead letters"] = [
        f"{reason}: {letters[reason]} instead of {world.workload.letters[reason]}"
        for reason in letters.keys() | world.workload.letters.keys()
        if letters[reason] != world.workload.letters[reason]
    ]


def _look_at_activities(
    world: World, findings: Findings, clients: Mapping[SourceClient, str], activities: list[Json]
) -> None:
    """What was published must add up to what the accepted events come to, numbered without gap."""
    wanted = net_facts(world.workload.accepted.values(), world.zones)
    latest = of_latest_generations(activities)
    found = published_nets(latest)
    wrong = []
    for owner, net in wanted.items():
        published = found.get((owner.practice_id, clients.get(owner, "")), {})
        if published != net:
            wrong.append(f"{owner}: {published} instead of {net}")
    codes, said = codes_held(world.workload.accepted.values()), published_codes(latest)
    findings.faults["wrong codes"] = [
        f"{key}: {said[key]} instead of {codes[key]}"
        for key in codes.keys() | said.keys()
        if codes[key] != said[key]
    ]
    sequences = defaultdict(list)
    for event in activities:
        data = event["data"]
        sequences[data["client_id"], data["generation"]].append(data["sequence"])
    findings.faults["wrong sums"] = wrong
    findings.faults["sequence gaps"] = [
        f"{client}: {sorted(each)}"
        for client, each in sequences.items()
        if sorted(each) != list(range(1, len(each) + 1))
    ]


# --- scoring --------------------------------------------------------------------------------


def _look_at_histories(findings: Findings, changes: list[Json]) -> None:
    histories: dict[str, list[Json]] = defaultdict(list)
    for event in changes:
        histories[event["data"]["client_id"]].append(event["data"])
    findings.faults["version gaps"] = [
        f"{client}: {fault}"
        for client, history in histories.items()
        for fault in history_faults(history)
    ]
    findings.figures["tier changes"] = len(changes)
    findings.figures["changes by reason"] = dict(Counter(e["data"]["reason"] for e in changes))


def _look_at_feed(world: World, findings: Findings, changes: list[Json]) -> None:
    """Over REST: each change that is on the bus, as it is there, once and in the client's order."""
    on_bus = {event["id"]: event for event in changes}
    given: list[Json] = []
    for apis in world.practices.values():
        cursor: str | None = None
        while (page := _feed_page(apis["scoring"], cursor))["items"]:
            given += page["items"]
            assert page["next_cursor"] != cursor, "the feed does not get on"
            cursor = page["next_cursor"]
    counts = Counter(event["id"] for event in given)
    versions = defaultdict(list)
    for event in given:
        versions[event["data"]["client_id"]].append(event["data"]["version"])
    findings.faults["feed"] = [
        *(f"{each}: {counts[each]} times" for each in on_bus.keys() | counts if counts[each] != 1),
        *(f"{event['id']} differs" for event in given if on_bus.get(event["id"]) != event),
        *(f"{client}: {found}" for client, found in versions.items() if found != sorted(found)),
    ]
    findings.figures["changes in the feed"] = len(given)


def _feed_page(scoring: ApiClient, cursor: str | None) -> Json:
    page: Json = scoring.get("/v1/tier-changes", limit=200, cursor=cursor)
    return page


def look_at_tiers(
    world: World,
    findings: Findings,
    clients: Mapping[SourceClient, str],
    activities: list[Json],
    changes: list[Json],
) -> None:
    """Every answer against the offline recomputation, and against the changes on the bus."""
    rules = json.loads(
        (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text("utf-8")
    )
    nets = net_facts(world.workload.accepted.values(), world.zones)
    active = {(e["practiceid"], e["data"]["client_id"]) for e in activities}
    last = {
        (e["practiceid"], e["data"]["client_id"]): e["data"]
        for e in sorted(changes, key=lambda event: int(event["data"]["version"]))
    }
    answers = _answers(world, clients)
    now = world.steps[-1][0]
    wrong: dict[str, list[str]] = {
        kind: []
        for kind in ("tier", "score", "explanation", "next_transition", "as_of", "last_change")
    }
    wrong["unknown"] = [str(key) for key in active ^ answers.keys()]
    for owner, client_id in clients.items():
        answer = answers.get((owner.practice_id, client_id))
        if answer is None:
            continue
        zone = world.zones[owner.practice_id]
        expected = expect(rules, nets.get(owner, {}), _day(now, zone), zone)
        for kind in differences(expected, answer):
            wrong[kind].append(f"{owner} {answer} instead of {expected}")
        if datetime.fromisoformat(answer["as_of"]) != now or not answer["inputs_complete"]:
            wrong["as_of"].append(f"{owner} as of {answer['as_of']}, not {now}")
        change = last.get((owner.practice_id, client_id))
        if change is None or _standing(answer) != _standing_after(change):
            wrong["last_change"].append(f"{owner} {answer} after {change}")
    findings.figures["clients compared"] = len(answers)
    findings.figures["tiers"] = dict(Counter(answer["tier"] for answer in answers.values()))
    findings.faults |= {f"wrong {kind}": found for kind, found in wrong.items()}


def _standing(answer: Json) -> tuple[Any, ...]:
    return answer["tier"], answer["version"], datetime.fromisoformat(answer["since"])


def _standing_after(change: Json) -> tuple[Any, ...]:
    return change["to_tier"], change["version"], datetime.fromisoformat(change["effective_at"])


def _answers(world: World, clients: Mapping[SourceClient, str]) -> dict[tuple[str, str], Json]:
    """The tier of every client whom scoring knows, by (practice, client id)."""
    answers = {}
    for practice_id, apis in world.practices.items():
        ids = [each for owner, each in clients.items() if owner.practice_id == practice_id]
        for first in range(0, len(ids), _LOOKUP):
            body = {"client_ids": ids[first : first + _LOOKUP]}
            for answer in apis["scoring"].post("/v1/tiers/lookup", body)["items"]:
                answers[practice_id, answer["client_id"]] = answer
    return answers


# --- outreach -------------------------------------------------------------------------------


def _look_at_messages(
    world: World, findings: Findings, clients: Mapping[SourceClient, str], changes: list[Json]
) -> None:
    deliveries = world.deliveries()
    tiers: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for event in changes:
        data = event["data"]
        tiers[event["practiceid"], data["client_id"]][data["version"]] = data["to_tier"]
    box = Letterbox(
        due=due_messages(world.log.logs(TIER_CHANGES.name).values(), world.playbook),
        messages=_with_delays(world, _with_tries(world, deliveries)),
        deliveries=deliveries,
        people=_people(world),
        documents=_documents(world, clients),
        steps=world.steps,
        tiers=tiers,
    )
    unknown = [m for m in box.messages if m["state"] == "unknown"]
    tries = [(m, m["tries"]) for m in unknown]
    findings.figures |= {
        "messages expected": len(box.due),
        "messages found": len(box.messages),
        "messages by state": dict(Counter(m["state"] for m in box.messages)),
        "deliveries": len(box.deliveries),
        "deliveries by channel": dict(Counter(d["channel"] for d in box.deliveries)),
        "unknown": len(unknown),
    }
    findings.faults |= {
        "messages": box.set_faults(),
        "messages unfinished": box.unfinished(),
        "double deliveries": box.doubles(),
        "log and state": box.log_faults(),
        "consent": box.consent_faults(),
        "withheld": box.withheld_faults(),
        "caps": box.cap_faults(),
        "said twice": box.repeat_faults(),
        "stamps": box.clock_faults(),
        "unexplained unknown": unknown_faults(tries, world.workers.in_doubt),
    }


def _with_tries(world: World, deliveries: list[Json]) -> list[Json]:
    """The messages; one that was tried carries its tries, where there is more to tell than one that
    arrived, and the business time of the try that arrived."""
    arrived = {
        delivery["message_id"]: datetime.fromisoformat(delivery["at"]) for delivery in deliveries
    }
    messages = world.messages()
    for message in messages:
        at = arrived.get(message["message_id"])
        if message["attempts"] > (1 if message["state"] in WENT else 0):
            tries = message["tries"] = _tries(world, message)
            begun = [t for t in tries if at and datetime.fromisoformat(t["started_at"]) <= at]
            message["sent_at"] = begun[-1]["business_at"] if begun else message["sent_at"]
    return messages


def _with_delays(world: World, messages: list[Json]) -> list[Json]:
    """The messages, each with when and why it was put off, as the bus tells."""
    put_off: dict[str, list[str]] = defaultdict(list)
    for event in events(world, OUTREACH_EVENTS.name, "rapport.message.changed.v1"):
        data = event["data"]
        if data["state"] == "deferred":
            put_off[data["message_id"]].append(f"{data['at']} {data['reason']}")
    return [{**message, "put_off": put_off[message["message_id"]]} for message in messages]


def _tries(world: World, message: Mapping[str, Any]) -> list[Json]:
    api = world.practices[message["practice_id"]]["outreach"]
    tries: list[Json] = api.get(f"/v1/messages/{message['message_id']}")["tries"]
    return tries


def _people(world: World) -> dict[tuple[str, str], Reachable]:
    people = {}
    for practice_id, person in world.people:
        contacts = {body["channel"]: body["address"] for body in person.contacts()}
        consents = {(b["channel"], b["purpose"]) for b in person.consents() if b["granted"]}
        people[practice_id, person.client_id] = Reachable(contacts, consents)
    return people


def _documents(
    world: World, clients: Mapping[SourceClient, str]
) -> dict[tuple[str, str], list[Json]]:
    documents: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for document in world.workload.accepted.values():
        owner = SourceClient(document["practiceid"], document["source"], document["subject"])
        documents[owner.practice_id, clients.get(owner, "")].append(document)
    return documents


# --- what must be left over -----------------------------------------------------------------


def _look_at_rests(world: World, findings: Findings) -> None:
    """Empty outboxes, and nothing that a service would not take from another."""
    outboxes, letters = [], []
    for service in world.stack.options.services:
        ((left,),) = rows(world, service, "SELECT count(*) FROM outbox")
        ((held,),) = rows(world, service, "SELECT count(*) FROM every_letter")
        outboxes += [f"{left} rows in {service}"] if left else []
        letters += [f"{held} letters in {service}"] if held and service != "ingestion" else []
    findings.faults["outbox"] = outboxes
    findings.faults["letters between services"] = letters


def _look_at_workers(world: World, findings: Findings) -> None:
    workers = world.workers
    kills = workers.kills()
    findings.figures |= {
        "kills": kills,
        "least kills": min(map(len, kills.values())),
        "failpoints struck": sorted({each for struck in kills.values() for each in struck}),
        "freezes": workers.freezes,
        "joins": workers.joins,
        "leaves": workers.leaves,
        "seconds": round(world.seconds),
    }
    findings.faults["workers' surprises"] = workers.surprises


# --- asking ---------------------------------------------------------------------------------


def rows(world: World, service: str, statement: str) -> list[tuple[Any, ...]]:
    """What a query says, past all row-level security."""
    url = world.stack.postgres.url(world.stack.database(service).name)
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def events(world: World, topic: str, kind: str) -> list[Json]:
    """A topic's events of one type, each once."""
    return [event for event in world.log.events(topic) if event["type"] == kind]


def of_latest_generations(activities: Sequence[Json]) -> list[Json]:
    """The activities that count: each client's of the latest generation."""
    latest: dict[str, int] = {}
    for event in activities:
        client_id, generation = event["data"]["client_id"], event["data"]["generation"]
        latest[client_id] = max(generation, latest.get(client_id, 0))
    return [e for e in activities if e["data"]["generation"] == latest[e["data"]["client_id"]]]


def client_ids(world: World) -> dict[SourceClient, str]:
    """Who is known by which client id, as ingestion has it."""
    known = rows(
        world, "ingestion", "SELECT practice_id, namespace, external_id, client_id FROM identity"
    )
    return {SourceClient(*key): client_id for *key, client_id in known}


def _day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()
