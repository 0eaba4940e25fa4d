"""Refusals that are not of the message: the person's point rests, the account's channel closes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from outreach_service.domain.messages import (
    DEFAULT_RETRIES,
    About,
    Accepted,
    Outcome,
    Rejected,
    Unknown,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers import outcomes
from tests.unit.outreach_service.memory_outreach import BEN, DAY, HOUR, NOON, PHONE, MemoryOutreach

ANOTHER_TEXT = [
    {"channels": [{"channel": each, "template": "thanks"} for each in ("wechat", "sms")]}
]
OPENID = "openid-0000000000000000000001"
UNFOLLOWED = Rejected("wechat:43004", final=True, about=About.PERSON)
FULL = Rejected("sms:full", final=True, retry_after=3600, about=About.PERSON)
NO_NUMBER = Rejected("sms:isv.MOBILE_NUMBER_ILLEGAL", final=True, about=About.PERSON)
BAD_KEY = Rejected("sms:SignatureDoesNotMatch", final=False, retry_after=60, about=About.ACCOUNT)
NEW_CODE = Rejected("sms:isv.NEW", final=False, about=About.UNCLEAR)


@pytest.fixture
def by_sms(outreach: MemoryOutreach) -> MemoryOutreach:
    """Ada's message goes by SMS, her only way."""
    outreach.reachable()
    outreach.fall()
    return outreach


@pytest.fixture
def two_ways(by_sms: MemoryOutreach) -> MemoryOutreach:
    """Ada's message goes by WeChat, and may go by SMS."""
    by_sms.reachable(channel=Channel.WECHAT, address=OPENID)
    return by_sms


