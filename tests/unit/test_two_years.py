"""The history of two years is sent into a practice that lives, in five orders: the tiers are those
of the facts, and no message comes of it. All three services in memory."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from outreach_service.builtin import builtin_playbook
from tests.support.generators.tier_histories import RFM, RULEBOOK
from tests.support.oracles.arrivals import Arrivals
from tests.support.worlds.settled import SettledEvents

ZONE = "Asia/Shanghai"
HARBOUR = Practice(PracticeId("harbour"), "Harbour", ZONE, "CNY", undeclared_sources="accept")
MORNING = datetime(2026, 5, 6, 2, tzinfo=UTC)  # 10:00 in Shanghai
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
KNOWN = ("ada", "ben", "cy")
"""Clients of the living practice; the history is the first word of the others."""
COURSES = MappingProxyType(
    {
        "ada": (30, 730, 1),
        "ben": (60, 730, 200),
        "cy": (150, 600, 90),
        "dee": (45, 730, 3),
        "eve": (100, 700, 400),
        "fox": (2, 6, 1),
    }
)
"""Client -> an hour each so many days, from so many days ago until so many days ago."""
CHUNK = 40
"""Events of one request."""
Document = dict[str, Any]
Step = tuple[datetime, list[Document]]
Order = Callable[[Sequence[Document], random.Random], list[Document]]


def said(kind: str, client: str, about: str, at: datetime, **more: Any) -> Document:
    """A source event; `about` is its booking or payment."""
    noun = kind.partition(".")[0]
    money = {"currency": "CNY"} if "amount_minor" in more else {}
    return {
        "specversion": "1.0",
        "id": f"{about}-{kind}",
        "source": "desk",
        "type": f"rapport.{kind}.v1",
        "practiceid": HARBOUR.practice_id,
        "subject": client,
        "time": at.isoformat(),
        "data": {f"{noun}_id": about} | money | more,
    }


def hour(client: str, number: int, at: datetime, chance: random.Random) -> list[Document]:
    """What is told of an hour: it was booked, and kept and paid, or not."""
    booking, payment = f"{client}-b{number}", f"{client}-p{number}"
    outcome = chance.choice(("completed", "completed", "completed", "no_show", "cancelled"))
    told = [
        said("booking.created", client, booking, at - 5 * DAY, starts_at=at.isoformat()),
        said(f"booking.{outcome}", client, booking, at),
    ]
    if outcome != "completed":
        return told
    amount = chance.choice((1_000, 6_000, 30_000))
    told.append(said("payment.settled", client, payment, at + HOUR, amount_minor=amount))
    if chance.random() < 0.2:
        refund = said("payment.refunded", client, payment, at + DAY / 4, amount_minor=amount // 2)
        told.append(refund)
    return told


def history(chance: random.Random) -> list[Document]:
    """All hours of two years up to yesterday, by time."""
    told: list[Document] = []
    for client, (pace, first, last) in COURSES.items():
        for number, ago in enumerate(range(first, last - 1, -pace)):
            told += hour(client, number, MORNING - ago * DAY, chance)
    return sorted(told, key=lambda each: each["time"])


def shuffled(told: Sequence[Document], chance: random.Random) -> list[Document]:
    return chance.sample(told, len(told))


ORDERS: Mapping[str, Order] = MappingProxyType(
    {
        "as it was": lambda told, _: list(told),
        "backwards": lambda told, _: list(reversed(told)),
        "in no order": shuffled,
        "payments first": lambda told, _: sorted(told, key=lambda each: "booking" in each["type"]),
        "client by client": lambda told, _: sorted(told, key=lambda each: each["subject"]),
    }
)


def before() -> list[Step]:
    """What was told of the living practice in the days before."""
    steps = []
    for number, client in enumerate(KNOWN):
        at, about = MORNING - (6 - number) * DAY, f"{client}-live"
        paid = said("payment.settled", client, about, at, amount_minor=6_000)
        steps.append((at + MINUTE, [said("booking.completed", client, about, at), paid]))
    return [*steps, (MORNING - HOUR, [])]


def sent(told: Sequence[Document]) -> list[Step]:
    """A request after the other, while a guest comes for the first time; and the evening after."""
    requests = [list(told[first : first + CHUNK]) for first in range(0, len(told), CHUNK)]
    guest = said("booking.completed", "guest", "guest-b1", MORNING - HOUR)
    requests.insert(len(requests) // 2, [guest])
    steps = [(MORNING + number * MINUTE, request) for number, request in enumerate(requests)]
    return [*steps, (MORNING + 13 * HOUR, [])]


def lived(told: Sequence[Document]) -> SettledEvents:
    """The practice in that evening."""
    world = SettledEvents(HARBOUR, RULEBOOK, builtin_playbook())
    for now, documents in [*before(), *sent(told)]:
        results = world.step(now, documents)
        assert {each.status for each in results} <= {"accepted"}
    return world


def messages(world: SettledEvents) -> list[tuple[str, str]]:
    """What is planned from the morning on: for whom, by which play."""
    identities = world.ingestion.tables.identities.items()
    names = {client_id: key.external_id for key, client_id in identities}
    planned = [row.planned for row in world.outreach.rows.messages.values()]
    return sorted(
        (names[each.change.client[1]], each.play.key) for each in planned if each.due_at >= MORNING
    )


@pytest.fixture(scope="module")
def told() -> list[Document]:
    return [each | {"backfill": True} for each in history(random.Random(20261201))]


@pytest.fixture(scope="module")
def tiers(told: list[Document]) -> Mapping[str, str]:
    """Where the oracle sees each client of the history."""
    oracle = Arrivals(RFM, ZONE)
    for now, documents in [*before(), *sent(told)]:
        oracle.step(now, documents)
    return {client: oracle.history(client)[-1].to_tier for client in COURSES}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_the_tiers_are_those_of_the_facts_and_nobody_is_written_to(
    order: Order, told: list[Document], tiers: Mapping[str, str]
) -> None:
    """But the guest."""
    world = lived(order(told, random.Random(7)))
    assessed = {client: world.answer(client).assessment for client in tiers}
    assert {client: each and each.tier for client, each in assessed.items()} == tiers
    assert len(set(tiers.values())) > 1
    assert messages(world) == messages(lived([])) == [("guest", "welcome")]


def test_what_is_not_said_to_be_history_is_answered(told: list[Document]) -> None:
    """So the messages above are not missing for another reason."""
    world = lived([each | {"backfill": False} for each in told])
    assert len(messages(world)) > 1
