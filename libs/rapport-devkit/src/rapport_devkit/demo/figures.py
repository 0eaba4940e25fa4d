"""The results of a replay, counted from APIs, the bus, tables and the sandbox's log."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from rapport_contracts.canonical import (
    ActivityRecorded,
    Message,
    MessageChanged,
    TierChange,
    TierChanged,
)
from rapport_contracts.topics import (
    CLIENT_ACTIVITY,
    OUTREACH_EVENTS,
    SOURCE_BOOKINGS,
    SOURCE_PAYMENTS,
    SOURCE_SIGNALS,
    TIER_CHANGES,
)
from rapport_devkit.access import Access
from rapport_devkit.log_reader import read_events
from rapport_devkit.stack import Stack
from rapport_devkit.till import parked

_REST_SECONDS = 20.0
_POLL_SECONDS = 0.1
_SOURCES = frozenset({SOURCE_BOOKINGS.name, SOURCE_PAYMENTS.name, SOURCE_SIGNALS.name})
_HANDED_OVER = frozenset({"accepted", "delivered"})


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the replay sent to the bus; each record is an event, a second copy, or junk."""

    records: int
    duplicates: int
    junk: int
    clients: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The numbers behind the final tables. `dead_letters` and `deferred` are by reason,
    `unpublished` and `lag` by service, `messages` and `withheld` as outreach counts them.
    `taken_back` are completed bookings that a later event took back: they were not lost, and they
    count no longer. `parked` are events that wait for their client."""

    sent: Sent
    read: int
    accepted: int
    taken_back: int
    dead_letters: Mapping[str, int]
    unpublished: Mapping[str, int]
    lag: Mapping[str, int | None]
    tiers: Sequence[Mapping[str, Any]]
    changes: Mapping[str, Sequence[TierChange]]
    messages: Sequence[Mapping[str, Any]]
    deferred: Mapping[str, int]
    delivered: int | None
    parked: int = 0

    @property
    def duplicates(self) -> int:
        """Records that were read, and are neither accepted nor dead letters."""
        return self.read - self.accepted - sum(self.dead_letters.values())

    @property
    def clients(self) -> int:
        """Who has a tier: everybody, once."""
        return sum(share["clients"] for share in self.tiers)

    def losses(self) -> list[str]:
        """Everything that does not add up; empty when nothing was lost and nothing came twice."""
        sent, handed = self.sent, self._handed_over()
        checks = [
            (self.read == sent.records, f"{sent.records:,} records sent, {self.read:,} read"),
            (
                self.duplicates == sent.duplicates,
                f"{sent.duplicates:,} duplicates sent, {self.duplicates:,} records unaccounted for",
            ),
            (
                sum(self.dead_letters.values()) == sent.junk,
                f"{sent.junk:,} junk records sent, {dict(self.dead_letters)} put aside",
            ),
            (self.parked == 0, f"{self.parked:,} events wait for their client"),
            (
                self.clients == sent.clients,
                f"{sent.clients:,} clients, {self.clients:,} with a tier",
            ),
            (
                self.delivered in (None, handed),
                f"{handed:,} messages handed over, {self.delivered} in the sandbox's log",
            ),
            *(
                (rows == 0, f"{service}: {rows:,} events never published")
                for service, rows in self.unpublished.items()
            ),
            *(
                (records == 0, f"{service}: a lag of {records} records")
                for service, records in self.lag.items()
            ),
        ]
        return [fault for holds, fault in checks if not holds]

    def _handed_over(self) -> int:
        return sum(row["messages"] for row in self.messages if row["state"] in _HANDED_OVER)


def gather(stack: Stack, access: Access, sent: Sent) -> Figures:
    """Wait, at most 20 s, until nothing is left to do; then count."""
    lag, unpublished = _wait_for_rest(stack, access)
    status = access.operator["ingestion"].get("/v1/status")
    sources = access.practice["ingestion"].get("/v1/sources")["items"]
    return Figures(
        sent=sent,
        read=sum(at["position"] for at in status["partitions"] if at["topic"] in _SOURCES),
        accepted=sum(source["events"] for source in sources),
        taken_back=visits_taken_back(_activities(stack)),
        dead_letters=_dead_letters(stack),
        unpublished=unpublished,
        lag=lag,
        tiers=access.practice["scoring"].get("/v1/distribution")["tiers"],
        changes=_tier_changes(stack),
        parked=parked(access.practice["ingestion"]),
        **_outreach(stack, access),
    )


def _wait_for_rest(stack: Stack, access: Access) -> tuple[dict[str, int | None], dict[str, int]]:
    """The lag and the unpublished rows of each service, once they are zero or time is up."""
    deadline = time.monotonic() + _REST_SECONDS
    while True:
        lag = {name: api.get("/v1/status")["lag"] for name, api in access.operator.items()}
        rows = {name: _count(stack, name, "SELECT count(*) FROM outbox") for name in lag}
        rests = not any(rows.values()) and all(records == 0 for records in lag.values())
        rests = rests and not _is_sending(access) and not parked(access.practice["ingestion"])
        if rests or time.monotonic() > deadline:
            return lag, rows
        time.sleep(_POLL_SECONDS)


def _is_sending(access: Access) -> bool:
    """Whether a message is with a provider now."""
    outreach = access.practice.get("outreach")
    counts = outreach.get("/v1/messages/summary")["items"] if outreach else []
    return any(row["state"] == "sending" for row in counts)


def visits_taken_back(activities: Iterable[ActivityRecorded]) -> int:
    """How many source events took a completed booking back and gave none for it; give each activity
    once."""
    net: Counter[tuple[str, str | None, str | None]] = Counter()
    for event in activities:
        if event.data.kind == "completed":
            net[event.practiceid, event.data.source, event.data.cause_id] += event.data.count
    return sum(count < 0 for count in net.values())


def _activities(stack: Stack) -> Iterator[ActivityRecorded]:
    options = stack.kafka_options("demo")
    for event in read_events(options, CLIENT_ACTIVITY.name, CLIENT_ACTIVITY.partitions):
        if isinstance(event, ActivityRecorded):
            yield event


def _tier_changes(stack: Stack) -> dict[str, list[TierChange]]:
    """By client id, in the order of their versions."""
    found: dict[str, list[TierChange]] = defaultdict(list)
    options = stack.kafka_options("demo")
    for event in read_events(options, TIER_CHANGES.name, TIER_CHANGES.partitions):
        if isinstance(event, TierChanged):
            found[event.data.client_id].append(event.data)
    return {client: sorted(all_, key=lambda c: c.version) for client, all_ in found.items()}


def _outreach(stack: Stack, access: Access) -> dict[str, Any]:
    if "outreach" not in access.practice:
        return {"messages": [], "deferred": {}, "delivered": None}
    events = read_events(
        stack.kafka_options("demo"), OUTREACH_EVENTS.name, OUTREACH_EVENTS.partitions
    )
    moves: list[Message] = [event.data for event in events if isinstance(event, MessageChanged)]
    deferred = {(m.message_id, m.reason or "") for m in moves if m.state == "deferred"}
    return {
        "messages": access.practice["outreach"].get("/v1/messages/summary")["items"],
        "deferred": Counter(reason for _, reason in deferred),
        "delivered": httpx.get(f"{stack.sandbox.url}/deliveries/count").json()["total"],
    }


def _dead_letters(stack: Stack) -> Counter[str]:
    """By reason, over all services; read by the database's superuser, who sees every practice's."""
    found: Counter[str] = Counter()
    for service in stack.options.services:
        for reason, count in _rows(
            stack,
            service,
            "SELECT reason, count(*) FROM dead_letter WHERE state = 'held' GROUP BY reason",
        ):
            found[str(reason)] += int(count)
    return found


def _count(stack: Stack, service: str, statement: str) -> int:
    return int(_rows(stack, service, statement)[0][0])


def _rows(stack: Stack, service: str, statement: str) -> list[tuple[Any, ...]]:
    url = stack.postgres.url(stack.database(service).name)
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()
