"""What plays answer once changes have settled, and what becomes of messages whose cause is gone."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from outreach_service.builtin import builtin_playbook
from outreach_service.documents.playbooks import read_known_playbook
from outreach_service.domain.settling import HeardChange
from outreach_service.domain.terms import Change, Direction, Origin, Reason
from outreach_service.handlers.planning import Plays, hear_changes, settle_ended
from outreach_service.ports.records import StoredPlaybook
from tests.support.generators.outreach_values import a_change
from tests.unit.outreach_service.memory_outreach import (
    ADA,
    BEN,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    PRACTICE,
    MemoryOutreach,
)

ORDER = ("prospect", "iron", "bronze", "silver", "gold")


def a_rise(key: str, *to_tiers: str, **changes: Any) -> dict[str, Any]:
    """A play that sends its own text by SMS for care when clients rise to these tiers."""
    when = {"directions": ["entered", "upgraded"], "to_tiers": list(to_tiers)}
    steps = [{"channels": [{"channel": "sms", "template": key}]}]
    return {
        "key": key,
        "when": when,
        "purpose": "care",
        "mode": "send",
        "steps": steps,
        **changes,
    }


BOOK = {"key": "ours", "plays": [a_rise("welcome", "bronze"), a_rise("thanks", "silver", "gold")]}


class Story:
    """One practice, its clock, and what its clients' messages come to."""

    def __init__(self, outreach: MemoryOutreach, book: dict[str, Any] = BOOK) -> None:
        self.outreach = outreach
        self.plays = Plays(read_known_playbook, book)
        self.versions: dict[str, int] = {}
        outreach.reachable(ADA)
        outreach.reachable(BEN)

    def hear(self, before: str | None, after: str, at: datetime, **changes: Any) -> Change:
        """A change is read; by activity, unless told otherwise."""
        client = changes.pop("client_id", ADA)
        version = self.versions[client] = self.versions.get(client, 0) + 1
        direction = Direction.ENTERED
        if before is not None:
            rises = ORDER.index(after) > ORDER.index(before)
            direction = Direction.UPGRADED if rises else Direction.DOWNGRADED
        known: dict[str, Any] = {
            "practice_id": PRACTICE,
            "client_id": client,
            "version": version,
            "from_tier": before,
            "from_rank": None if before is None else ORDER.index(before),
            "to_tier": after,
            "to_rank": ORDER.index(after),
            "direction": direction,
            "reason": Reason.ACTIVITY,
            "effective_at": at,
            "happened_at": at,
        }
        change = a_change(**known | changes)
        self.tell(change)
        return change

    def tell(self, *changes: Change) -> None:
        """These changes are read in one batch."""
        with self.outreach.stores.open() as store:
            hear_changes(store, self.plays, [HeardChange(each, 3, None) for each in changes])

    def now_is(self, instant: datetime) -> list[str]:
        """Time comes, what has settled is answered and what is due is sent: the texts that go."""
        self.outreach.stores.business_time = instant
        with self.outreach.stores.open() as store:
            settle_ended(store, self.plays, 100)
        return [each.template for each in self.outreach.dispatch().claimed]

    def told(self) -> list[tuple[str, str, str | None]]:
        """Play, state and reason of each message, in the order of their occasions."""
        rows = self.outreach.rows.messages.values()
        rows = sorted(rows, key=lambda row: (row.planned.change.version, row.planned.step))
        return [(row.planned.play.key, row.state, row.reason) for row in rows]


def test_two_tiers_within_the_settling_time_are_one_message(outreach: MemoryOutreach) -> None:
    story = Story(outreach)
    story.hear("prospect", "bronze", NOON)
    story.hear("bronze", "gold", NOON + 5 * MINUTE)
    assert story.now_is(NOON + 2 * HOUR - MINUTE) == []
    assert story.told() == []
    assert story.now_is(NOON + 2 * HOUR) == ["thanks"]
    (message,) = outreach.rows.messages.values()
    assert (message.planned.change.from_tier, message.planned.occasion.id) == ("prospect", "rfm:2")
    assert message.planned.due_at == NOON + 2 * HOUR


def test_an_upgrade_that_is_taken_back_while_it_settles_is_told_to_nobody(
    outreach: MemoryOutreach,
) -> None:
    """Up at 22:00, taken back at 22:50: both were sent at noon of the next day."""
    story = Story(outreach)
    night = NOON + 10 * HOUR
    story.hear("prospect", "gold", night)
    story.hear("gold", "prospect", night + 50 * MINUTE, reason=Reason.CORRECTION)
    assert story.now_is(NOON + DAY) == []
    assert story.told() == []


