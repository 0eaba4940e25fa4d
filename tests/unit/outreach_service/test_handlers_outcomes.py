"""Outcomes: what a provider's answer, or its silence, makes of a message."""

from datetime import timedelta

import pytest

from outreach_service.domain.messages import Accepted, Outcome, Rejected, Unknown
from outreach_service.domain.terms import Channel
from tests.unit.outreach_service.memory_outreach import BEN, NOON, MemoryOutreach

OPENID = "openid-0000000000000000000001"
BUSY = Rejected("sms:busy", final=False)
FINAL = Rejected("sms:no-such-number", final=True)
LOST = Unknown("sms:timeout")


@pytest.fixture
def by_sms(outreach: MemoryOutreach) -> MemoryOutreach:
    """Ada's message goes by SMS, whose providers know no repeat."""
    outreach.reachable()
    outreach.fall()
    return outreach


@pytest.fixture
def by_wechat(outreach: MemoryOutreach) -> MemoryOutreach:
    """Ada's message goes by WeChat, which drops a repeat for eight minutes."""
    outreach.reachable(channel=Channel.WECHAT, address=OPENID)
    outreach.fall()
    return outreach


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "recorded"),
    [
        pytest.param(Accepted("ref-1"), "accepted", None, "accepted", id="accepted"),
        pytest.param(FINAL, "failed", "sms:no-such-number", "rejected", id="refused for good"),
        pytest.param(BUSY, "scheduled", "sms:busy", "rejected", id="refused for now"),
        pytest.param(LOST, "unknown", "sms:timeout", "unknown", id="the answer is lost"),
    ],
)
def test_an_outcome_decides_the_state_and_is_published(
    by_sms: MemoryOutreach, outcome: Outcome, state: str, reason: str | None, recorded: str
) -> None:
    by_sms.record((by_sms.claim(), outcome))
    assert by_sms.state() == (state, reason)
    assert by_sms.outcomes() == [recorded]
    assert by_sms.message().lease_until is None
    event = by_sms.rows.events[-1]
    assert (event.state, event.reason, event.channel, event.at) == (state, reason, "sms", NOON)


def test_the_providers_reference_is_kept(by_sms: MemoryOutreach) -> None:
    by_sms.record((by_sms.claim(), Accepted("ref-1")))
    assert by_sms.message().provider_ref == "ref-1"


@pytest.mark.parametrize("text", ["\udcc4\udce3", "\x00", "好", "x" * 5_000])
def test_whatever_a_provider_calls_a_message_can_be_kept(by_sms: MemoryOutreach, text: str) -> None:
    by_sms.record((by_sms.claim(), Accepted(text)))
    stored = by_sms.message().provider_ref
    assert stored == ("x" * 200 if text[0] == "x" else "?" * len(text))


def test_a_refused_message_is_due_again_after_its_wait(by_sms: MemoryOutreach) -> None:
    by_sms.record((by_sms.claim(), BUSY))
    assert by_sms.dispatch().decided == 0
    by_sms.pass_real_time(60)
    second = by_sms.claim()
    assert (second.attempt, second.first_try_seconds, second.unsure) == (2, 60, False)


def test_a_message_by_sms_of_unknown_outcome_is_never_tried_again(by_sms: MemoryOutreach) -> None:
    by_sms.record((by_sms.claim(), LOST))
    by_sms.pass_real_time(86_400)
    assert by_sms.dispatch().decided == 0


def test_a_refusal_after_an_unknown_attempt_proves_nothing(by_wechat: MemoryOutreach) -> None:
    by_wechat.record((by_wechat.claim(), Unknown("wechat:timeout")))
    by_wechat.pass_real_time(20)
    by_wechat.record((by_wechat.claim(), Rejected("wechat:gone", final=True)))
    assert by_wechat.state() == ("unknown", "wechat:gone")
    assert by_wechat.outcomes() == ["unknown", "rejected"]
    assert by_wechat.message().retry_until is None


def test_an_unknown_outcome_is_repeated_while_the_provider_knows_its_key(
    by_wechat: MemoryOutreach,
) -> None:
    begun = by_wechat.stores.real_time
    by_wechat.record((by_wechat.claim(), Unknown("wechat:timeout")))
    message = by_wechat.message()
    assert message.retry_until == begun + timedelta(seconds=480)
    assert message.not_before == begun + timedelta(seconds=15)


def test_a_result_that_is_recorded_twice_changes_nothing(by_sms: MemoryOutreach) -> None:
    claimed = by_sms.claim()
    by_sms.record((claimed, Accepted("ref-1")))
    by_sms.record((claimed, FINAL))
    assert by_sms.state() == ("accepted", None)
    assert by_sms.events() == ["scheduled", "sending", "accepted"]


def test_several_results_are_recorded_together(by_sms: MemoryOutreach) -> None:
    by_sms.reachable(BEN, address="+8613800138001")
    by_sms.fall(BEN)
    first, second = by_sms.dispatch().claimed
    by_sms.record((first, Accepted("ref-1")), (second, FINAL))
    assert sorted(row.state for row in by_sms.rows.messages.values()) == ["accepted", "failed"]


def test_before_there_is_business_time_an_outcome_has_the_claims(by_sms: MemoryOutreach) -> None:
    claimed = by_sms.claim()
    by_sms.stores.business_time = None
    by_sms.record((claimed, Accepted("ref-1")))
    assert by_sms.message().changed_at == NOON


def test_a_claim_whose_lease_has_ended_is_unknown(by_sms: MemoryOutreach) -> None:
    by_sms.claim()
    assert by_sms.recover() == 0
    by_sms.pass_real_time(61)
    assert by_sms.recover() == 1
    assert by_sms.state() == ("unknown", "sms:worker-lost")
    assert by_sms.recover() == 0


@pytest.mark.parametrize(
    ("late", "state"),
    [
        pytest.param(Accepted("late"), "accepted", id="accepted"),
        pytest.param(FINAL, "failed", id="refused for good"),
        pytest.param(BUSY, "unknown", id="refused for now"),
        pytest.param(LOST, "unknown", id="unknown again"),
    ],
)
def test_a_late_answer_replaces_unknown(by_sms: MemoryOutreach, late: Outcome, state: str) -> None:
    """A refusal for now would schedule another attempt, which is not risked."""
    claimed = by_sms.claim()
    by_sms.pass_real_time(61)
    by_sms.recover()
    by_sms.record((claimed, late))
    assert by_sms.message().state == state


def test_a_late_answer_leaves_a_later_attempt_alone(by_wechat: MemoryOutreach) -> None:
    first = by_wechat.claim()
    by_wechat.pass_real_time(61)
    assert by_wechat.recover() == 1
    by_wechat.pass_real_time(20)
    second = by_wechat.claim()
    by_wechat.record((first, Rejected("wechat:late", final=True)))
    assert by_wechat.message().state == "sending"
    assert by_wechat.outcomes() == ["rejected", None]
    by_wechat.record((second, Accepted("ref-2")))
    assert by_wechat.message().state == "accepted"


def test_a_repeat_ends_when_the_provider_forgets_the_key(by_wechat: MemoryOutreach) -> None:
    by_wechat.record((by_wechat.claim(), Unknown("wechat:timeout")))
    by_wechat.pass_real_time(481)
    assert by_wechat.recover() == 0
    assert by_wechat.message().retry_until is None
    assert by_wechat.dispatch().decided == 0
