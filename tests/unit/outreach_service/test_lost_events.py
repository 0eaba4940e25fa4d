"""After a restore outreach names the messages of which the topic knows more; those that went."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import sqlalchemy as sa

from outreach_service.domain.messages import COUNTED, State
from outreach_service.domain.terms import Occasion
from outreach_service.ports.records import MessageEvent
from outreach_service.store.lost_events import report_lost
from outreach_service.translate import message_changed
from rapport_runtime.stream.restored import LostRecord

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEVER_USED = cast("sa.Connection", None)


def told(*states: State) -> list[str]:
    """What the line of a message says that went through these states, a minute each."""
    records: list[LostRecord] = []
    for minute, state in enumerate(states):
        at = NOON + timedelta(minutes=minute)
        topic, _, key, value = message_changed(_event(state, at))
        records.append(LostRecord(topic, key, value, at))
    (line,) = report_lost(NEVER_USED, records)
    cells = line.split("\t")
    assert cells[:5] == ["message", "harbour", "m1", "client ada", "welcome"]
    return cells[5:]


def _event(state: State, at: datetime) -> MessageEvent:
    return MessageEvent(
        practice_id="harbour",
        message_id="m1",
        client_id="ada",
        partition=0,
        play="welcome",
        step=0,
        occasion=Occasion("tier", "rfm:1"),
        channel="email",
        purpose="care",
        state=state,
        reason=None,
        at=at,
    )


@pytest.mark.parametrize("gone", sorted(COUNTED))
@pytest.mark.parametrize("later", sorted(set(State) - COUNTED))
def test_a_state_that_may_have_reached_the_client_is_not_covered_by_a_later_one(
    gone: State, later: State
) -> None:
    """After an earlier restore what was sent waits for a person, who goes by this list."""
    assert told(gone, State.SCHEDULED, later) == [
        gone,
        "2026-03-02T12:00:00+00:00",
        f"later {later}",
        "2026-03-02T12:02:00+00:00",
    ]


@pytest.mark.parametrize(
    "states",
    [
        (State.SENDING, State.ACCEPTED),
        (State.SENDING, State.UNKNOWN),
        (State.SENDING, State.UNKNOWN, State.ACCEPTED, State.DELIVERED),
        (State.SCHEDULED, State.CANCELLED),
    ],
)
def test_the_last_state_is_told_where_it_says_the_most(states: tuple[State, ...]) -> None:
    assert told(*states) == [states[-1], f"2026-03-02T12:0{len(states) - 1}:00+00:00"]


def test_an_answer_of_the_provider_says_more_than_a_try_after_it() -> None:
    assert told(State.ACCEPTED, State.AWAITING_STAFF, State.SENDING)[::2] == [
        State.ACCEPTED,
        f"later {State.SENDING}",
    ]