def test_a_message_whose_cause_is_gone_is_not_sent(outreach: MemoryOutreach) -> None:
    story = Story(outreach)
    night = NOON + 10 * HOUR
    story.hear("prospect", "gold", night)
    assert story.now_is(night + 2 * HOUR) == []
    assert story.told() == [("thanks", "deferred", "quiet-hours")]
    story.hear("gold", "prospect", night + 5 * HOUR, reason=Reason.CORRECTION)
    assert story.now_is(NOON + DAY) == []
    assert story.told() == [("thanks", "suppressed", "cause-gone")]
    assert outreach.events() == ["scheduled", "deferred", "suppressed"]


def test_a_later_step_asks_whether_the_cause_still_holds(outreach: MemoryOutreach) -> None:
    steps = [
        {"delay": delay, "channels": [{"channel": "sms", "template": text}]}
        for delay, text in (("PT0S", "thanks"), ("P3D", "thanks-again"))
    ]
    story = Story(outreach, {"key": "ours", "plays": [a_rise("thanks", "gold", steps=steps)]})
    story.hear("bronze", "gold", NOON)
    assert story.now_is(NOON + 2 * HOUR) == ["thanks"]
    story.hear("gold", "silver", NOON + DAY, reason=Reason.ELAPSED_TIME, happened_at=None)
    story.now_is(NOON + 4 * DAY)
    assert story.told()[1] == ("thanks", "suppressed", "cause-gone")


def test_the_newest_occasion_replaces_what_its_play_has_not_begun(
    outreach: MemoryOutreach,
) -> None:
    story = Story(outreach)
    night = NOON + 10 * HOUR
    story.hear("bronze", "silver", night)
    story.now_is(night + 2 * HOUR)
    story.hear("silver", "gold", night + 3 * HOUR)
    assert story.now_is(NOON + DAY) == ["thanks"]
    assert story.told() == [("thanks", "cancelled", "replaced"), ("thanks", "sending", None)]
    last = outreach.message(ADA, 2)
    assert last.planned.change.from_tier == "bronze"
    assert "cancelled" in outreach.events()


def test_steps_that_follow_one_that_was_sent_are_not_replaced(outreach: MemoryOutreach) -> None:
    steps = [
        {"delay": delay, "channels": [{"channel": "sms", "template": text}]}
        for delay, text in (("PT0S", "thanks"), ("P3D", "thanks-again"))
    ]
    play = a_rise("thanks", "silver", "gold", steps=steps)
    story = Story(outreach, {"key": "ours", "plays": [play]})
    story.hear("bronze", "silver", NOON)
    assert story.now_is(NOON + 2 * HOUR) == ["thanks"]
    story.hear("silver", "gold", NOON + 4 * HOUR)
    story.now_is(NOON + 6 * HOUR)
    assert [state for _, state, _ in story.told()][1] == "scheduled"


def test_who_is_back_where_they_were_before_the_oldest_hears_nothing(
    outreach: MemoryOutreach,
) -> None:
    story = Story(outreach)
    night = NOON + 10 * HOUR
    story.hear("silver", "gold", night)
    story.now_is(night + 2 * HOUR)
    story.hear("gold", "bronze", night + 2 * HOUR, reason=Reason.CORRECTION)
    story.now_is(night + 4 * HOUR)
    story.hear("bronze", "silver", night + 5 * HOUR)
    assert story.now_is(NOON + DAY) == []
    assert story.told() == [("thanks", "cancelled", "replaced")]


def test_the_same_text_does_not_go_twice_within_thirty_days(outreach: MemoryOutreach) -> None:
    """Paid, refunded, paid again: four thanks were sent within 16 days."""
    story = Story(outreach)
    sent = []
    for day in (0, 4, 8, 12, 29, 30):
        paid = NOON + day * DAY
        story.hear("bronze", "gold", paid)
        sent += [(day, text) for text in story.now_is(paid + 2 * HOUR)]
        story.hear("gold", "bronze", paid + HOUR * 3, reason=Reason.CORRECTION)
        story.now_is(paid + 6 * HOUR)
    assert sent == [(0, "thanks"), (30, "thanks")]
    assert [each for each in story.told() if each[1] == "suppressed"] == [
        ("thanks", "suppressed", "said-recently")
    ] * 4


def test_the_same_text_may_go_to_another_person_at_one_address(outreach: MemoryOutreach) -> None:
    story = Story(outreach)
    story.hear("prospect", "bronze", NOON)
    story.hear("prospect", "bronze", NOON, client_id=BEN)
    assert story.now_is(NOON + 2 * HOUR) == ["welcome", "welcome"]


