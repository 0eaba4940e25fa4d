"""In whatever order the facts of one settling time are read, a client is told the same.

The oracle knows no service: where a client stands is worked out from the source events, and what
follows from it stands here.
"""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from outreach_service.builtin import builtin_playbook
from rapport_contracts.codec import encode_source
from rapport_devkit.clock import noon
from rapport_devkit.sources.cdnow import read_cdnow
from rapport_files.events import Origin
from scoring_service.domain.rulebook_source import parse_rulebook
from tests.support.generators.tier_histories import RFM, RULEBOOK
from tests.support.oracles.arrivals import Arrivals
from tests.support.worlds.settled import Said, SettledEvents

ZONE = "Asia/Shanghai"
HARBOUR = Practice(PracticeId("harbour"), "Harbour", ZONE, "CNY")
MORNING = datetime(2025, 5, 6, 2, tzinfo=UTC)  # 10:00 in Shanghai
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HISTORIES, ORDERS = 1_000, 2
BOOKING = ("created", "completed", "completed", "completed", "cancelled", "no_show")
PAYMENT = ("settled", "settled", "settled", "refunded")
Document = dict[str, Any]


def a_document(rng: random.Random, at: datetime, number: int, objects: str) -> Document:
    """What a booking or payment system says of client `c`."""
    noun, verbs = rng.choice((("booking", BOOKING), ("payment", PAYMENT)))
    verb = rng.choice(verbs)
    data: Document = {f"{noun}_id": f"{objects}{rng.randint(1, 3)}"}
    if noun == "payment":
        data |= {"amount_minor": rng.choice((1_000, 6_000, 30_000)), "currency": "CNY"}
    if verb == "created":
        data["starts_at"] = (at + 3 * DAY).isoformat()
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "desk",
        "type": f"rapport.{noun}.{verb}.v1",
        "practiceid": "harbour",
        "subject": "c",
        "time": at.isoformat(),
        "data": data,
    }


class History:
    """What a client did before, and some facts within an hour, in random order and pace."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.before_at = MORNING - rng.choice((10, 100, 200, 400)) * DAY
        earlier = [self.before_at - number * MINUTE for number in range(rng.choice((0, 0, 1, 3)))]
        self.before = [a_document(rng, at, n, "old") for n, at in enumerate(earlier)]
        self.facts = [
            a_document(rng, MORNING + rng.randint(0, 60) * MINUTE, number, "new")
            for number in range(100, 100 + rng.randint(2, 5))
        ]
        self.orders = [rng.sample(self.facts, len(self.facts)) for _ in range(ORDERS)]
        # Read one by one within the settling time, or all at once in the evening.
        self.paces = [rng.choice(("live", "nightly")) for _ in self.orders]

    def steps(self, number: int) -> list[tuple[datetime, list[Document]]]:
        """The clock and what comes at each step, in one of the orders."""
        order, pace = self.orders[number], self.paces[number]
        start = [(self.before_at, self.before), (MORNING - HOUR, [])]
        end = [(MORNING + 13 * HOUR, list[Document]())]
        if pace == "nightly":
            return [*start, (MORNING + 10 * HOUR, order), *end]
        live = [(MORNING + (61 + 10 * n) * MINUTE, [each]) for n, each in enumerate(order)]
        return [*start, *live, *end]


def said(steps: Sequence[tuple[datetime, list[Document]]]) -> list[Said]:
    """What the services plan of what is told from the morning on."""
    world = SettledEvents(HARBOUR, RULEBOOK, builtin_playbook())
    for now, documents in steps:
        world.step(now, documents)
    return world.said(MORNING)


def tier(steps: Sequence[tuple[datetime, list[Document]]]) -> str | None:
    """Where the client stands after these steps."""
    oracle = Arrivals(RFM, ZONE)
    for now, documents in steps:
        oracle.step(now, documents)
    history = oracle.history("c")
    return history[-1].to_tier if history else None


def expected(before: str | None, after: str | None) -> list[Said]:
    """What the built-in plays say of a rise; of a fall that facts made nobody is told."""
    order = [None, "prospect", "iron", "bronze", "silver", "gold"]
    if order.index(after) <= max(order.index(before), 1):
        return []
    if before in (None, "prospect"):
        return [Said("welcome", 0, "welcome")] if after != "iron" else []
    return [Said("thanks", 0, "thanks")] if after in ("silver", "gold") else []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_order_of_facts_changes_nothing_that_is_said() -> None:
    kinds: dict[str, int] = {}
    for seed in range(HISTORIES):
        history = History(seed)
        plain = history.steps(0)
        before = tier([each for each in plain if each[0] < MORNING])
        wanted = expected(before, tier(plain))
        found = [said(history.steps(number)) for number in range(ORDERS)]
        assert found == [wanted] * ORDERS, f"history {seed}: {before}, {history.orders}"
        kind = wanted[0].text if wanted else "nothing"
        kinds[kind] = kinds.get(kind, 0) + 1
    assert min(kinds[kind] for kind in ("welcome", "thanks", "nothing")) > HISTORIES // 50


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_says_the_same_whichever_topic_is_read_first() -> None:
    """Of each fifth client; all of them take minutes."""
    origin = Origin(practice_id="harbour", zone=ZONE, source="desk")
    practice = Practice(PracticeId("harbour"), "Harbour", ZONE, "USD")
    rulebook = parse_rulebook(of_the_demo("rulebook.json"))
    playbook = of_the_demo("playbook.json")
    days: dict[str, dict[datetime, list[Mapping[str, Any]]]] = {}
    for on, events in read_cdnow(origin).calendar():
        for event in events:
            at = days.setdefault(event.subject, {}).setdefault(noon(on, ZONE), [])
            at.append(json.loads(encode_source(event)))
    assert len(days) > 2_000
    chosen = dict(list(days.items())[::5])
    planned = 0
    for client, steps in chosen.items():
        told = []
        for first in ("booking", "payment"):
            world = SettledEvents(practice, rulebook, playbook)
            for now, documents in steps.items():
                in_turn = sorted(documents, key=lambda each: first not in each["type"])
                world.step(now, in_turn)
                world.step(now + DAY, [])
            told.append(world.said())
        assert told[0] == told[1], client
        planned += len(told[0])
    assert planned > len(chosen) // 2


def of_the_demo(name: str) -> Any:
    """A file of the demo's."""
    return json.loads(files("rapport_devkit").joinpath("data", name).read_text("utf-8"))
