"""One message for people: its text as it would go, approval, cancellation."""

from collections.abc import Mapping
from typing import Any

import pytest

from outreach_service.domain.message_views import Preview
from outreach_service.domain.messages import Accepted
from outreach_service.domain.templates import Catalogue, Template
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.messages import approve_message, cancel_message, view_message
from outreach_service.handlers.previews import Previews
from outreach_service.ports import NoBusinessTime, Rendered, RenderingFailed, WrongState
from tests.support.doubles.open_cipher import NO_KEY, OpenCipher
from tests.unit.outreach_service.memory_outreach import (
    CALLER,
    HOUR,
    NOON,
    PRACTICE,
    MemoryOutreach,
)

OPENID = "openid-0000000000000000000001"


def a_template(channel: Channel, language: str = "en") -> Template:
    return Template(
        key="check-in",
        version=2,
        channel=channel,
        purpose=Purpose.CARE,
        language=language,
        subject="",
        body="Hello",
        provider_template="",
        params={},
    )


def render(template: Template, values: Mapping[str, str]) -> Rendered:
    if values["name"] == "unprintable":
        raise RenderingFailed("name", "is empty")
    body = f"{template.body} {values['name']} of {values['practice']}: {values['unsubscribe_url']}"
    return Rendered("", body, {})


CATALOGUE = Catalogue(
    {("check-in", each, "en"): a_template(each) for each in (Channel.WECHAT, Channel.SMS)}
)
PREVIEWS = Previews(OpenCipher(), CATALOGUE, render, "https://rapport.example/")


@pytest.fixture
def planned(outreach: MemoryOutreach) -> MemoryOutreach:
    """Ada can be reached by SMS, and her message is planned."""
    outreach.reachable()
    outreach.fall()
    return outreach


@pytest.fixture
def awaiting(outreach: MemoryOutreach) -> MemoryOutreach:
    """Ada can be reached by SMS, and her message awaits staff."""
    outreach.reachable()
    outreach.fall(mode="approve")
    outreach.dispatch()
    return outreach


def message_id(outreach: MemoryOutreach) -> str:
    return outreach.message().planned.message_id


def preview(outreach: MemoryOutreach, previews: Previews = PREVIEWS) -> Preview:
    view = view_message(outreach.stores, previews, CALLER, message_id(outreach))
    assert view is not None
    return view.preview


def test_a_message_is_shown_with_its_cause_and_attempts(planned: MemoryOutreach) -> None:
    planned.record((planned.claim(), Accepted("ref-1")))
    view = view_message(planned.stores, PREVIEWS, CALLER, message_id(planned))
    assert view is not None
    assert (view.row.state, view.row.channel) == ("accepted", "sms")
    assert view.change["direction"] == "downgraded"
    assert [attempt.outcome for attempt in view.attempts] == ["accepted"]


def test_a_preview_is_the_text_with_a_link_that_does_not_work(planned: MemoryOutreach) -> None:
    assert preview(planned) == Preview(
        channel="sms",
        template="check-in",
        template_version=2,
        language="en",
        body="Hello Ada of Harbour: https://rapport.example/v1/unsubscribe/…",
    )


def test_a_preview_takes_the_first_channel_with_consent(planned: MemoryOutreach) -> None:
    planned.reachable(channel=Channel.WECHAT, address=OPENID)
    assert preview(planned).channel == "wechat"
    planned.consent(channel=Channel.WECHAT, granted=False)
    assert preview(planned).channel == "sms"


def test_a_preview_takes_no_channel_without_an_account(planned: MemoryOutreach) -> None:
    planned.reachable(channel=Channel.WECHAT, address=OPENID)
    closed = Previews(OpenCipher(), CATALOGUE, render, "https://x.example", {Channel.WECHAT})
    assert preview(planned, closed).channel == "sms"


def test_a_preview_of_a_sent_message_keeps_to_its_channel(planned: MemoryOutreach) -> None:
    planned.claim()
    planned.reachable(channel=Channel.WECHAT, address=OPENID)
    closed = Previews(OpenCipher(), CATALOGUE, render, "https://x.example", {Channel.SMS})
    assert preview(planned, closed).channel == "sms"


def without_contact(outreach: MemoryOutreach) -> None:
    outreach.rows.contacts.clear()


def without_practice(outreach: MemoryOutreach) -> None:
    outreach.rows.practices.clear()


def without_template(outreach: MemoryOutreach) -> None:
    outreach.rows.contacts.clear()
    outreach.reachable(channel=Channel.EMAIL, address="ada@example.net")


def without_key(outreach: MemoryOutreach) -> None:
    for contact in outreach.rows.contacts.values():
        contact.name = NO_KEY


def without_name(outreach: MemoryOutreach) -> None:
    for contact in outreach.rows.contacts.values():
        contact.name = "unprintable"


