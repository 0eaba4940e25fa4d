"""What the services must hold at the end, computed from the generator's events alone, without
any code of the services.

What each booking and payment counts for is in `source_events`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.support.generators.poison import Document
from tests.support.oracles import source_events
from tests.support.oracles import tiers as oracle_tiers
from tests.support.oracles.tiers import OracleFact, Rules

INPUTS = {"frequency": "completed_count", "monetary": "settled_less_refunded_minor"}


class SourceClient(NamedTuple):
    """A client as the source knows them."""

    practice_id: str
    source: str
    external_id: str


Net = dict[tuple[str, date], tuple[int, int]]
"""(kind, local day) -> (count, minor units), without those that come to nothing."""


def net_facts(documents: Iterable[Document], zones: Mapping[str, str]) -> dict[SourceClient, Net]:
    """What each client's accepted events come to, whatever order they were sent in."""
    sums: dict[SourceClient, dict[tuple[str, date], list[int]]] = defaultdict(dict)
    for subject in source_events.subjects(documents):
        practice_id, source, _, events = subject
        client = SourceClient(practice_id, source, events[0]["subject"])
        sums[client].update({})  # a client is known, though its events may come to nothing
        held = source_events.counts(subject, ZoneInfo(zones[practice_id]))
        for place, (count, amount) in held.items():
            of_day = sums[client].setdefault((place.kind, place.on), [0, 0])
            of_day[0] += count
            of_day[1] += amount
    return {client: _without_nothing(held) for client, held in sums.items()}


def codes_held(documents: Iterable[Document]) -> Counter[tuple[str, str, str]]:
    """How many bookings and payments count under a (practice, kind, code): the last word on each
    code holds, and what counts for nothing has none."""
    held: Counter[tuple[str, str, str]] = Counter()
    for subject in source_events.subjects(documents):
        for place, (count, _) in source_events.counts(subject, ZoneInfo("UTC")).items():
            for name, code in place.codes:
                held[subject.practice_id, place.kind, f"{name}={code}"] += count
    return held


def published_codes(activities: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str, str]]:
    """The same from the activities on the bus. Give each activity once."""
    held: Counter[tuple[str, str, str]] = Counter()
    for event in activities:
        data = event["data"]
        for name, code in data.get("attributes", {}).items():
            held[event["practiceid"], data["kind"], f"{name}={code}"] += data["count"]
    return Counter({key: count for key, count in held.items() if count})


def _without_nothing(held: Mapping[tuple[str, date], Sequence[int]]) -> Net:
    return {key: (count, amount) for key, (count, amount) in held.items() if count or amount}


def published_nets(activities: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Net]:
    """The same sums from the activities on the bus: (practice, client id) -> net facts.

    Registrations are left out: they are no event of a source. Give each activity once.
    """
    sums: dict[tuple[str, str], dict[tuple[str, date], list[int]]] = defaultdict(dict)
    for event in activities:
        data = event["data"]
        of_client = sums[event["practiceid"], data["client_id"]]
        if data["kind"] == "registered":
            continue
        held = of_client.setdefault((data["kind"], date.fromisoformat(data["on"])), [0, 0])
        held[0] += data["count"]
        held[1] += data.get("amount_minor", 0)
    return {whose: _without_nothing(held) for whose, held in sums.items()}


# --- what scoring must answer ---------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """What `GET /v1/clients/{id}/tier` must say of a client on a day."""

    tier: str
    score: Decimal
    lines: list[dict[str, Any]]
    transition: dict[str, Any] | None


def expect(rules: Rules, net: Net, today: date, zone: str) -> Expected:
    """The whole answer on a local day, found the slow way."""
    facts = [OracleFact(kind, on, count, amount) for (kind, on), (count, amount) in net.items()]
    tier, score = oracle_tiers.tier_on(rules, facts, today)
    coming = oracle_tiers.next_transition(rules, facts, today, zone)
    lines = [
        {"line": line, "input": source, "value": value, "points": points, "until": until}
        for line, source, value, points, until in oracle_tiers.explanation(rules, facts, today)
    ]
    known = [fact for fact in facts if fact.on <= today]
    lines += [*_by_bookings(rules, known, today, tier), *_by_money(rules, known, today, tier)]
    transition = None
    if coming is not None:
        _, at, before, after = coming
        direction = oracle_tiers.direction(rules, before, after)
        transition = {"at": at, "from_tier": before, "to_tier": after, "direction": direction}
    return Expected(tier, Decimal(score).scaleb(-2), lines, transition)


def _by_bookings(
    rules: Rules, facts: list[OracleFact], today: date, tier: str
) -> list[dict[str, Any]]:
    """The least number of bookings completed today that lifts the tier, found by trying."""
    most = max(level["at_least"] for level in rules["frequency"]["levels"])
    for more in range(1, most + 1):
        line = _tried(rules, facts, OracleFact("completed", today, more), (today, tier))
        if line is not None:
            return [line | {"input": INPUTS["frequency"], "value": f"+{more}"}]
    return []


def _by_money(
    rules: Rules, facts: list[OracleFact], today: date, tier: str
) -> list[dict[str, Any]]:
    """The least amount settled today that lifts the tier, of those that reach a level."""
    amount = oracle_tiers.points(rules, facts, today, today)[2]
    missing = [level["at_least_minor"] - amount for level in rules["monetary"]["levels"]]
    for more in sorted(each for each in missing if each > 0):
        line = _tried(rules, facts, OracleFact("settled", today, 1, more), (today, tier))
        if line is not None:
            return [line | {"input": INPUTS["monetary"], "value": f"+{more}"}]
    return []


def _tried(
    rules: Rules, facts: list[OracleFact], more: OracleFact, now: tuple[date, str]
) -> dict[str, Any] | None:
    today, tier = now
    having = [*facts, more]
    reached = oracle_tiers.tier_on(rules, having, today)[0]
    if oracle_tiers.rank(rules, reached) <= oracle_tiers.rank(rules, tier):
        return None
    place = 4 if more.kind == "completed" else 5
    points = oracle_tiers.points(rules, having, today, today)[place]
    return {"line": f"next_tier.{reached}", "points": points, "until": None}


# --- comparing ------------------------------------------------------------------------------


def differences(expected: Expected, answer: Mapping[str, Any]) -> list[str]:
    """Which parts of an answer are wrong: `tier`, `score`, `explanation`, `next_transition`."""
    wrong = []
    if answer["tier"] != expected.tier:
        wrong.append("tier")
    if answer["score"] is None or Decimal(answer["score"]) != expected.score:
        wrong.append("score")
    lines = [line | {"until": _until(line["until"])} for line in answer["explanation"]]
    if lines != expected.lines:
        wrong.append("explanation")
    if _transition(answer["next_transition"]) != expected.transition:
        wrong.append("next_transition")
    return wrong


def _until(day: str | None) -> date | None:
    return None if day is None else date.fromisoformat(day)


def _transition(answered: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if answered is None:
        return None
    compared = {name: answered[name] for name in ("from_tier", "to_tier", "direction")}
    return {"at": datetime.fromisoformat(answered["at"]), **compared}


def history_faults(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with one client's changes, in any order: gaps, or one that does not start
    where the one before it ended."""
    ordered = sorted(changes, key=lambda change: int(change["version"]))
    faults = []
    if [change["version"] for change in ordered] != list(range(1, len(ordered) + 1)):
        faults.append(f"versions {[change['version'] for change in ordered]}")
    tier = None
    for change in ordered:
        if change["from_tier"] != tier:
            faults.append(f"version {change['version']} starts from {change['from_tier']}")
        tier = change["to_tier"]
    return faults
