"""Playbooks: read strictly, matched exactly, and messages with one identity each."""

import json
import re
from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.builtin import builtin_catalogue
from outreach_service.documents.playbooks import read_playbook, read_usable_playbook
from outreach_service.documents.reading import MOST_FAULTS
from outreach_service.domain.faults import Fault, InvalidDocument
from outreach_service.domain.playbook import Mode, Playbook, message_id, plays_for
from outreach_service.domain.templates import without_template
from outreach_service.domain.terms import Channel, Direction, Occasion, Origin, Purpose, Reason
from tests.support.generators.outreach_values import a_change, a_play, a_play_document, a_playbook

WECHAT_FIRST = [{"channels": [{"channel": "wechat", "template": "win-back"}]}]
THERE_ARE = "there are check-in, thanks, welcome"
TWICE = [{"channels": [{"channel": "sms", "template": t} for t in ("one", "two")]}]


def test_what_is_left_out_takes_the_careful_default() -> None:
    play = a_play(mode=None, settles_after=None)

    assert play.mode is Mode.OBSERVE
    assert play.settles_after == timedelta(hours=2)
    assert play.expires_after == timedelta(days=7)
    assert play.when.reasons == {Reason.ACTIVITY, Reason.ELAPSED_TIME}
    assert play.when.origins == {Origin.LIVE}
    assert play.unless.upcoming_booking
    assert play.unless.newer_activity


def test_only_plays_on_a_downgrade_look_for_bookings_by_default() -> None:
    play = a_play(when={"directions": ["upgraded"]})

    assert not play.unless.upcoming_booking
    assert not play.unless.newer_activity


def test_a_play_on_a_rise_is_news_for_hours_by_default() -> None:
    rise = {"directions": ["entered", "upgraded"]}

    assert a_play(when=rise).expires_after == timedelta(hours=36)
    assert a_play(when=rise, expires_after="P3D").expires_after == timedelta(days=3)


def test_for_plays_a_correction_counts_as_activity() -> None:
    when = {"directions": ["upgraded"], "reasons": ["correction", "override"]}

    asked = a_play(when=when).when
    assert asked.reasons == {Reason.ACTIVITY, Reason.OVERRIDE}
    assert [
        asked.covers(a_change(direction=Direction.UPGRADED, reason=each))
        for each in (Reason.CORRECTION, Reason.ACTIVITY, Reason.ELAPSED_TIME)
    ] == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"key": None}, "plays[0].key", id="no key"),
        pytest.param({"kee": "x"}, "plays[0].kee", id="a misspelt key"),
        pytest.param({"purpose": "sales"}, "plays[0].purpose", id="an unknown purpose"),
        pytest.param({"mode": True}, "plays[0].mode", id="a mode that is no word"),
        pytest.param({"when": []}, "plays[0].when", id="when is no object"),
        pytest.param({"when": {}}, "plays[0].when.directions", id="no direction"),
        pytest.param(
            {"when": {"directions": ["sideways"]}},
            "plays[0].when.directions[0]",
            id="an unknown direction",
        ),
        pytest.param(
            {"when": {"directions": ["left"], "reasons": []}},
            "plays[0].when.reasons",
            id="no reason at all",
        ),
        pytest.param({"unless": {"newer_activity": 1}}, "plays[0].unless.newer_activity", id="1"),
        pytest.param(
            {"unless": {"newer_activity": None}}, "plays[0].unless.newer_activity", id="null"
        ),
        pytest.param({"key": "k" * 65}, "plays[0].key", id="too long a key"),
        pytest.param({"key": ""}, "plays[0].key", id="an empty key"),
        pytest.param({"expires_after": 604800}, "plays[0].expires_after", id="a number"),
        pytest.param({"expires_after": "P1M"}, "plays[0].expires_after", id="a month"),
        pytest.param({"expires_after": "PT0S"}, "plays[0].expires_after", id="expires at once"),
        pytest.param({"settles_after": "P1M"}, "plays[0].settles_after", id="settles for a month"),
        pytest.param({"steps": []}, "plays[0].steps", id="no step"),
        pytest.param({"steps": TWICE}, "plays[0].steps[0].channels", id="a channel twice"),
        pytest.param(
            {"purpose": "marketing", "steps": WECHAT_FIRST},
            "plays[0].steps[0].channels[0].channel",
            id="marketing by WeChat (L14)",
        ),
    ],
)
def test_a_wrong_playbook_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        a_playbook(a_play_document(**changes))

    assert [fault.path for fault in refused.value.faults] == [field]


