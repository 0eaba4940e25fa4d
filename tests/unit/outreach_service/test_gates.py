"""Gates: each objection, their order, and that a further restriction never opens one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.domain import gates
from outreach_service.domain.gates import Context, Defer, Send, Suppress, choose_channel, gate
from outreach_service.domain.playbook import Mode
from outreach_service.domain.rules import Cap, Scope
from outreach_service.domain.terms import Channel, Purpose, Reason, Standing
from tests.support.generators.outreach_values import (
    EVERYTHING,
    NOON_IN_SHANGHAI,
    REACHABLE,
    a_change,
    a_context,
    a_marketing_play,
    a_play,
    a_sent,
    in_mode,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHT = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)  # 23:00 in Shanghai
NEXT_MORNING = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai


def test_nothing_in_the_way_sends_by_the_first_route() -> None:
    decision = gate(a_context())

    assert isinstance(decision, Send)
    assert decision.route.channel is Channel.WECHAT


NOON = NOON_IN_SHANGHAI


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        pytest.param({"play": in_mode(Mode.OBSERVE)}, Suppress(gates.OBSERVING), id="observing"),
        pytest.param(
            {"play": in_mode(Mode.APPROVE)},
            Defer(NOON + 7 * DAY, gates.AWAITING_APPROVAL),
            id="not approved yet",
        ),
        pytest.param({"due_at": NOON - 7 * DAY}, Suppress(gates.EXPIRED), id="too late"),
        pytest.param(
            {"is_fenced": True},
            Defer(NOON + 7 * DAY, gates.RESTORED),
            id="due before a restore, so it may have been sent",
        ),
        pytest.param(
            {"booking_at": NOON + DAY}, Suppress(gates.UPCOMING_BOOKING), id="they come anyway"
        ),
        pytest.param(
            {"activity_at": NOON - HOUR / 2}, Suppress(gates.NEWER_ACTIVITY), id="they were here"
        ),
        pytest.param(
            {"inputs_up_to": NOON - HOUR},
            Defer(NOON + timedelta(minutes=15), gates.INPUTS_LAG),
            id="it has not read what it must know",
        ),
        pytest.param(
            {"inputs_up_to": None},
            Defer(NOON + timedelta(minutes=15), gates.INPUTS_LAG),
            id="it has read nothing",
        ),
        pytest.param(
            {"zones": ("",)},
            Defer(NOON + timedelta(minutes=15), gates.PRACTICE_UNKNOWN),
            id="nothing was heard of the practice yet",
        ),
        pytest.param({"zones": ()}, Defer(NOON + 7 * DAY, gates.NEVER_OPEN), id="no zone known"),
        pytest.param(
            {"zones": ("Mars/Base",)}, Defer(NOON + 7 * DAY, gates.NEVER_OPEN), id="no such zone"
        ),
        pytest.param(
            {"now": NIGHT, "due_at": NIGHT}, Defer(NEXT_MORNING, gates.QUIET_HOURS), id="night"
        ),
        pytest.param(
            {"now": NIGHT, "due_at": NEXT_MORNING - 7 * DAY - HOUR},
            Defer(NEXT_MORNING - HOUR, gates.QUIET_HOURS),
            id="the morning is too late, so the decision comes at expiry",
        ),
    ],
)
def test_each_gate_objects(changes: dict[str, Any], decision: gates.Decision) -> None:
    assert gate(a_context(**changes)) == decision


def test_approval_opens_the_gate() -> None:
    assert isinstance(gate(a_context(play=in_mode(Mode.APPROVE), approved=True)), Send)
    assert isinstance(gate(a_context(is_fenced=True, approved=True)), Send)


def test_service_messages_know_no_night() -> None:
    context = a_context(play=a_play(purpose="service"), now=NIGHT, due_at=NIGHT)

    assert isinstance(gate(context), Send)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_play_that_does_not_ask_ignores_bookings_and_activity(purpose: Purpose) -> None:
    """But whether its cause still holds is known only once it has been read."""
    asks_nothing = {"upcoming_booking": False, "newer_activity": False}
    route = {"channel": "sms", "template": "check-in"}
    play = a_play(unless=asks_nothing, purpose=str(purpose), steps=[{"channels": [route]}])
    context = a_context(play=play, booking_at=NOON + DAY, activity_at=NOON)

    assert isinstance(gate(context), Send)
    lagging = gate(replace(context, inputs_up_to=None))
    assert isinstance(lagging, Send) == (purpose is Purpose.SERVICE)


@pytest.mark.parametrize(
    ("standing", "sends"),
    [
        pytest.param(None, True, id="nobody knows: before tiers were kept"),
        pytest.param(("rfm", "bronze", 4), True, id="there"),
        pytest.param(("rfm", "bronze", 9), True, id="there again"),
        pytest.param(("rfm", "silver", 4), False, id="risen since"),
        pytest.param(("ladder", "bronze", 4), False, id="the practice acts on another scheme"),
    ],
)
def test_a_message_asks_whether_its_cause_still_holds(
    standing: tuple[str, str, int] | None,
    sends: bool,  # noqa: FBT001
) -> None:
    stands = None
    if standing is not None:
        scheme, tier, version = standing
        stands = Standing(scheme, tier, NOON, version)
    decision = gate(a_context(standing=stands))

    assert isinstance(decision, Send) if sends else decision == Suppress(gates.CAUSE_GONE)


def test_the_same_text_may_go_again_on_the_thirtieth_local_day() -> None:
    """It went at 23:30 in Shanghai."""
    context = a_context(now=NOON)
    last = datetime(2026, 2, 1, 15, 30, tzinfo=UTC)
    for now, sends in ((NOON - DAY, False), (NOON, True)):
        sent = (a_sent(last, template="check-in"), a_sent(NOON - 2 * DAY))
        due = replace(context, now=now, due_at=now, inputs_up_to=now, sent=sent)
        decision = gate(due)
        assert isinstance(decision, Send) if sends else decision == Suppress(gates.SAID_RECENTLY)


def test_the_same_text_is_another_clients_or_a_service_messages_own_affair() -> None:
    said = a_sent(NOON - DAY, template="check-in")
    assert gate(a_context(sent=(said,))) == Suppress(gates.SAID_RECENTLY)
    brother = replace(said, client_id="another")
    assert isinstance(gate(a_context(sent=(brother,))), Send)
    assert isinstance(gate(a_context(play=a_play(purpose="service"), sent=(said,))), Send)


def test_news_is_as_old_as_what_happened() -> None:
    for happened_at, expires_at in ((None, NOON), (NOON, NOON), (NOON - DAY, NOON - DAY)):
        change = a_change(effective_at=NOON, happened_at=happened_at)
        context = a_context(change=change, due_at=NOON)
        assert context.expires_at == expires_at + 7 * DAY


@pytest.mark.parametrize(
    ("reason", "sends"),
    [
        pytest.param(Reason.ACTIVITY, True, id="the activity that caused the change is not newer"),
        pytest.param(Reason.ELAPSED_TIME, False, id="one at the very midnight is"),
    ],
)
def test_activity_at_the_instant_of_the_cause(reason: Reason, sends: bool) -> None:  # noqa: FBT001
    change = a_change(reason=reason)
    context = a_context(change=change, activity_at=change.effective_at)

    assert isinstance(gate(context), Send) == sends


@pytest.mark.parametrize(("later", "sends"), [(0 * HOUR, True), (HOUR / 60, False)])
def test_a_cause_that_is_dated_ahead_is_not_newer_than_itself(
    later: timedelta,
    sends: bool,  # noqa: FBT001
) -> None:
    change = a_change(reason=Reason.ACTIVITY)
    change = replace(change, happened_at=change.effective_at + HOUR / 2)
    context = a_context(change=change, activity_at=change.happened_at + later)

    assert isinstance(gate(context), Send) == sends


def test_the_first_channel_with_consent_and_contact_is_chosen() -> None:
    consents = EVERYTHING - {(Channel.WECHAT, Purpose.CARE)}
    contacts = {name: point for name, point in REACHABLE.items() if name is not Channel.SMS}
    decision = gate(a_context(consents=consents, contacts=contacts))

    assert isinstance(decision, Send)
    assert decision.route.channel is Channel.EMAIL


def test_no_channel_says_what_is_missing_of_each() -> None:
    decision = gate(a_context(consents={(Channel.SMS, Purpose.CARE)}, contacts={}))

    assert decision == Suppress(
        "no-permitted-channel: wechat without consent for care, sms without contact, "
        "email without consent for care"
    )


def test_marketing_never_goes_by_wechat_even_from_a_play_that_slipped_through() -> None:
    """The playbook refuses it when read; the gate does not rely on that (L14)."""
    slipped = replace(a_play(), purpose=Purpose.MARKETING)
    decision = gate(a_context(play=slipped))

    assert isinstance(decision, Send)
    assert decision.route.channel is Channel.SMS


def test_marketing_off_leaves_service_on() -> None:
    consents = frozenset({(channel, Purpose.SERVICE) for channel in Channel})

    assert isinstance(gate(a_context(play=a_marketing_play(), consents=consents)), Suppress)
    assert isinstance(gate(a_context(play=a_play(purpose="service"), consents=consents)), Send)


def test_a_cap_defers_until_the_oldest_counted_message_falls_out() -> None:
    first, second = a_sent(NOON - 5 * DAY), a_sent(NOON - 2 * DAY)
    decision = gate(a_context(sent=(second, first)))

    assert decision == Defer(NOON + 2 * DAY, "frequency-cap:client")


def test_more_than_the_limit_must_all_but_one_fall_out() -> None:
    sent = tuple(a_sent(NOON - days * DAY) for days in (6, 4, 1))

    assert gate(a_context(sent=sent)) == Defer(NOON + 3 * DAY, "frequency-cap:client")


def test_of_two_full_caps_the_later_decides() -> None:
    own = a_sent(NOON - 6 * DAY), a_sent(NOON - 5 * DAY)
    others = tuple(a_sent(NOON - DAY, client_id=f"sibling-{n}") for n in range(3))

    assert gate(a_context(sent=own)) == Defer(NOON + DAY, "frequency-cap:client")
    assert gate(a_context(sent=own + others)) == Defer(NOON + 6 * DAY, "frequency-cap:contact")


def test_the_edge_of_a_window_is_outside() -> None:
    at_edge = a_sent(NOON - 7 * DAY)
    just_in = replace(at_edge, at=at_edge.at + timedelta(microseconds=1))

    assert isinstance(gate(a_context(sent=(at_edge, at_edge, at_edge))), Send)
    assert isinstance(gate(a_context(sent=(just_in, just_in))), Defer)


def test_a_family_phone_is_capped_over_all_who_share_it() -> None:
    others = tuple(a_sent(NOON - n * DAY, client_id=f"sibling-{n}") for n in (1, 2, 3))
    elsewhere = tuple(replace(sent, contact="another") for sent in others)

    assert gate(a_context(sent=others)) == Defer(NOON + 4 * DAY, "frequency-cap:contact")
    assert isinstance(gate(a_context(sent=elsewhere)), Send)


def test_other_purposes_do_not_use_up_a_purposes_cap() -> None:
    served = tuple(a_sent(NOON - HOUR, purpose=Purpose.SERVICE) for _ in range(20))

    assert isinstance(gate(a_context(sent=served)), Send)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"window": timedelta()}, {"purposes": frozenset()}]
)
def test_a_cap_that_caps_nothing_is_refused(wrong: dict[str, Any]) -> None:
    fields = {"limit": 1, "window": DAY, "purposes": frozenset({Purpose.CARE}), **wrong}
    with pytest.raises(ValueError, match="a cap needs"):
        Cap(scope=Scope.CLIENT, **fields)


FIRST = datetime(2024, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(), timedelta(days=1460)).map(lambda age: FIRST + age)
CONTEXTS = st.builds(
    a_context,
    play=st.sampled_from([a_play(), a_marketing_play(), a_play(purpose="service")]),
    now=INSTANTS,
    approved=st.booleans(),
    consents=st.frozensets(st.sampled_from(sorted(EVERYTHING))),
    contacts=st.sets(st.sampled_from(list(Channel))).map(
        lambda open_: {channel: REACHABLE[channel] for channel in open_}
    ),
)


@st.composite
def with_history(draw: st.DrawFn) -> Context:
    context = draw(CONTEXTS)
    ages = draw(st.lists(st.timedeltas(timedelta(), timedelta(days=9)), max_size=4))
    purposes = st.sampled_from(list(Purpose))
    sent = tuple(a_sent(context.now - age, purpose=draw(purposes)) for age in ages)
    return replace(context, sent=sent)


RESTRICTIONS = (
    lambda c: replace(c, consents=frozenset(sorted(c.consents)[1:])),
    lambda c: replace(c, contacts=dict(list(c.contacts.items())[1:])),
    lambda c: replace(c, booking_at=c.now + DAY),
    lambda c: replace(c, activity_at=c.now),
    lambda c: replace(c, inputs_up_to=None),
    lambda c: replace(c, standing=Standing("rfm", "gold", c.now, 9)),
    lambda c: replace(c, due_at=c.now - 30 * DAY),
    lambda c: replace(c, zones=(*c.zones, "America/New_York")),
    lambda c: replace(c, zones=()),
    lambda c: replace(c, sent=(*c.sent, a_sent(c.now - HOUR, purpose=c.play.purpose))),
    lambda c: replace(c, sent=(*c.sent, a_sent(c.now - HOUR, template="check-in"))),
    lambda c: replace(c, play=replace(c.play, mode=Mode.OBSERVE)),
    lambda c: replace(c, rules=replace(c.rules, caps=(*c.rules.caps, a_hard_cap(c)))),
)


def a_hard_cap(context: Context) -> Cap:
    purposes = frozenset({context.play.purpose})
    return Cap(scope=Scope.CONTACT, purposes=purposes, limit=1, window=9 * DAY)


@given(with_history(), st.sampled_from(range(len(RESTRICTIONS))))
def test_a_further_restriction_never_opens_a_gate(context: Context, which: int) -> None:
    """Suppressed stays suppressed, or waits; what does not send, does not send when less may be."""
    restricted = RESTRICTIONS[which](context)
    before, after = gate(context), gate(restricted)

    if not isinstance(before, Send):
        assert not isinstance(after, Send)


@given(with_history())
def test_a_deferred_message_is_decided_again_later_and_in_time(context: Context) -> None:
    decision = gate(context)

    if isinstance(decision, Defer):
        assert context.now < decision.until <= context.expires_at
    again = gate(replace(context, now=context.expires_at))
    assert again == Suppress(gates.EXPIRED)


@given(with_history())
def test_what_is_sent_has_consent_contact_and_room(context: Context) -> None:
    decision = gate(context)
    if not isinstance(decision, Send):
        return
    purpose, channel = context.play.purpose, decision.route.channel
    recent = [s for s in context.sent if s.purpose is purpose and s.at > context.now - 7 * DAY]

    assert (channel, purpose) in context.consents
    assert channel in context.contacts
    assert purpose is Purpose.SERVICE or len(recent) < 2
    assert choose_channel(context) == decision.route


def test_a_channel_without_an_account_leads_to_the_next_route() -> None:
    rules = replace(gates.DEFAULT_RULES, closed=frozenset({Channel.WECHAT}))
    decision = gate(a_context(rules=rules))

    assert isinstance(decision, Send)
    assert decision.route.channel is Channel.SMS

    nothing = replace(gates.DEFAULT_RULES, closed=frozenset(Channel))
    assert gate(a_context(rules=nothing)) == Suppress(
        "no-permitted-channel: wechat without account, sms without account, email without account"
    )
