"""Planning: a message for each step of each play that answers a tier change, once."""

from datetime import timedelta

from outreach_service.documents.playbooks import read_known_playbook
from outreach_service.domain.settling import HeardChange
from outreach_service.domain.terms import Direction, Occasion, Reason
from outreach_service.handlers.planning import Plays, hear_changes
from outreach_service.ports.records import StoredPlaybook
from tests.support.generators.outreach_values import a_change, a_play_document
from tests.unit.outreach_service.memory_outreach import ADA, BEN, NOON, PRACTICE, MemoryOutreach

STEP = a_play_document()["steps"][0]


def plan(outreach: MemoryOutreach, *changes: HeardChange) -> None:
    with outreach.stores.open() as store:
        hear_changes(store, Plays(read_known_playbook, outreach.document), changes)


def test_a_change_plans_a_message_for_each_step(outreach: MemoryOutreach) -> None:
    steps = [STEP, {**STEP, "delay": "P3D"}]
    outreach.document = {"key": "test", "plays": [a_play_document(steps=steps)]}
    plan(outreach, HeardChange(a_change(effective_at=NOON), 3, None))
    planned = [row.planned for row in outreach.rows.messages.values()]
    assert [(each.step, each.due_at) for each in planned] == [
        (0, NOON),
        (1, NOON + timedelta(days=3)),
    ]
    assert {each.partition for each in planned} == {3}
    assert [each.play_body for each in planned] == outreach.document["plays"] * 2


def test_each_planned_message_is_published_with_its_due_time(outreach: MemoryOutreach) -> None:
    plan(outreach, HeardChange(a_change(client_id=ADA, version=7, effective_at=NOON), 3, None))
    (event,) = outreach.rows.events
    assert (event.client_id, event.occasion, event.partition) == (ADA, ("tier", "rfm:7"), 3)
    assert (event.state, event.channel, event.reason, event.at) == ("scheduled", None, None, NOON)


def test_a_change_that_comes_twice_plans_nothing_twice(outreach: MemoryOutreach) -> None:
    again = HeardChange(a_change(effective_at=NOON), 3, None)
    plan(outreach, again, again)
    plan(outreach, again)
    assert len(outreach.rows.messages) == 1
    assert outreach.events() == ["scheduled"]


def test_a_change_that_no_play_answers_plans_nothing(outreach: MemoryOutreach) -> None:
    plan(outreach, HeardChange(a_change(direction=Direction.UPGRADED), 3, None))
    assert outreach.rows.messages == {}


def test_equal_versions_of_two_schemes_are_two_occasions(outreach: MemoryOutreach) -> None:
    schemes = ("rfm", "ladder")
    plan(outreach, *[HeardChange(a_change(scheme=each, version=7), 3, None) for each in schemes])
    occasions = {row.planned.occasion for row in outreach.rows.messages.values()}
    assert occasions == {Occasion("tier", "rfm:7"), Occasion("tier", "ladder:7")}


def test_a_change_in_a_scheme_that_is_not_primary_plans_nothing(outreach: MemoryOutreach) -> None:
    plan(outreach, HeardChange(a_change(primary=False), 3, None))
    assert outreach.rows.messages == {}
    plan(outreach, HeardChange(a_change(), 3, None))
    assert len(outreach.rows.messages) == 1


def test_a_change_for_a_reason_that_plays_do_not_know_plans_nothing(
    outreach: MemoryOutreach,
) -> None:
    every_reason = {**a_play_document()["when"], "reasons": list(Reason)}
    outreach.document = {"key": "test", "plays": [a_play_document(when=every_reason)]}
    plan(outreach, HeardChange(a_change(reason="eclipse"), 3, None))
    assert outreach.rows.messages == {}


def test_a_move_between_tiers_without_order_is_answered(outreach: MemoryOutreach) -> None:
    outreach.document = {"key": "test", "plays": [a_play_document(when={"directions": ["moved"]})]}
    plan(outreach, HeardChange(a_change(direction=Direction.MOVED), 3, None))
    assert len(outreach.rows.messages) == 1


def test_without_changes_no_playbook_is_read(outreach: MemoryOutreach) -> None:
    outreach.document = {"key": "test", "plays": "nobody reads this"}
    plan(outreach)
    assert outreach.rows.messages == {}


def test_a_practice_with_its_own_playbook_goes_by_it(outreach: MemoryOutreach) -> None:
    own = a_play_document(key="own-play")
    document = {"key": "own", "plays": [own]}
    outreach.rows.playbooks[PRACTICE] = StoredPlaybook(1, document, NOON)
    elsewhere = a_change(practice_id="lakeside", client_id=BEN)
    plan(outreach, HeardChange(a_change(), 3, None), HeardChange(elsewhere, 4, None))
    plays = {key.practice_id: row.planned.play.key for key, row in outreach.rows.messages.items()}
    assert plays == {PRACTICE: "own-play", "lakeside": "check-in"}