@pytest.mark.parametrize(
    ("plays", "faults"),
    [
        pytest.param(
            [{"mode": "shout", "surprise": 1}, {"steps": [{"delay": "P1M", "channels": []}]}],
            [
                "plays[0].mode",
                "plays[0].surprise",
                "plays[1].steps[0].channels",
                "plays[1].steps[0].delay",
            ],
            id="of shape",
        ),
        pytest.param(
            [{}, {"purpose": "marketing", "steps": WECHAT_FIRST}, {"key": "c", "steps": TWICE}],
            [
                "plays[1].key",
                "plays[1].steps[0].channels[0].channel",
                "plays[2].steps[0].channels",
            ],
            id="of meaning",
        ),
    ],
)
def test_all_faults_of_a_playbook_are_named_at_once(
    plays: list[dict[str, Any]], faults: list[str]
) -> None:
    with pytest.raises(InvalidDocument) as refused:
        a_playbook(*[a_play_document(**play) for play in plays])

    assert [fault.path for fault in refused.value.faults] == faults
    assert str(refused.value).splitlines() == [str(fault) for fault in refused.value.faults]


def test_each_route_without_a_text_is_a_fault_of_its_play() -> None:
    routes = [{"channel": name, "template": "unheard-of"} for name in ("sms", "email")]
    document = {"key": "k", "plays": [a_play_document(steps=[{"channels": routes}])]}

    with pytest.raises(InvalidDocument) as refused:
        read_usable_playbook(document, builtin_catalogue())

    place = ("plays", 0, "steps", 0, "channels")
    assert refused.value.faults == (
        Fault((*place, 0, "template"), f"no template of this key for care by sms; {THERE_ARE}"),
        Fault((*place, 1, "template"), f"no template of this key for care by email; {THERE_ARE}"),
    )


@pytest.mark.parametrize(
    ("purpose", "steps", "problem"),
    [
        pytest.param("care", TWICE, "names a channel twice", id="a channel twice"),
        pytest.param(
            "marketing",
            WECHAT_FIRST,
            "WeChat template messages are service notices and may not carry marketing",
            id="marketing by WeChat",
        ),
    ],
)
def test_a_fault_gives_its_reason(purpose: str, steps: list[Any], problem: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        a_playbook(a_play_document(purpose=purpose, steps=steps))

    assert [fault.problem for fault in refused.value.faults] == [problem]


def test_two_plays_of_one_key_are_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"plays\[1\].key: is already taken"):
        a_playbook(a_play_document(), a_play_document())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_anything_but_a_playbook_is_refused(document: Any) -> None:
    with pytest.raises(InvalidDocument):
        read_playbook(document)


@pytest.mark.parametrize(
    ("changes", "answered"),
    [
        pytest.param({}, True, id="the change it is for"),
        pytest.param({"direction": Direction.UPGRADED}, False, id="another direction"),
        pytest.param({"to_tier": "iron"}, False, id="another tier"),
        pytest.param({"reason": Reason.CORRECTION}, True, id="a correction, as activity"),
        pytest.param({"reason": Reason.RULEBOOK}, False, id="a published rulebook"),
        pytest.param({"reason": "eclipse"}, False, id="a reason that no play can ask for"),
        pytest.param({"origin": Origin.BACKFILL}, False, id="imported history"),
        pytest.param({"primary": False}, False, id="a scheme that the practice does not act on"),
    ],
)
def test_a_play_answers_only_its_changes(changes: dict[str, Any], answered: bool) -> None:  # noqa: FBT001
    plays = plays_for(a_playbook(a_play_document()), a_change(**changes))

    assert [play.key for play in plays] == (["check-in"] if answered else [])


def test_the_tier_before_is_not_asked_of_who_had_none() -> None:
    when = {"directions": ["entered", "upgraded"], "from_tiers": ["prospect"]}
    book = a_playbook(a_play_document(when=when))
    entered = a_change(direction=Direction.ENTERED, from_tier=None)
    risen = a_change(direction=Direction.UPGRADED, from_tier="iron")

    assert plays_for(book, entered)
    assert not plays_for(book, risen)


def test_a_message_has_the_identity_it_always_had() -> None:
    occasion = Occasion("tier", "rfm:1")
    expected = "8713ad50f2025c27b9c28c31c31d7b0c"
    assert message_id("harbour", "c1", "welcome", occasion, 0) == expected


