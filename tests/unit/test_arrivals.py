"""What scoring tells of clients is what an oracle sees that looks after each source event."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from scoring_service.ports import ClientTier
from tests.support.generators.tier_histories import RFM
from tests.support.oracles.arrivals import Arrivals
from tests.support.worlds.arrivals import CHANGE, ArrivingEvents

ZONE = "Asia/Shanghai"
HARBOUR = Practice(PracticeId("harbour"), "Harbour", ZONE, "CNY")
NOON = datetime(2012, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Step = tuple[datetime, Sequence[dict[str, Any]]]
BOOKING = ("created", "rescheduled", "completed", "completed", "cancelled", "no_show")
PAYMENT = ("settled", "settled", "refunded", "refunded", "charged_back", "failed")


def event(
    verb: str, client: str, about: str, at: datetime, amount: int = 20_000, number: int = 0
) -> dict[str, Any]:
    """A source event; `number` tells apart those that are alike."""
    noun = "payment" if verb in PAYMENT else "booking"
    data: dict[str, Any] = {f"{noun}_id": f"{client}-{about}"}
    if noun == "payment" and verb != "failed":
        data |= {"amount_minor": amount, "currency": "CNY"}
    if verb in ("created", "rescheduled"):
        data["starts_at"] = (at + 3 * DAY).isoformat()
    return {
        "specversion": "1.0",
        "id": f"{client}/{about}/{verb}/{at.isoformat()}/{number}",
        "source": "desk",
        "type": f"rapport.{noun}.{verb}.v1",
        "practiceid": "harbour",
        "subject": client,
        "time": at.isoformat(),
        "data": data,
    }


@st.composite
def arrivals(draw: st.DrawFn) -> list[Step]:
    """A few clients whose events come late, early, twice, dated ahead and in any order."""
    steps: list[Step] = []
    now, number = NOON, 0
    for _ in range(draw(st.integers(1, 5))):
        now += draw(st.sampled_from((HOUR, 11 * HOUR, DAY, 2 * DAY, 91 * DAY)))
        documents = []
        for _ in range(draw(st.integers(0, 5))):
            number += 1
            verb, about = draw(
                st.tuples(st.sampled_from(BOOKING), st.sampled_from(("b1", "b2")))
                | st.tuples(st.sampled_from(PAYMENT), st.sampled_from(("p1", "p2")))
            )
            hours = draw(st.sampled_from((0, 0, 1, 2, 3, 14, 26, 24 * 8, 24 * 90, -1, -32, -48)))
            amount = draw(st.sampled_from((1_000, 20_000, 30_000)))
            client = draw(st.sampled_from(("ada", "ben")))
            documents.append(event(verb, client, about, now - hours * HOUR, amount, number))
        steps.append((now, documents))
    return [*steps, (now + draw(st.sampled_from((HOUR, 2 * DAY, 400 * DAY))), [])]


def replayed(
    steps: Sequence[Step], sizes: Sequence[int] = (1_000,), intake: int = 1_000
) -> ArrivingEvents:
    """The services after these steps."""
    world = ArrivingEvents(HARBOUR)
    for now, documents in steps:
        results = world.step(now, documents, intake=intake)
        assert {result.status for result in results} <= {"accepted"}
    world.read(sizes)
    return world


def seen(steps: Sequence[Step], client: str) -> list[CHANGE]:
    """What the oracle tells of a client after these steps."""
    oracle = Arrivals(RFM, ZONE)
    for now, documents in steps:
        oracle.step(now, documents)
    return [
        (c.version, c.from_tier, c.to_tier, c.reason, c.origin, c.effective_at, c.score)
        for c in oracle.history(client)
    ]


@settings(max_examples=60)
@given(
    arrivals(),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from((1, 2, 1_000)),
)
def test_history_is_what_is_seen_after_each_source_event(
    steps: list[Step], sizes: list[int], intake: int
) -> None:
    world = replayed(steps, sizes, intake)
    for client in clients_of(steps):
        assert world.history(client) == seen(steps, client)
        check_times(world.answer(client))


def clients_of(steps: Sequence[Step]) -> set[str]:
    return {document["subject"] for _, documents in steps for document in documents}


def check_times(answer: ClientTier) -> None:
    """No answer lies in its own future: since, as of, next."""
    assert answer.as_of is not None
    assert answer.since is not None
    assert answer.assessment is not None
    assert answer.since <= answer.as_of
    coming = answer.assessment.next_transition
    assert coming is None or answer.since <= answer.as_of < coming.at


# --- the cases of the replay in which history was wrong (steps as they were found) ------------

WRONG_CLOCK: list[Step] = [
    (
        datetime(2012, 6, 2, 12, tzinfo=UTC),
        [
            event("completed", "c", "b1", datetime(2012, 3, 3, 10, tzinfo=UTC)),
            event("completed", "c", "b2", datetime(2012, 3, 3, 10, tzinfo=UTC)),
            event("settled", "c", "p1", datetime(2012, 3, 3, 11, tzinfo=UTC), 30_000),
        ],
    ),
    (
        datetime(2012, 6, 3, 12, tzinfo=UTC),
        [event("refunded", "c", "p1", datetime(2012, 6, 4, 20, tzinfo=UTC), 27_000)],
    ),
    (datetime(2012, 6, 4, 12, tzinfo=UTC), []),
]
REFUND_FIRST: list[Step] = [
    (
        NOON,
        [
            event("completed", "c", "b1", NOON - 3 * HOUR),
            event("refunded", "c", "p1", NOON - HOUR / 2),
        ],
    ),
    (NOON + HOUR, [event("settled", "c", "p1", NOON - HOUR)]),
    (NOON + 2 * DAY, []),
]
SAID_AGAIN: list[Step] = [
    (
        NOON,
        [
            event(verb, client, about, NOON - 26 * HOUR)
            for client in ("moved", "again")
            for verb, about in (("completed", "b1"), ("settled", "p1"))
        ],
    ),
    (
        NOON + 2 * HOUR,
        [
            event("completed", "moved", "b1", NOON - 2 * HOUR),
            event("settled", "again", "p1", NOON - 2 * HOUR),
        ],
    ),
    (NOON + 3 * HOUR, []),
]
BOOKED_AFTER: list[Step] = [
    (
        NOON,
        [
            event("completed", "c", "b1", NOON - 2 * HOUR),
            event("created", "c", "b1", NOON - HOUR / 3),
        ],
    ),
    (NOON + 2 * DAY, []),
]


def test_a_history_never_goes_back_in_time_when_a_clock_is_wrong() -> None:
    """A correction dated 32 hours ahead, then a change at a midnight before that."""
    history = replayed(WRONG_CLOCK).history("c")
    times = [change[5] for change in history]
    assert all(then <= now for then, now in pairwise(times))
    assert times[-2:] == [
        datetime(2012, 6, 3, 12, tzinfo=UTC),
        datetime(2012, 6, 3, 16, tzinfo=UTC),
    ]
    assert [change[3] for change in history[-2:]] == ["correction", "elapsed_time"]
    for steps in range(1, len(WRONG_CLOCK) + 1):
        check_times(replayed(WRONG_CLOCK[:steps]).answer("c"))


def test_a_payment_whose_refund_came_before_is_told_to_nobody() -> None:
    assert [change[2] for change in replayed(REFUND_FIRST).history("c")] == ["bronze"]


@pytest.mark.parametrize("client", ["moved", "again"])
def test_what_is_said_again_for_another_day_moves_nobody(client: str) -> None:
    history = replayed(SAID_AGAIN).history(client)
    assert [change[2] for change in history] == ["bronze", "gold"]


def test_a_booking_that_is_entered_after_its_visit_does_not_take_it_back() -> None:
    answer = replayed(BOOKED_AFTER).answer("c")
    assert answer.assessment is not None
    assert answer.assessment.tier == "bronze"


@pytest.mark.parametrize("verb", ["cancelled", "refunded", "failed"])
def test_a_client_whose_first_event_counts_for_nothing_is_a_prospect(verb: str) -> None:
    about = "p1" if verb in PAYMENT else "b1"
    world = replayed([(NOON, [event(verb, "c", about, NOON)]), (NOON + HOUR, [])])
    answer = world.answer("c")
    assert answer.assessment is not None
    assert answer.assessment.tier == "prospect"
    assert [change[2:4] for change in world.history("c")] == [("prospect", "activity")]