class TestAPerson:
    """What is said of a person is kept, and the next way is taken."""

    def test_the_next_route_of_the_play_is_taken_at_once(self, two_ways: MemoryOutreach) -> None:
        first = two_ways.claim()
        assert first.channel is Channel.WECHAT
        two_ways.record((first, UNFOLLOWED))
        second = two_ways.claim()
        assert (second.channel, second.attempt) == (Channel.SMS, 2)
        two_ways.record((second, Accepted("ref-1")))
        assert two_ways.state() == ("accepted", None)

    def test_the_route_stays_closed_for_what_follows(self, two_ways: MemoryOutreach) -> None:
        two_ways.record((two_ways.claim(), UNFOLLOWED))
        two_ways.record((two_ways.claim(), Accepted("ref-1")))
        two_ways.fall(version=2, steps=ANOTHER_TEXT)
        assert two_ways.claim().channel is Channel.SMS

    def test_without_another_route_the_message_is_suppressed_and_says_why(
        self, by_sms: MemoryOutreach
    ) -> None:
        by_sms.record((by_sms.claim(), NO_NUMBER))
        assert by_sms.state() == ("scheduled", "sms:isv.MOBILE_NUMBER_ILLEGAL")
        assert by_sms.dispatch().claimed == []
        state, reason = by_sms.state()
        assert state == "suppressed"
        assert reason is not None
        assert "sms rests after sms:isv.MOBILE_NUMBER_ILLEGAL" in reason
        assert by_sms.outcomes() == ["rejected"]

    def test_a_route_without_consent_is_not_taken(self, two_ways: MemoryOutreach) -> None:
        two_ways.consent(granted=False)
        two_ways.record((two_ways.claim(), UNFOLLOWED))
        assert two_ways.dispatch().claimed == []
        assert two_ways.message().state == "suppressed"

    def test_nobody_who_shares_the_point_is_written_to_there(self, by_sms: MemoryOutreach) -> None:
        by_sms.record((by_sms.claim(), NO_NUMBER))
        by_sms.dispatch()
        by_sms.reachable(BEN, address=PHONE)
        by_sms.fall(BEN)
        assert by_sms.dispatch().claimed == []
        assert by_sms.state(BEN)[0] == "suppressed"

    def test_a_new_address_is_written_to(self, by_sms: MemoryOutreach) -> None:
        by_sms.record((by_sms.claim(), NO_NUMBER))
        by_sms.reachable(address="+8613800138001")
        assert by_sms.claim().address == "+8613800138001"

    def test_a_point_that_rests_for_a_while_is_waited_for(self, by_sms: MemoryOutreach) -> None:
        by_sms.record((by_sms.claim(), FULL))
        by_sms.dispatch()
        assert by_sms.state() == ("deferred", "contact-rests: sms:full")
        assert by_sms.message().decide_at == NOON + HOUR
        by_sms.stores.business_time = NOON + HOUR
        assert by_sms.claim().attempt == 2

    def test_a_number_of_a_country_that_is_not_served_suppresses_by_name(
        self, by_sms: MemoryOutreach
    ) -> None:
        """Its rest has an end, since settings may change, but after the message has expired."""
        month = timedelta(days=30).total_seconds()
        abroad = Rejected(
            "sms:country-not-served:US", final=True, retry_after=month, about=About.PERSON
        )
        by_sms.record((by_sms.claim(), abroad))
        assert by_sms.dispatch().claimed == []
        state, reason = by_sms.state()
        assert state == "suppressed"
        assert reason is not None
        assert "sms rests after sms:country-not-served:US" in reason

    def test_an_unsure_message_stays_unknown_and_its_point_rests(
        self, two_ways: MemoryOutreach
    ) -> None:
        two_ways.record((two_ways.claim(), Unknown("wechat:timeout")))
        two_ways.pass_real_time(20)
        two_ways.record((two_ways.claim(), UNFOLLOWED))
        assert two_ways.state() == ("unknown", "wechat:43004")
        two_ways.fall(version=2, at=NOON, steps=ANOTHER_TEXT)
        assert two_ways.claim().channel is Channel.SMS

    def test_a_late_word_ends_the_message_and_lets_the_point_rest(
        self, by_sms: MemoryOutreach
    ) -> None:
        claimed = by_sms.claim()
        by_sms.pass_real_time(61)
        by_sms.recover()
        by_sms.record((claimed, NO_NUMBER))
        assert by_sms.state() == ("failed", "sms:isv.MOBILE_NUMBER_ILLEGAL")
        by_sms.fall(version=2)
        assert by_sms.dispatch().claimed == []

    @pytest.mark.parametrize("mutant", [False, True])
    def test_without_the_table_the_same_route_is_tried_again(
        self, two_ways: MemoryOutreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
    ) -> None:
        """Mutant: what was said of the person is forgotten."""
        if mutant:
            monkeypatch.setattr(outcomes, "_rests", lambda *_: [])
        two_ways.record((two_ways.claim(), UNFOLLOWED))
        assert (two_ways.claim().channel is Channel.SMS) is not mutant