OCCASIONS = st.builds(Occasion, st.text(), st.text())


@given(*[st.tuples(st.text(), st.text(), st.text(), OCCASIONS, st.integers(0))] * 2)
def test_messages_are_one_when_all_their_parts_are(one: Any, other: Any) -> None:
    assert (message_id(*one) == message_id(*other)) == (one == other)
    assert len(message_id(*one)) == 32


@pytest.mark.parametrize("shifted", [("a", "bc"), ("ab", "c"), ("a:b", "c"), ("1:a,", "b")])
def test_parts_do_not_run_into_each_other(shifted: tuple[str, str]) -> None:
    others = {("a", "bc"), ("ab", "c"), ("a:b", "c"), ("1:a,", "b")} - {shifted}
    it = Occasion("tier", "rfm:1")

    assert message_id(*shifted, "p", it, 0) not in {message_id(*o, "p", it, 0) for o in others}
    named = {message_id("a", "b", "p", Occasion(*each), 0) for each in others}
    assert message_id("a", "b", "p", Occasion(*shifted), 0) not in named


def shipped(package: str, *where: str) -> Playbook:
    """A playbook that comes with a package."""
    return read_playbook(json.loads(files(package).joinpath(*where).read_text("utf-8")))


def test_the_built_in_plays_only_watch_and_have_all_their_texts() -> None:
    book = shipped("outreach_service", "playbooks", "default.json")

    assert {play.mode for play in book.plays} == {Mode.OBSERVE}
    assert without_template(book, builtin_catalogue()) == []
    assert [play.purpose for play in book.plays] == [
        Purpose.CARE,
        Purpose.CARE,
        Purpose.MARKETING,
        Purpose.CARE,
    ]


def test_the_demo_sends_the_same_plays() -> None:
    demo = shipped("rapport_devkit", "data", "playbook.json")
    built_in = shipped("outreach_service", "playbooks", "default.json")

    assert {play.mode for play in demo.plays} == {Mode.SEND}
    assert [p.steps for p in demo.plays] == [p.steps for p in built_in.plays]


def test_the_sandbox_has_approved_every_built_in_text() -> None:
    text = (files("rapport_devkit") / "data" / "approved_templates.json").read_text("utf-8")
    approved = json.loads(text)
    texts = builtin_catalogue().templates.values()
    used = {
        provider: {t.provider_template: sorted(t.params) for t in texts if t.channel is channel}
        for provider, channel in (("wechat", Channel.WECHAT), ("aliyun_sms", Channel.SMS))
    }

    assert approved == used


def delay_of(text: str) -> timedelta:
    """The delay of a step that is written so."""
    return a_play(steps=[{**WECHAT_FIRST[0], "delay": text}]).steps[0].delay


@pytest.mark.parametrize(
    ("text", "length"),
    [
        pytest.param("P7D", timedelta(days=7), id="days"),
        pytest.param("P2W", timedelta(weeks=2), id="weeks"),
        pytest.param("PT90M", timedelta(minutes=90), id="minutes"),
        pytest.param("P1DT12H", timedelta(hours=36), id="days and hours"),
    ],
)
def test_durations_of_fixed_length(text: str, length: timedelta) -> None:
    assert delay_of(text) == length


@pytest.mark.parametrize("text", ["", "P", "PT", "P1M", "P1Y", "7D", "P-1D", "P1W2D", "P1.5D"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match="not an ISO 8601 duration"):
        delay_of(text)


def test_too_many_plays_are_one_fault_whatever_they_hold() -> None:
    with pytest.raises(InvalidDocument) as refused:
        read_playbook({"key": "k", "plays": [{}] * 51})
    [fault] = refused.value.faults
    assert fault == Fault(("plays",), "List should have at most 50 items after validation, not 51")


@pytest.mark.parametrize("text", ["P１D", "P٣D", "P1D\n", "secret-value"])
def test_a_duration_is_of_plain_digits_and_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidDocument, match="not an ISO 8601 duration") as refused:
        delay_of(text)
    assert text not in str(refused.value)


def test_of_very_many_faults_the_first_are_listed_and_the_rest_counted() -> None:
    document = {"key": "x", "plays": [], **{f"unknown-{number}": 1 for number in range(500)}}
    with pytest.raises(InvalidDocument) as refused:
        read_playbook(document)
    faults = refused.value.faults
    assert len(faults) == MOST_FAULTS + 1
    assert re.fullmatch(r"has 40\d more faults", faults[-1].problem)
