"""A reader of scoring's API who asks for every client's tier all the while, and what he saw."""

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from rapport_devkit.api_client import ApiClient
from tests.support.generators.workload import EventKey, Workload
from tests.support.oracles import tiers as oracle
from tests.support.oracles.ledger import SourceClient, net_facts

Json = dict[str, Any]
ClientKey = tuple[str, str]
"""Practice id and client id."""
Explained = tuple[str, int, tuple[tuple[str, str], ...]]
"""Tier, score in hundredths, and the value of each input."""
MOST_NEW = 6
"""A client of whom more events are sent on one day is not compared on that day."""
_PAUSE_SECONDS = 0.02


class TierWatch:
    """Asks on a thread of its own; a context manager. `seen` has each client's answers, in the
    order in which they came, those that repeat the one before left out."""

    def __init__(
        self, readers: Mapping[str, ApiClient], clients: Mapping[str, Sequence[str]]
    ) -> None:
        self.seen: dict[ClientKey, list[Json]] = defaultdict(list)
        self.asked = 0
        self.errors: list[str] = []
        self._readers = readers
        self._clients = clients
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. Does nothing when it never began, or has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            for practice_id, reader in self._readers.items():
                try:
                    body = {"client_ids": list(self._clients[practice_id])}
                    answers = reader.post("/v1/tiers/lookup", body)["items"]
                except Exception as error:  # noqa: BLE001 - the comparison tells of it
                    self.errors.append(f"{type(error).__name__}: {error}")
                    continue
                self._keep(practice_id, answers)

    def _keep(self, practice_id: str, answers: Iterable[Json]) -> None:
        self.asked += 1
        for answer in answers:
            seen = self.seen[practice_id, answer["client_id"]]
            if not seen or seen[-1] != answer:
                seen.append(answer)


class Readings:
    """What the oracle lets a reader see: of the events that were sent on the days before the one to
    which an answer's time has come all, and any of those of that day; never a part of the others,
    and none of them twice. Its days are those of the zone that the answer names."""

    def __init__(self, rules: Json, workload: Workload) -> None:
        self._rules = rules
        self._noons = [workload.noon(day) for day in range(len(workload.days))]
        self._days = _days_of_sending(workload)
        self._documents: dict[SourceClient, list[tuple[int, Json]]] = defaultdict(list)
        for key, document in workload.accepted.items():
            owner = SourceClient(key.practice_id, key.source, document["subject"])
            self._documents[owner].append((self._days[key], document))
        self.allowed = cache(self._allowed)

    def is_compared(self, answer: Json) -> bool:
        """Whether anything is told that could be wrong."""
        return answer["tier"] is not None and answer["as_of"] is not None

    def permits(self, owner: SourceClient, answer: Json) -> bool:
        """Whether a reader may see this answer."""
        as_of = datetime.fromisoformat(answer["as_of"])
        day = sum(noon <= as_of for noon in self._noons) - 1
        on = as_of.astimezone(ZoneInfo(answer["zone"])).date()
        # Who is touched after a watermark, and before the sweep has come to all, is a day ahead.
        allowed = [self.allowed(owner, day, each, answer["zone"]) for each in (on, on + _A_DAY)]
        return any(each is None or _explained(answer) in each for each in allowed)

    def _allowed(
        self, owner: SourceClient, day: int, on: date, zone: str
    ) -> frozenset[Explained] | None:
        """None where too much was sent on that day to try all of it."""
        known = [document for sent, document in self._documents[owner] if sent < day]
        new = [document for sent, document in self._documents[owner] if sent == day]
        if len(new) > MOST_NEW:
            return None
        return frozenset(
            self._told([*known, *more], owner, on, zone)
            for number in range(len(new) + 1)
            for more in itertools.combinations(new, number)
        )

    def _told(
        self, documents: Sequence[Json], owner: SourceClient, on: date, zone: str
    ) -> Explained:
        net = net_facts(documents, {owner.practice_id: zone}).get(owner, {})
        facts = [oracle.OracleFact(kind, of, *sums) for (kind, of), sums in net.items()]
        tier, score = oracle.tier_on(self._rules, facts, on)
        last, completed, amount, *_ = oracle.points(self._rules, facts, on, on)
        last_on = last.isoformat() if last else "never"
        return tier, score, (*zip(_INPUTS, (last_on, str(completed), str(amount)), strict=True),)


_A_DAY = timedelta(days=1)
_INPUTS = ("last_completed_on", "completed_count", "settled_less_refunded_minor")


def _explained(answer: Json) -> Explained:
    values = {
        line["input"]: line["value"]
        for line in answer["explanation"]
        if not line["line"].startswith("next_tier.")
    }
    score = round(float(answer["score"]) * 100)
    return answer["tier"], score, tuple((name, values.get(name, "")) for name in _INPUTS)


def version_faults(seen: Sequence[Json], history: Mapping[int, str]) -> Iterator[str]:
    """Answers that go back to an earlier version, or give a version a tier that it never had."""
    for before, after in itertools.pairwise(seen):
        if after["version"] < before["version"]:
            yield f"version {after['version']} after {before['version']}"
    for answer in seen:
        version, tier = answer["version"], answer["tier"]
        if tier != (history.get(version) if version else None):
            yield f"version {version} is {tier}"


def _days_of_sending(workload: Workload) -> dict[EventKey, int]:
    """The day on which each event was first sent."""
    days: dict[EventKey, int] = {}
    for day, records in enumerate(workload.days):
        for sent in records:
            key = _key(sent.value)
            if key in workload.accepted:
                days.setdefault(key, day)
    return days


def _key(value: bytes | None) -> EventKey:
    try:
        said = json.loads(value or b"")
        return EventKey(str(said["practiceid"]), str(said["source"]), str(said["id"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # poison
        return EventKey("", "", "")