class TestAnAccount:
    """What is said of the account closes its channel, and no message ends for it."""

    def test_messages_wait_and_are_not_failed(self, by_sms: MemoryOutreach) -> None:
        by_sms.reachable(BEN, address="+8613800138001")
        for _ in range(20):
            by_sms.record((by_sms.claim(), BAD_KEY))
            by_sms.pass_real_time(61)
        assert by_sms.state() == ("scheduled", "sms:SignatureDoesNotMatch")
        by_sms.record((by_sms.claim(), Accepted("ref-1")))
        assert by_sms.state() == ("accepted", None)

    def test_nobody_elses_message_is_tried_while_the_channel_is_closed(
        self, by_sms: MemoryOutreach
    ) -> None:
        by_sms.record((by_sms.claim(), BAD_KEY))
        by_sms.reachable(BEN, address="+8613800138001")
        by_sms.fall(BEN)
        assert by_sms.dispatch().claimed == []
        assert by_sms.state(BEN) == ("scheduled", None)

    def test_when_its_time_is_over_one_tries_and_all_go_after_it(
        self, by_sms: MemoryOutreach
    ) -> None:
        by_sms.record((by_sms.claim(), BAD_KEY))
        for number, client in enumerate(("ben", "eve", "joe")):
            by_sms.reachable(client, address=f"+861380013801{number}")
            by_sms.fall(client)
        by_sms.pass_real_time(61)
        (tried,) = by_sms.dispatch().claimed
        assert by_sms.dispatch().claimed == []
        by_sms.record((tried, Accepted("ref-1")))
        assert len(by_sms.dispatch().claimed) == 3

    def test_other_channels_go_on(self, two_ways: MemoryOutreach) -> None:
        claimed = two_ways.claim()
        wechat = Rejected("wechat:48001", final=False, retry_after=600, about=About.ACCOUNT)
        two_ways.record((claimed, wechat))
        two_ways.reachable(BEN, address="+8613800138001")
        two_ways.fall(BEN)
        assert [each.client_id for each in two_ways.dispatch().claimed] == [BEN]

    def test_a_refusal_of_the_message_counts_from_the_first_that_is_its_own(
        self, by_sms: MemoryOutreach
    ) -> None:
        for _ in range(10):
            by_sms.record((by_sms.claim(), BAD_KEY))
            by_sms.pass_real_time(61)
        busy = Rejected("sms:busy", final=False)
        for _ in range(DEFAULT_RETRIES[Channel.SMS].most[Purpose.CARE]):
            assert by_sms.message().state == "scheduled"
            by_sms.record((by_sms.claim(), busy))
            by_sms.pass_real_time(86_400)
        assert by_sms.state() == ("failed", "sms:busy")

    def test_it_expires_like_any_other(self, by_sms: MemoryOutreach) -> None:
        by_sms.record((by_sms.claim(), BAD_KEY))
        by_sms.pass_real_time(61)
        by_sms.stores.business_time = NOON + 365 * DAY
        by_sms.dispatch()
        assert by_sms.message().state == "expired"


@pytest.mark.parametrize("outcome", [NEW_CODE, Unknown("sms:HTTP 503")])
def test_five_answers_in_a_row_that_nobody_understands_close_a_channel(
    outreach: MemoryOutreach, outcome: Outcome
) -> None:
    for number in range(6):
        outreach.reachable(f"client-{number}", address=f"+861380013800{number}")
        outreach.fall(f"client-{number}")
        claims = outreach.dispatch(limit=1).claimed
        assert len(claims) == (1 if number < 5 else 0)
        outreach.record(*((each, outcome) for each in claims))


def test_a_code_that_is_new_to_us_loses_no_message(by_sms: MemoryOutreach) -> None:
    for _ in range(30):
        by_sms.record((by_sms.claim(), NEW_CODE))
        assert by_sms.state() == ("scheduled", "sms:isv.NEW")
        by_sms.pass_real_time(7200)


def test_what_is_accepted_at_the_same_time_speaks_against_an_unclear_answer(
    outreach: MemoryOutreach,
) -> None:
    for number in range(8):
        outreach.reachable(f"client-{number}", address=f"+861380013800{number}")
        outreach.fall(f"client-{number}")
    first, *others = outreach.dispatch().claimed
    outreach.record((first, Accepted("ref-1")), *((each, NEW_CODE) for each in others))
    outreach.reachable(BEN, address="+8613800138010")
    outreach.fall(BEN)
    assert [each.client_id for each in outreach.dispatch().claimed] == [BEN]


def test_what_our_own_workers_lost_closes_no_channel(outreach: MemoryOutreach) -> None:
    for number in range(8):
        outreach.reachable(f"client-{number}", address=f"+861380013800{number}")
        outreach.fall(f"client-{number}")
    assert len(outreach.dispatch().claimed) == 8
    outreach.pass_real_time(61)
    assert outreach.recover() == 8
    outreach.reachable(BEN, address="+8613800138010")
    outreach.fall(BEN)
    assert [each.client_id for each in outreach.dispatch().claimed] == [BEN]


def test_the_longest_wait_of_a_message_has_a_bound(by_sms: MemoryOutreach) -> None:
    """However often it was tried before."""
    claimed = by_sms.claim()
    update = outcomes.apply_outcome(
        replace(claimed, attempt=5_000), NEW_CODE, DEFAULT_RETRIES[Channel.SMS], is_late=False
    )
    assert update.retry_seconds == timedelta(hours=1).total_seconds()
