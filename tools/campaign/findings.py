"""What a storm left: the pipeline's comparison, and the invariants that only faults endanger.

I1-I6 are the pipeline's findings; here are I2 on three evenings, I7 (leases), I8 (Kafka's offsets),
I9 (canaries), I10 (memory, connections), and what the requirements of the faults promise besides.
No database is restored in a storm, so no worker may take its own for an older one (ADR 28).
"""

from collections.abc import Iterable

from kafka.admin import KafkaAdminClient

from rapport_contracts.topics import CLIENT_ACTIVITY, OUTREACH_EVENTS, TIER_CHANGES
from tests.support.pipeline import findings as pipeline_findings
from tests.support.pipeline.findings import Findings
from tests.support.pipeline.run import World
from tools.campaign.looks import look_at_looks
from tools.campaign.storm import StormWorld

MOST_MEMORY_MB = 400
MOST_CONNECTIONS_A_PROCESS = 10
MOST_WORKERS = 4
"""At most of one service at a time, while its members come and go."""

MOST_UNREADY_SECONDS = 20.0
"""15 s are promised; the rest is for a machine that does other things too."""


def look(storm: StormWorld) -> Findings:
    """Everything that is to be seen at the end of a round."""
    world = storm.world
    findings = pipeline_findings.look(world)
    for day, faults in storm.compared.items():
        for kind, found in faults.items():
            findings.faults[f"{kind} on a day"] = [
                *findings.faults.get(f"{kind} on a day", []),
                *(f"day {day}: {each}" for each in found),
            ]
    findings.figures["days compared"] = len(storm.compared)
    findings.faults["leases"] = _leases(world)
    findings.faults["group offsets"] = _offsets(world)
    _look_for_canaries(storm, findings)
    _look_at_growth(storm, findings)
    _look_at_promises(storm, findings)
    look_at_looks(world.stack.options.folder / "logs", findings)
    return findings


def compare(world: World) -> dict[str, list[str]]:
    """Every tier as it is now against the oracle's."""
    findings = Findings()
    activities = pipeline_findings.events(
        world, CLIENT_ACTIVITY.name, "rapport.activity.recorded.v1"
    )
    changes = pipeline_findings.events(world, TIER_CHANGES.name, "rapport.tier.changed.v1")
    clients = pipeline_findings.client_ids(world)
    pipeline_findings.look_at_tiers(world, findings, clients, activities, changes)
    return findings.faults


def _leases(world: World) -> list[str]:
    """Claims older than their lease (I7)."""
    statement = "SELECT message_id FROM message WHERE lease_until < clock_timestamp()"
    return [str(row[0]) for row in pipeline_findings.rows(world, "outreach", statement)]


def _offsets(world: World) -> list[str]:
    """Where Kafka's own commit is ahead of the position in Postgres (I8)."""
    wrong = []
    admin = KafkaAdminClient(bootstrap_servers=world.stack.kafka.bootstrap)
    try:
        for service in world.stack.options.services:
            rows = pipeline_findings.rows(
                world,
                service,
                "SELECT consumer_group, topic, partition, next_offset FROM consumer_position",
            )
            stored = {(topic, partition): offset for _, topic, partition, offset in rows}
            groups = {row[0] for row in rows}
            for group, offsets in admin.list_group_offsets(sorted(groups)).items():
                for tp, committed in offsets.items():
                    at = stored.get((tp.topic, tp.partition), -1)
                    if committed.offset > at:
                        wrong.append(f"{group} {tp}: {committed.offset}, stored {at}")
    finally:
        admin.close()
    return wrong


# --- canaries -------------------------------------------------------------------------------


def _look_for_canaries(storm: StormWorld, findings: Findings) -> None:
    """Contact details, names, passwords and keys, in logs, refusals and on the bus (I9)."""
    world = storm.world
    canaries = set(_canaries(storm))
    found = []
    logs = sorted((world.stack.options.folder / "logs").glob("*-*.log"))
    for log in (*logs, *world.stack.options.folder.glob("*/*.log")):
        found += [f"{log.name}: {each}" for each in _seen(canaries, log.read_bytes())]
    refusals = "\n".join(storm.watch.refusals).encode()
    found += [f"a refusal: {each}" for each in _seen(canaries, refusals)]
    for topic in (CLIENT_ACTIVITY, TIER_CHANGES, OUTREACH_EVENTS):
        payloads = b"\n".join(world.log.values(topic.name))
        found += [f"{topic.name}: {each}" for each in _seen(canaries, payloads)]
    delivered = (world.stack.options.folder / "deliveries.jsonl").read_bytes()
    findings.figures["canaries"] = len(canaries)
    findings.figures["canaries where they belong"] = len(_seen(canaries, delivered))
    findings.figures["refusals read"] = len(storm.watch.refusals)
    findings.faults["canaries"] = found


def _canaries(storm: StormWorld) -> Iterable[str]:
    world = storm.world
    for _, person in world.people:
        yield person.name
        for contact in person.contacts():
            yield contact["address"]
    for apis in world.practices.values():
        for api in apis.values():
            yield api.key
    for service in world.stack.options.services:
        database = world.stack.database(service)
        for url in (database.owner_url, database.api_url, database.worker_url):
            yield url.partition("://")[2].partition("@")[0].partition(":")[2]


def _seen(canaries: set[str], text: bytes) -> list[str]:
    return [each for each in canaries if each.encode() in text]


# --- growth and promises --------------------------------------------------------------------


def _look_at_growth(storm: StormWorld, findings: Findings) -> None:
    """Memory of each process and connections of each application (I10)."""
    services = {name: most for name, most in storm.watch.most_memory.items() if name != "sandbox"}
    connections = storm.watch.most_connections
    findings.figures["most memory of a process, MB"] = max(services.values(), default=0)
    findings.figures["most connections"] = dict(connections)
    findings.faults["memory"] = [
        f"{name}: {most} MB" for name, most in services.items() if most >= MOST_MEMORY_MB
    ]
    findings.faults["connections"] = [
        f"{name}: {most}" for name, most in connections.items() if most > _allowed(name)
    ]


def _allowed(application: str) -> int:
    processes = MOST_WORKERS if application.endswith("worker") else 1
    return MOST_CONNECTIONS_A_PROCESS * processes


def _look_at_promises(storm: StormWorld, findings: Findings) -> None:
    """R4: not ready while the broker is away, and APIs that answer; R2: exits; R20: a backlog."""
    findings.faults["not recovered"] = [
        f"{i.kind} on day {i.day}" for i in storm.incidents if i.recovered_seconds is None
    ]
    findings.faults["ready without a broker"] = [
        f"{i.kind} on day {i.day}: 503 after {i.unready_seconds}"
        for i in storm.incidents
        if i.must_be_unready and (i.unready_seconds or MOST_UNREADY_SECONDS) >= MOST_UNREADY_SECONDS
    ]
    findings.faults["APIs silent while only the broker was away"] = [
        f"{i.apis_silent} times: {i.kind} on day {i.day}" for i in storm.incidents if i.apis_silent
    ]
    purges = storm.environment.purges
    findings.faults["purges"] = [each.fault for each in purges if each.fault is not None]
    findings.figures["purges struck between two pages"] = sum(each.was_struck for each in purges)
    findings.figures["exits after SIGTERM, s"] = [
        round(each, 1) for each in storm.environment.exits
    ]
    findings.figures["outbox backlogs"] = storm.environment.backlogs
    findings.figures["failed starts"] = storm.environment.workers.failed_starts
    findings.figures["questions to APIs"] = len(storm.watch.answers)