def test_two_plays_with_one_text_say_it_once(outreach: MemoryOutreach) -> None:
    steps = [{"channels": [{"channel": "sms", "template": "thanks"}]}]
    plays = [a_rise(key, "gold", steps=steps) for key in ("thanks", "more-thanks")]
    story = Story(outreach, {"key": "ours", "plays": plays})
    story.hear("bronze", "gold", NOON)
    assert story.now_is(NOON + 2 * HOUR) == ["thanks"]
    assert sorted(state for _, state, _ in story.told()) == ["sending", "suppressed"]


def test_news_is_of_use_for_hours(outreach: MemoryOutreach) -> None:
    """Outreach was off for five days, and sent the welcome of the first."""
    story = Story(outreach)
    story.hear("prospect", "bronze", NOON)
    assert story.now_is(NOON + 5 * DAY) == []
    assert story.told() == [("welcome", "expired", "expired")]


def test_news_that_is_told_late_is_as_old_as_what_happened(outreach: MemoryOutreach) -> None:
    story = Story(outreach)
    for days, texts in ((1, ["welcome"]), (5, [])):
        client = (ADA, BEN)[days > 1]
        at = NOON + 10 * DAY
        story.hear("prospect", "bronze", at, happened_at=at - days * DAY, client_id=client)
        assert story.now_is(at + 2 * HOUR) == texts


def test_history_is_told_to_nobody(outreach: MemoryOutreach) -> None:
    """Its source says so; the visit of yesterday that came before it was live."""
    story = Story(outreach)
    story.hear("prospect", "bronze", NOON)
    for before, after in (("bronze", "silver"), ("silver", "gold")):
        story.hear(before, after, NOON, origin=Origin.BACKFILL)
    assert story.now_is(NOON + 3 * HOUR) == []
    assert story.told() == []
    assert outreach.rows.standings[PRACTICE, ADA].tier == "gold"


def test_a_play_that_asks_for_them_answers_what_people_moved_at_once(
    outreach: MemoryOutreach,
) -> None:
    asks = a_rise("thanks", "gold")
    asks["when"] |= {"reasons": ["override"]}
    story = Story(outreach, {"key": "ours", "plays": [asks]})
    story.hear("bronze", "gold", NOON, reason=Reason.OVERRIDE)
    assert story.now_is(NOON) == ["thanks"]


def test_a_change_is_heard_once_however_often_it_is_told(outreach: MemoryOutreach) -> None:
    story = Story(outreach)
    first = story.hear("prospect", "bronze", NOON)
    story.now_is(NOON + 2 * HOUR)
    second = story.hear("bronze", "gold", NOON + 3 * HOUR)
    story.tell(first, second, first)
    assert outreach.rows.standings[PRACTICE, ADA] == second.standing
    (window,) = outreach.rows.windows.values()
    assert window.change.from_tier == "bronze"


def test_windows_of_one_batch_are_answered_one_after_the_other(outreach: MemoryOutreach) -> None:
    story = Story(outreach)
    story.versions[ADA] = 3
    changes = [
        a_change(
            practice_id=PRACTICE,
            client_id=ADA,
            version=number + 1,
            from_tier=ORDER[number],
            from_rank=number,
            to_tier=ORDER[number + 1],
            to_rank=number + 1,
            direction=Direction.UPGRADED,
            reason=Reason.ACTIVITY,
            effective_at=NOON - 15 * HOUR + 3 * number * HOUR,
        )
        for number in (2, 3)
    ]
    story.tell(*changes, changes[0])
    assert story.now_is(NOON) == ["thanks"]
    assert [state for _, state, _ in story.told()] == ["cancelled", "sending"]


@pytest.mark.parametrize(
    ("before", "after", "plays"),
    [
        *[(before, after, ["welcome"]) for before in (None, "prospect") for after in ORDER[2:]],
        *[(before, "gold", ["thanks"]) for before in ("iron", "bronze", "silver")],
        (None, "prospect", []),
        ("iron", "bronze", []),
    ],
)
def test_the_built_in_plays_welcome_whoever_is_new(
    outreach: MemoryOutreach, before: str | None, after: str, plays: list[str]
) -> None:
    """Five of six whose first hour was paid at once were thanked for the way walked together."""
    story = Story(outreach, builtin_playbook())
    story.hear(before, after, NOON)
    story.now_is(NOON + 2 * HOUR)
    assert [play for play, _, _ in story.told()] == plays


def test_a_practice_with_its_own_playbook_settles_by_it(outreach: MemoryOutreach) -> None:
    own = {"key": "own", "plays": [a_rise("hello", "bronze", settles_after="PT10M")]}
    outreach.rows.playbooks[PRACTICE] = StoredPlaybook(1, own, NOON)
    story = Story(outreach)
    story.hear("prospect", "bronze", NOON)
    story.now_is(NOON + timedelta(minutes=10))
    assert [play for play, _, _ in story.told()] == ["hello"]
