"""What is due, and in whose turn: one suite for the stores in memory and on Postgres."""

from datetime import timedelta

from outreach_service.domain.messages import State
from outreach_service.domain.terms import Channel
from outreach_service.ports.records import (
    LaneChange,
    PlannedMessage,
    Share,
    StateChange,
)
from rapport_contracts.ranges import LATEST
from tests.support.memory.harbour import (
    HOUR,
    NOON,
    PRACTICE,
    Harbour,
    a_message,
    key_of,
)

LAST = LATEST - timedelta(microseconds=1)


def queue_of(practice: str, messages: int) -> list[PlannedMessage]:
    """Messages of one practice, due one second after the other until noon."""
    return [
        a_message(number, NOON - timedelta(seconds=messages - number), practice=practice)
        for number in range(1, messages + 1)
    ]


def turns(harbour: Harbour, most: int, after: str = "") -> list[str]:
    """The practices of the messages that a look at the lane of unknown channels finds."""
    with harbour.stores.open() as store:
        due = store.queue.lock_due(NOON, Share(None, most, after))
    return [each.change.practice_id for each in due]


class DueSuite:
    """Which messages a claim may take, and in which order."""

    def test_the_earliest_are_due_first_and_none_before_its_time(self, harbour: Harbour) -> None:
        late, early, future = a_message(1), a_message(2, NOON - HOUR), a_message(3, NOON + HOUR)
        harbour.add(late, early, future)
        assert harbour.due_ids() == [early.message_id, late.message_id]
        assert harbour.due_ids(NOON, 1) == [early.message_id]

    def test_of_a_paused_practice_nothing_is_due(self, harbour: Harbour) -> None:
        harbour.add(a_message())
        harbour.adapter.pause(PRACTICE)
        assert harbour.due() == []

    def test_what_was_due_before_a_restore_is_fenced(self, harbour: Harbour) -> None:
        before, after = a_message(1, NOON + HOUR), a_message(2, NOON + 2 * HOUR)
        harbour.adapter.restored_at(NOON + HOUR)
        harbour.add(before, after)
        due = harbour.due(NOON + 3 * HOUR)
        assert [(each.message_id, each.is_fenced) for each in due] == [
            (before.message_id, True),
            (after.message_id, False),
        ]

    def test_a_message_that_was_put_off_is_due_at_its_new_time(self, harbour: Harbour) -> None:
        message = a_message()
        harbour.add(message)
        change = StateChange(*key_of(message), "deferred", "quiet-hours", NOON + HOUR)
        with harbour.stores.open() as store:
            store.queue.change_states([change], NOON)
        assert harbour.due_ids() == []
        assert harbour.due_ids(NOON + HOUR) == [message.message_id]
        assert (harbour.row(message).state, harbour.row(message).reason) == (
            "deferred",
            "quiet-hours",
        )

    def test_a_message_waits_in_its_lane(self, harbour: Harbour) -> None:
        first, second = a_message(1), a_message(2)._replace(lane=Channel.EMAIL)
        harbour.add(first, second)
        with harbour.stores.open() as store:
            store.queue.change_lanes([LaneChange(*key_of(first), "sms")])
        lanes: list[Channel | None] = [None, *Channel]
        with harbour.stores.open() as store:
            due = {lane: store.queue.lock_due(NOON, Share(lane, 10)) for lane in lanes}
        found = {lane: [each.message_id for each in messages] for lane, messages in due.items()}
        assert found == {
            None: [],
            Channel.WECHAT: [],
            Channel.SMS: [first.message_id],
            Channel.EMAIL: [second.message_id],
        }
        assert [each.lane for each in due[Channel.SMS]] == [Channel.SMS]

    def test_a_message_that_was_claimed_waits_for_a_retry_in_the_lane_of_its_channel(
        self, harbour: Harbour
    ) -> None:
        message = a_message()
        harbour.add(message)
        harbour.apply(harbour.claim(message), State.SCHEDULED, outcome="rejected")
        with harbour.stores.open() as store:
            assert store.queue.lock_due(NOON, Share(None, 10)) == []
            (due,) = store.queue.lock_due(NOON, Share(Channel.SMS, 10))
        assert due.message_id == message.message_id

    def test_practices_come_in_turn_however_many_messages_each_has(self, harbour: Harbour) -> None:
        harbour.add(*queue_of("busy", 30), *queue_of("quiet", 1), *queue_of("some", 3))
        assert turns(harbour, most=6) == ["busy", "quiet", "some", "busy", "some", "busy"]
        assert turns(harbour, most=2) == ["busy", "quiet"]
        assert turns(harbour, most=2, after="busy") == ["quiet", "some"]
        assert turns(harbour, most=2, after="quite-another") == ["some", "busy"]
        assert turns(harbour, most=5, after="some") == ["busy", "quiet", "some", "busy", "some"]
        assert len(turns(harbour, most=100)) == 34

    def test_each_practice_has_its_earliest_messages_first(self, harbour: Harbour) -> None:
        late, early = a_message(1), a_message(2, NOON - HOUR)
        harbour.add(late, early, *queue_of("busy", 2))
        due = [each for each in harbour.due() if each.change.practice_id == PRACTICE]
        assert [each.message_id for each in due] == [early.message_id, late.message_id]

    def test_paused_practices_take_nobodys_turn(self, harbour: Harbour) -> None:
        harbour.add(*queue_of("busy", 3), *queue_of(PRACTICE, 3), *queue_of("quiet", 1))
        harbour.adapter.pause(PRACTICE)
        assert turns(harbour, most=2) == ["busy", "quiet"]

    def test_whether_anything_is_due_is_known_without_a_lock(self, harbour: Harbour) -> None:
        with harbour.stores.open() as store:
            assert store.queue.has_due(NOON) is False
        harbour.add(a_message(1, NOON + HOUR))
        with harbour.stores.open() as store:
            assert store.queue.has_due(NOON) is False
            assert store.queue.has_due(NOON + HOUR) is True