@pytest.mark.parametrize(
    ("prepare", "missing"),
    [
        (without_contact, "no contact"),
        (without_practice, "the practice's name is not known yet"),
        (without_template, "no template 'check-in'"),
        (without_key, "the contact's key is gone"),
        (without_name, "name is empty"),
    ],
)
def test_a_preview_without_a_text_tells_what_is_missing(
    planned: MemoryOutreach, prepare: Any, missing: str
) -> None:
    prepare(planned)
    assert preview(planned).missing == missing
    assert preview(planned).body == ""


def test_a_message_that_awaits_staff_is_approved_and_goes(awaiting: MemoryOutreach) -> None:
    awaiting.stores.business_time = NOON + HOUR
    row = approve_message(awaiting.stores, PRACTICE, message_id(awaiting))
    assert row is not None
    assert (row.state, row.reason, row.approved, row.decide_at) == (
        "scheduled",
        None,
        True,
        NOON + HOUR,
    )
    assert awaiting.events() == ["scheduled", "awaiting_staff", "scheduled"]
    assert len(awaiting.dispatch().claimed) == 1


def test_an_approved_message_still_meets_the_other_gates(awaiting: MemoryOutreach) -> None:
    approve_message(awaiting.stores, PRACTICE, message_id(awaiting))
    awaiting.consent(granted=False)
    assert awaiting.dispatch().claimed == []
    assert awaiting.message().state == "suppressed"


def test_a_repeated_approval_changes_nothing_however_far_the_message_is(
    awaiting: MemoryOutreach,
) -> None:
    first = approve_message(awaiting.stores, PRACTICE, message_id(awaiting))
    assert approve_message(awaiting.stores, PRACTICE, message_id(awaiting)) == first
    awaiting.record((awaiting.claim(), Accepted("ref-1")))
    gone = approve_message(awaiting.stores, PRACTICE, message_id(awaiting))
    assert gone is not None
    assert (gone.state, gone.approved) == ("accepted", True)
    approved = ["scheduled", "awaiting_staff", "scheduled"]
    assert awaiting.events() == [*approved, "sending", "accepted"]


def test_what_was_cancelled_after_its_approval_cannot_be_approved(awaiting: MemoryOutreach) -> None:
    approve_message(awaiting.stores, PRACTICE, message_id(awaiting))
    cancel_message(awaiting.stores, PRACTICE, message_id(awaiting))
    with pytest.raises(WrongState, match="it is cancelled"):
        approve_message(awaiting.stores, PRACTICE, message_id(awaiting))


def test_only_a_message_that_awaits_staff_can_be_approved(planned: MemoryOutreach) -> None:
    with pytest.raises(WrongState, match="it is scheduled"):
        approve_message(planned.stores, PRACTICE, message_id(planned))
    assert planned.events() == ["scheduled"]


@pytest.mark.parametrize("case", ["planned", "awaiting"])
def test_a_message_is_cancelled_before_it_goes(case: str, request: pytest.FixtureRequest) -> None:
    outreach = request.getfixturevalue(case)
    row = cancel_message(outreach.stores, PRACTICE, message_id(outreach))
    assert row is not None
    assert (row.state, row.reason) == ("cancelled", "cancelled-by-staff")
    assert outreach.events()[-1] == "cancelled"
    assert outreach.dispatch().decided == 0


def test_a_message_is_cancelled_once(planned: MemoryOutreach) -> None:
    for _ in range(2):
        row = cancel_message(planned.stores, PRACTICE, message_id(planned))
        assert row is not None
        assert row.state == "cancelled"
    assert planned.events() == ["scheduled", "cancelled"]


def test_a_suppressed_message_stays_suppressed(planned: MemoryOutreach) -> None:
    planned.consent(granted=False)
    planned.dispatch()
    row = cancel_message(planned.stores, PRACTICE, message_id(planned))
    assert row is not None
    assert row.state == "suppressed"


def test_a_message_that_a_provider_may_have_cannot_be_cancelled(planned: MemoryOutreach) -> None:
    planned.claim()
    with pytest.raises(WrongState, match="sending cannot cancel"):
        cancel_message(planned.stores, PRACTICE, message_id(planned))


@pytest.mark.parametrize("steer", [approve_message, cancel_message])
def test_before_there_is_business_time_nothing_is_steered(
    awaiting: MemoryOutreach, steer: Any
) -> None:
    awaiting.stores.business_time = None
    with pytest.raises(NoBusinessTime):
        steer(awaiting.stores, PRACTICE, message_id(awaiting))
    assert awaiting.message().state == "awaiting_staff"


@pytest.mark.parametrize("practice_id", ["lakeside", PRACTICE])
def test_a_message_of_another_practice_or_none_is_not_found(
    planned: MemoryOutreach, practice_id: str
) -> None:
    wanted = message_id(planned) if practice_id != PRACTICE else "0" * 32
    caller = CALLER._replace(practice_id=practice_id)
    assert view_message(planned.stores, PREVIEWS, caller, wanted) is None
    assert planned.rows.reads == {}
    assert approve_message(planned.stores, practice_id, wanted) is None
    assert cancel_message(planned.stores, practice_id, wanted) is None
