"""The life of a message: every transition, late receipts, and when a try may follow a try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.domain import gates
from outreach_service.domain.gates import Defer, Send, Suppress
from outreach_service.domain.messages import (
    COUNTED,
    DEFAULT_RETRIES,
    WAITING,
    Event,
    GiveUp,
    ImpossibleTransition,
    Outgoing,
    Rejected,
    RetryAt,
    State,
    Tries,
    Unknown,
    advance,
    event_of,
    retry_decision,
)
from outreach_service.domain.playbook import Route
from outreach_service.domain.terms import Channel, Purpose
from tests.support.generators.outreach_values import NOON_IN_SHANGHAI


@pytest.mark.parametrize(
    ("events", "end"),
    [
        pytest.param("schedule claim accept deliver", "delivered", id="all goes well"),
        pytest.param("schedule claim retry claim accept", "accepted", id="the second try"),
        pytest.param("schedule claim fail", "failed", id="refused for good"),
        pytest.param("schedule claim lose", "unknown", id="the answer is lost"),
        pytest.param("schedule claim lose deliver", "delivered", id="lost, but a receipt came"),
        pytest.param("schedule claim lose bounce", "bounced", id="lost, and it bounced"),
        pytest.param("schedule claim deliver accept", "delivered", id="the receipt overtook"),
        pytest.param("schedule claim accept accept", "accepted", id="the answer twice"),
        pytest.param("schedule claim accept deliver deliver", "delivered", id="a receipt twice"),
        pytest.param("schedule claim accept bounce deliver", "bounced", id="receipts swapped"),
        pytest.param("schedule claim accept deliver bounce", "bounced", id="taken back later"),
        pytest.param("schedule claim accept lose", "accepted", id="a crash after the answer"),
        pytest.param("schedule claim fail deliver", "delivered", id="it had gone out after all"),
        pytest.param("schedule defer defer claim accept", "accepted", id="waited twice"),
        pytest.param("schedule ask_staff schedule claim accept", "accepted", id="approved"),
        pytest.param("schedule suppress", "suppressed", id="a gate refused it for good"),
        pytest.param("schedule cancel cancel", "cancelled", id="withdrawn twice"),
        pytest.param("schedule defer expire", "expired", id="too late"),
    ],
)
def test_lives(events: str, end: str) -> None:
    state = State.DRAFTED
    for event in events.split():
        state = advance(state, Event(event))

    assert state == end


@pytest.mark.parametrize(
    ("state", "event"),
    [
        pytest.param(State.AWAITING_STAFF, Event.CLAIM, id="unapproved and sent"),
        pytest.param(State.SUPPRESSED, Event.CLAIM, id="suppressed and sent"),
        pytest.param(State.CANCELLED, Event.CLAIM, id="cancelled and sent"),
        pytest.param(State.EXPIRED, Event.CLAIM, id="expired and sent"),
        pytest.param(State.ACCEPTED, Event.CLAIM, id="sent twice"),
        pytest.param(State.UNKNOWN, Event.CLAIM, id="unknown and sent again at once"),
        pytest.param(State.SENDING, Event.CANCEL, id="withdrawn while it may be going"),
        pytest.param(State.SENDING, Event.CLAIM, id="claimed twice"),
        pytest.param(State.SENDING, Event.SUPPRESS, id="forgotten while it may be going"),
        pytest.param(State.DELIVERED, Event.RETRY, id="delivered and tried again"),
    ],
)
def test_what_cannot_happen(state: State, event: Event) -> None:
    with pytest.raises(ImpossibleTransition):
        advance(state, event)


@given(st.sampled_from(State), st.sampled_from(Event))
def test_what_may_have_been_sent_is_never_forgotten(state: State, event: Event) -> None:
    """Out of a counted state lead a proof only, and a retry, which counts again when claimed."""
    try:
        after = advance(state, event)
    except ImpossibleTransition:
        return
    if state in COUNTED and after not in COUNTED:
        assert event in {Event.FAIL, Event.RETRY}
    settled = frozenset(State) - WAITING - {State.SENDING}
    if state in settled and after not in settled:
        assert (state, event) == (State.UNKNOWN, Event.RETRY)


@pytest.mark.parametrize(
    ("decision", "event"),
    [
        (Send(Route(channel=Channel.SMS, template="t")), Event.CLAIM),
        (Defer(NOON_IN_SHANGHAI, gates.QUIET_HOURS), Event.DEFER),
        (Defer(NOON_IN_SHANGHAI, gates.AWAITING_APPROVAL), Event.ASK_STAFF),
        (Suppress(gates.EXPIRED), Event.EXPIRE),
        (Suppress(gates.UPCOMING_BOOKING), Event.SUPPRESS),
    ],
)
def test_a_decision_is_an_event(decision: gates.Decision, event: Event) -> None:
    assert event_of(decision) is event


BUSY = Rejected("busy", final=False)
LOST = Unknown("lost")


def tries(count: int, seconds: float = 0, *, unknown: bool = False) -> Tries:
    return Tries(count=count, seconds=seconds, unknown=unknown)


@pytest.mark.parametrize(
    ("channel", "so_far", "outcome", "decision"),
    [
        pytest.param("email", tries(1), BUSY, RetryAt(1800), id="SMTP waits half an hour"),
        pytest.param("email", tries(2), BUSY, RetryAt(3600), id="then an hour"),
        pytest.param("email", tries(6), BUSY, GiveUp(), id="six times are enough for care"),
        pytest.param("email", tries(1), LOST, LOST, id="a lost e-mail is not sent again"),
        pytest.param("sms", tries(1), LOST, LOST, id="nor is a lost SMS"),
        pytest.param("sms", tries(1), BUSY, RetryAt(60), id="a refused SMS is"),
        pytest.param(
            "sms",
            tries(1),
            Rejected("limit", final=False, retry_after=7200),
            RetryAt(7200),
            id="the provider asks for longer",
        ),
        pytest.param("sms", tries(1), Rejected("no", final=True), GiveUp(), id="refused for good"),
        pytest.param("wechat", tries(1), LOST, RetryAt(15), id="WeChat drops a repeat"),
        pytest.param("wechat", tries(2, 400), LOST, RetryAt(30), id="for eight minutes"),
        pytest.param("wechat", tries(2, 460), LOST, LOST, id="and no longer"),
        pytest.param(
            "wechat",
            tries(3, 460, unknown=True),
            BUSY,
            Unknown("busy"),
            id="a refusal now proves nothing of an earlier try",
        ),
        pytest.param(
            "wechat",
            tries(2, 30, unknown=True),
            Rejected("gone", final=True),
            Unknown("gone"),
            id="not even a final one",
        ),
        pytest.param("wechat", tries(2, 9000), BUSY, RetryAt(30), id="refusals alone wait longer"),
    ],
)
def test_when_a_try_follows_a_try(
    channel: str, so_far: Tries, outcome: Rejected | Unknown, decision: object
) -> None:
    policy = DEFAULT_RETRIES[Channel(channel)]

    assert retry_decision(so_far, outcome, Purpose.CARE, policy) == decision


@given(
    st.sampled_from([Channel.SMS, Channel.EMAIL]),
    st.integers(1, 20),
    st.floats(0, 1e6),
    st.sampled_from(Purpose),
)
def test_without_a_key_an_unknown_outcome_is_the_end(
    channel: Channel, count: int, seconds: float, purpose: Purpose
) -> None:
    policy = DEFAULT_RETRIES[channel]

    assert retry_decision(tries(count, seconds), LOST, purpose, policy) == LOST
    later = retry_decision(tries(count, seconds, unknown=True), BUSY, purpose, policy)
    assert later == Unknown("busy")


@given(st.integers(1, 20), st.floats(0, 1e4), st.sampled_from([BUSY, LOST]), st.booleans())
def test_with_a_key_no_unsure_try_is_repeated_past_its_time(
    count: int,
    seconds: float,
    outcome: Rejected | Unknown,
    unknown: bool,  # noqa: FBT001
) -> None:
    policy = DEFAULT_RETRIES[Channel.WECHAT]
    so_far = tries(count, seconds, unknown=unknown)
    decision = retry_decision(so_far, outcome, Purpose.SERVICE, policy)

    if isinstance(decision, RetryAt) and (unknown or outcome == LOST):
        assert seconds + decision.seconds <= 480


def test_an_outgoing_message_does_not_print_what_is_personal() -> None:
    message = Outgoing(
        message_id="0" * 32,
        channel=Channel.SMS,
        purpose=Purpose.CARE,
        recipient="+8613800138000",
        body="canary-body",
        subject="canary-subject",
        params={"name": "canary-name"},
        unsubscribe_url="https://canary",
    )

    assert "canary" not in repr(message)
    assert "138" not in repr(message)
