"""Texts are judged as their readers would see them, with the practice's name and the client's."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from outreach_service.domain.rules import DEFAULT_RULES, Cap, Scope
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.messages import approve_message
from tests.support.doubles.composer import COMPOSER, WAY_OUT
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    PHONE,
    PRACTICE,
    MemoryOutreach,
)

SENDING = replace(DEFAULT_RULES, asks_discreet_name=True)
DEPRESSION = "Lakeside Depression & Anxiety Counselling"


@pytest.fixture
def due(outreach: MemoryOutreach) -> MemoryOutreach:
    """Ada can be reached by SMS, and her message is due."""
    outreach.reachable()
    outreach.fall()
    return outreach


def named(outreach: MemoryOutreach, name: str, discreet_name: str | None = None) -> None:
    practice = {"name": name, "zone": "Europe/London", "discreet_name": discreet_name}
    outreach.rows.practices[PRACTICE] = practice


def called(outreach: MemoryOutreach, name: str) -> None:
    for contact in outreach.rows.contacts.values():
        contact.name = name


def message_id(outreach: MemoryOutreach) -> str:
    return outreach.message().planned.message_id


def test_messages_are_signed_with_the_discreet_name(due: MemoryOutreach) -> None:
    named(due, DEPRESSION, "The Lake")
    (claimed,) = due.dispatch(rules=SENDING).claimed
    assert COMPOSER(claimed).body.startswith("【The Lake】")


def test_without_a_discreet_name_messages_wait_for_the_practice(due: MemoryOutreach) -> None:
    named(due, "Harbour")
    assert due.dispatch(rules=SENDING).claimed == []
    assert due.state() == ("deferred", "practice-not-ready")
    assert due.message().decide_at == NOON + 15 * MINUTE
    assert due.rows.permits[Channel.SMS] == 1000


def test_they_go_once_it_has_one(due: MemoryOutreach) -> None:
    named(due, "Harbour")
    due.dispatch(rules=SENDING)
    named(due, "Harbour", "The Harbour")
    due.stores.business_time = NOON + 15 * MINUTE
    assert len(due.dispatch(rules=SENDING).claimed) == 1


@pytest.mark.parametrize(
    "name",
    [
        DEPRESSION,
        "海港心理咨询中心",
        "海港心理諮商所",
        "Harbour Ｔｈｅｒａｐｙ",
        "Coun\u200cselling Harbour",
        "LakesideCounselling",
        "www.harbour.example",
        "Harbour \ue000",
        "【Harbour】",
    ],
)
@pytest.mark.parametrize("discreet", [True, False])
def test_a_name_that_tells_what_clients_come_for_goes_to_nobody(
    due: MemoryOutreach, name: str, *, discreet: bool
) -> None:
    """As a discreet name, and, while nothing is really sent, as the only one."""
    named(due, "Harbour" if discreet else name, name if discreet else None)
    assert due.dispatch().claimed == []
    state, reason = due.state()
    assert (state, str(reason).partition(":")[0]) == ("deferred", "practice-not-ready")
    assert due.message().attempts == 0


def test_what_is_wrong_with_the_name_is_said(due: MemoryOutreach) -> None:
    named(due, "Harbour", "Harbour Therapy")
    due.dispatch(rules=SENDING)
    assert due.state()[1] == (
        "practice-not-ready: its name may not contain 'therapy': it tells what clients come for"
    )


def test_a_name_of_one_letter_hides_no_word_of_a_text(due: MemoryOutreach) -> None:
    named(due, "e", "e")
    called(due, "Ada (depression)")
    assert due.dispatch(rules=SENDING).claimed == []
    assert due.state()[0] == "awaiting_staff"


def test_a_practice_may_be_called_silver(due: MemoryOutreach) -> None:
    named(due, "Silver Lake", "Silver Lake")
    assert len(due.dispatch(rules=SENDING).claimed) == 1


def test_a_name_that_wechat_cuts_short_is_not_judged_anew(outreach: MemoryOutreach) -> None:
    """What is left of it would be a tier's name to the lint."""
    outreach.reachable(channel=Channel.WECHAT, address="openid-of-ada")
    outreach.fall(steps=[{"channels": [{"channel": "wechat", "template": "check-in"}]}])
    named(outreach, "Silver Lake of the Far Mountains", "Silver Lake of the Far Mountains")
    (claimed,) = outreach.dispatch(rules=SENDING).claimed
    assert "Silver" in str(COMPOSER(claimed).params)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("王\ue000", id="a character of the private area"),
        pytest.param("Ada\u202e", id="one that turns the direction"),
        pytest.param("【Ada】", id="the brackets of a signature"),
    ],
)
def test_a_name_that_cannot_go_as_it_is_waits_for_a_person(due: MemoryOutreach, name: str) -> None:
    """An approval does not mend it; another name does."""
    called(due, name)
    for _ in range(2):
        assert due.dispatch().claimed == []
        state, reason = due.state()
        assert (state, str(reason).partition(":")[0]) == (
            "awaiting_staff",
            "text-waits-for-a-person",
        )
        assert name not in str(reason)
        approve_message(due.stores, PRACTICE, message_id(due))
    called(due, "王小明")
    assert "王小明" in COMPOSER(due.claim()).body
    assert due.message().attempts == 1


@pytest.mark.parametrize(
    "name", ["Ada (depression)", "Ada Gold", "王小满 抑郁", "see https://evil.example"]
)
def test_a_name_that_tells_too_much_waits_until_a_person_has_seen_it(
    due: MemoryOutreach, name: str
) -> None:
    """A staff's note, or somebody who is called so: a person knows which."""
    called(due, name)
    assert due.dispatch().claimed == []
    assert due.state() == (
        "awaiting_staff",
        "text-waits-for-a-person: body: has a word or link that no message may show",
    )
    approve_message(due.stores, PRACTICE, message_id(due))
    assert name in COMPOSER(due.claim()).body


def test_the_link_out_is_not_judged_by_its_letters(outreach: MemoryOutreach) -> None:
    """Its letters are chance, and it is the one link that is ours."""
    outreach.reachable(channel=Channel.EMAIL, address="ada@example.net")
    outreach.fall()
    assert WAY_OUT in COMPOSER(outreach.claim()).body


def without_template(outreach: MemoryOutreach) -> None:
    for row in outreach.rows.messages.values():
        step = row.planned.play.steps[0]
        routes = tuple(replace(route, template="gone") for route in step.routes)
        play = replace(row.planned.play, steps=(replace(step, routes=routes),))
        row.planned = row.planned._replace(play=play)


@pytest.mark.parametrize("prepare", [without_template])
def test_a_text_that_is_gone_loses_no_message(
    due: MemoryOutreach, prepare: Callable[[MemoryOutreach], None]
) -> None:
    prepare(due)
    assert due.dispatch().claimed == []
    assert due.state() == (
        "awaiting_staff",
        "text-waits-for-a-person: template: is not known",
    )


def test_one_text_that_waits_holds_no_other_back(due: MemoryOutreach) -> None:
    due.reachable("ben", address="+8613800138001")
    due.fall("ben")
    key = next(key for key in due.rows.contacts if key.client_id == ADA)
    due.rows.contacts[key].name = "王\ue000"
    assert [each.client_id for each in due.dispatch().claimed] == ["ben"]


def test_a_text_that_waits_uses_up_no_permit_of_its_look(due: MemoryOutreach) -> None:
    due.rows.permits[Channel.SMS] = 1
    called(due, "王\ue000")
    due.reachable("ben", address="+8613800138001")
    due.fall("ben", at=NOON + MINUTE)
    due.stores.business_time = NOON + MINUTE
    first = due.dispatch()
    assert (first.claimed, first.decided, first.is_all) == ([], 1, False)
    assert [each.client_id for each in due.dispatch().claimed] == ["ben"]


def test_a_text_that_waits_counts_for_no_cap(due: MemoryOutreach) -> None:
    called(due, "王\ue000")
    due.reachable("ben")
    due.fall("ben", at=NOON + MINUTE)
    due.stores.business_time = NOON + MINUTE
    care = frozenset({Purpose.CARE})
    one = Cap(scope=Scope.CONTACT, purposes=care, limit=1, window=7 * DAY)
    claims = due.dispatch(rules=replace(DEFAULT_RULES, caps=(one,)))
    assert [each.client_id for each in claims.claimed] == ["ben"]


def test_a_message_that_waits_for_a_person_ends_when_it_is_too_late(due: MemoryOutreach) -> None:
    called(due, "王\ue000")
    due.dispatch()
    message = due.message()
    due.stores.business_time = message.decide_at
    assert due.dispatch().claimed == []
    assert due.state()[0] == "expired"
    assert message.decide_at == NOON + message.planned.play.expires_after > NOON + HOUR
    assert PHONE not in str(due.state())
