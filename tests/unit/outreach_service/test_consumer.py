"""The consumer: what it takes in, what it passes over and counts, and what it sets aside."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from outreach_service import translate
from outreach_service.consumers import OutreachConsumer
from outreach_service.documents.playbooks import read_known_playbook
from outreach_service.domain.generations import Generations
from outreach_service.domain.terms import Direction, Reason
from outreach_service.ports.records import MessageEvent
from rapport_contracts import canonical, codec, topics
from rapport_contracts.words import ACTIVITY_KINDS, SIGNAL_KINDS
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.batch import Batch, PartitionBatch, Watermark
from rapport_runtime.stream.positions import Position
from tests.support.generators.outreach_events import (
    ADA,
    EVENTS,
    NOON,
    PRACTICE,
    a_hold,
    a_tier_change,
    an_activity,
    an_opening,
)
from tests.support.generators.outreach_values import a_play_document
from tests.support.memory.keys import key_event
from tests.support.memory.keys_suite import MADE, REVOKED
from tests.support.memory.outreach import MemoryStores
from tests.support.oracles.settling import answered

TOPIC_OF = {
    canonical.ActivityRecorded: topics.CLIENT_ACTIVITY.name,
    canonical.GenerationOpened: topics.CLIENT_ACTIVITY.name,
    canonical.WatermarkAdvanced: topics.CLIENT_ACTIVITY.name,
    canonical.HoldChanged: topics.CLIENT_ACTIVITY.name,
    canonical.TierChanged: topics.TIER_CHANGES.name,
    canonical.PracticeRegistered: topics.PRACTICES.name,
    canonical.KeyChanged: topics.KEYS.name,
}
LATER = NOON + timedelta(hours=1)
LONGEST_STEP = {**a_play_document()["steps"][0], "delay": "P9999W"}
ANSWERS_ALL = a_play_document(
    when={
        "directions": list(Direction),
        "reasons": list(Reason),
        "origins": ["live", "backfill"],
    },
    steps=[LONGEST_STEP] * 2,
    expires_after="P9999W",
)


class Consumer:
    """Outreach's consumer over a store in memory."""

    def __init__(self, *plays: dict[str, Any]) -> None:
        self.stores = MemoryStores()
        self.passed_over: Counter[tuple[str, str]] = Counter()
        document = {"key": "test", "plays": list(plays) or [a_play_document()]}
        self.woken = 0
        self._handler = OutreachConsumer(
            self.stores, read_known_playbook, document, lambda: None, self._wake
        )

    def _wake(self) -> None:
        self.woken += 1

    def after_commit(self) -> None:
        """The end of a turn."""
        self._handler.after_commit({})

    def handle(self, batch: Batch) -> None:
        """Handle a batch; none of its records may become a dead letter."""
        self._handler.handle(None, batch)
        assert batch.letters == []
        self.passed_over += batch.passed_over

    @property
    def rows(self) -> Any:
        return self.stores.rows

    def decode(self, event: canonical.CanonicalEvent) -> Any:
        """What the record of an event says to outreach."""
        return self._handler.decode(TOPIC_OF[type(event)], b"key", codec.encode(event))

    def take(self, *events: canonical.CanonicalEvent) -> None:
        """Handle events, each in a batch of its own; none may become a dead letter."""
        for event in events:
            self.take_decoded(TOPIC_OF[type(event)], self.decode(event))

    def take_decoded(self, topic: str, event: Any) -> None:
        place = PartitionBatch(TopicPartition(topic, 3), Position(0, "t"), [], [event], 1)
        self.handle(Batch([place]))


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def of_unknown_type(**data: Any) -> Any:
    """A record of a type that this version does not know, on the topic of activities."""
    template = codec.encode(an_activity(**data)).decode()
    text = template.replace("rapport.activity.recorded.v1", "rapport.signal.heard.v1")
    return translate.decode(topics.CLIENT_ACTIVITY.name, b"key", text.encode())


def test_an_activity_moves_the_clients_newest_forward(consumer: Consumer) -> None:
    consumer.take(an_activity())
    assert consumer.rows.activity == {(PRACTICE, ADA): NOON}


@pytest.mark.parametrize("kind", ACTIVITY_KINDS)
def test_every_kind_of_today_is_known(consumer: Consumer, kind: str) -> None:
    consumer.take(an_activity(kind=kind))
    assert consumer.passed_over == {}
    signalled = {"consulted", "visited", "enquired", "engaged", "referral_made"}
    is_theirs = kind in signalled or kind not in {"registered", *SIGNAL_KINDS}
    assert bool(consumer.rows.activity) == is_theirs


def test_by_an_activity_of_an_unknown_kind_the_client_was_active(consumer: Consumer) -> None:
    consumer.take(an_activity(kind="sang", starts_at=NOON))
    assert (consumer.rows.activity, consumer.rows.bookings) == ({(PRACTICE, ADA): NOON}, {})
    assert consumer.passed_over == {(topics.CLIENT_ACTIVITY.name, "kind"): 1}


def test_an_event_of_an_unknown_type_is_passed_over_and_counted(consumer: Consumer) -> None:
    consumer.take_decoded(topics.CLIENT_ACTIVITY.name, of_unknown_type())
    assert consumer.rows.activity == {}
    assert consumer.passed_over == {(topics.CLIENT_ACTIVITY.name, "type"): 1}


def stands_at(consumer: Consumer) -> list[datetime]:
    """Where the practice stands by each hold that is open."""
    return [hold.stands_at for hold in consumer.rows.holds.values()]


def test_a_hold_is_kept_until_it_ends(consumer: Consumer) -> None:
    seen = []
    for event in (a_hold(), a_hold(LATER), a_hold(), a_hold(held=False)):
        consumer.take(event)
        seen.append(stands_at(consumer))
    assert seen == [[NOON], [LATER], [LATER], []]
    assert consumer.passed_over == {}


@pytest.mark.parametrize(
    ("incarnation", "is_held"), [("0a1b2c3d", True), (None, True), ("4e5f6a7b", False)]
)
def test_a_hold_ends_with_the_first_record_of_a_restored_sender(
    consumer: Consumer, incarnation: str | None, *, is_held: bool
) -> None:
    consumer.take(a_hold())
    mark = canonical.Watermark(up_to=LATER)
    consumer.take(
        canonical.WatermarkAdvanced(
            id="w1", source="test", time=LATER, incarnation=incarnation, data=mark
        )
    )
    assert bool(stands_at(consumer)) is is_held


def test_tier_changes_of_another_database_end_no_hold(consumer: Consumer) -> None:
    """They come from scoring."""
    consumer.take(a_hold(), structs.replace(a_tier_change(), incarnation="4e5f6a7b"))
    assert stands_at(consumer) == [NOON]


def test_a_change_for_an_unknown_reason_plans_nothing_and_is_counted() -> None:
    consumer = Consumer(ANSWERS_ALL)
    consumer.take(a_tier_change(reason="eclipse"))
    assert consumer.rows.messages == {}
    assert consumer.passed_over == {(topics.TIER_CHANGES.name, "reason"): 1}


def test_a_change_is_heard_at_the_last_watermark_before_it_in_its_log() -> None:
    """So that what comes late settles when it comes, however the log is cut into batches."""
    consumer = Consumer(a_play_document(settles_after="PT2H"))
    night = NOON + timedelta(hours=12)
    late = consumer.decode(a_tier_change())
    events = [Watermark(night), Watermark(NOON), late]
    for parts in ([events], [events[:2], events[2:]]):
        consumer.stores.rows.windows.clear()
        consumer.stores.rows.standings.clear()
        read: datetime | None = None
        for part in parts:
            place = TopicPartition(topics.TIER_CHANGES.name, 3)
            at = Position(0, "t", read)
            consumer.handle(Batch([PartitionBatch(place, at, [], part, len(part))]))
            read = night
        (window,) = consumer.rows.windows.values()
        assert window.ends_at == night + timedelta(hours=2)


def test_what_has_settled_is_answered_after_a_turn_and_much_of_it_in_the_next_ones() -> None:
    consumer = Consumer(a_play_document(settles_after="PT2H"))
    consumer.take(*[a_tier_change(client_id=f"c{number}") for number in range(3)])
    consumer.after_commit()
    assert consumer.rows.messages == {}
    consumer.stores.business_time = NOON + timedelta(hours=2)
    consumer.after_commit()
    assert len(consumer.rows.messages) == 3
    assert consumer.woken == 2


def test_a_change_in_a_scheme_that_is_not_primary_plans_nothing(consumer: Consumer) -> None:
    consumer.take(a_tier_change(primary=False))
    assert consumer.rows.messages == {}


def test_changes_of_two_schemes_with_one_version_are_two_occasions(consumer: Consumer) -> None:
    consumer.take(a_tier_change(scheme="rfm"), a_tier_change(scheme="ladder"))
    found = [each.planned.occasion for each in consumer.rows.messages.values()]
    assert found == [("tier", "rfm:1"), ("tier", "ladder:1")]


def test_a_generation_is_folded_beside_and_takes_over(consumer: Consumer) -> None:
    consumer.take(an_activity("a1", kind="booked", starts_at=LATER))
    before = dict(consumer.rows.bookings)
    again = an_activity("a1/2", generation=2, activity_id="a1", kind="booked", starts_at=LATER)
    gone = an_activity("a2/2", generation=2, activity_id="a2", sequence=2, occurred_at=LATER)
    live = an_activity("a3", generation=2, sequence=3, kind="booked", starts_at=NOON)
    for event in (an_opening(2, 2), live, again):
        consumer.take(event)
        assert consumer.rows.bookings == before
    consumer.take(gone)
    assert {key[2] for key in consumer.rows.bookings} == {"a1", "a3"}
    assert consumer.rows.activity == {(PRACTICE, ADA): LATER}
    consumer.take(an_activity("a4", generation=2, sequence=4, kind="booked", starts_at=LATER))
    assert {key[2] for key in consumer.rows.bookings} == {"a1", "a3", "a4"}


def test_what_belongs_to_a_generation_of_before_is_counted(consumer: Consumer) -> None:
    consumer.take(an_opening(7, 0), an_opening(6, 1), an_activity(generation=6))
    place = topics.CLIENT_ACTIVITY.name
    assert consumer.passed_over == {(place, "superseded"): 2}
    consumer.take(an_activity())
    assert consumer.rows.activity == {}


def test_an_unknown_type_goes_on_the_numbers_of_its_generation(consumer: Consumer) -> None:
    consumer.take(an_opening(2, 1))
    consumer.take_decoded(topics.CLIENT_ACTIVITY.name, of_unknown_type(generation=2))
    assert consumer.rows.generations[PRACTICE, ADA] == Generations(2)
    assert consumer.passed_over == {(topics.CLIENT_ACTIVITY.name, "type"): 1}


@pytest.mark.parametrize("missing", ["client_id", "sequence", "generation"])
def test_an_unknown_type_without_its_numbers_is_only_counted(
    consumer: Consumer, missing: str
) -> None:
    event = structs.replace(of_unknown_type(generation=2), **{missing: None})
    consumer.take_decoded(topics.CLIENT_ACTIVITY.name, event)
    assert consumer.rows.generations == {}


@pytest.mark.parametrize("year", [1969, 2200])
def test_a_booking_out_of_range_is_set_aside(consumer: Consumer, year: int) -> None:
    with pytest.raises(InvalidRecord) as refused:
        consumer.decode(an_activity(kind="booked", starts_at=NOON.replace(year=year)))
    assert (refused.value.reason, refused.value.field) == ("invalid-field", "/data/starts_at")


def test_a_change_out_of_range_is_set_aside(consumer: Consumer) -> None:
    with pytest.raises(InvalidRecord, match="invalid-field"):
        consumer.decode(a_tier_change(effective_at=NOON.replace(year=9999)))


def test_a_booking_is_counted_once_however_often_it_is_told(consumer: Consumer) -> None:
    booked = an_activity(kind="booked", starts_at=NOON, sequence=7)
    again = an_activity(kind="booked", starts_at=NOON, sequence=9)
    consumer.take(booked, booked, again)
    assert [each.delta for each in consumer.rows.bookings.values()] == [1]


def test_two_bookings_with_one_sequence_are_both_counted(consumer: Consumer) -> None:
    """After a restore a writer may give a number to another fact."""
    for activity_id in ("a1", "a2"):
        consumer.take(an_activity(activity_id, kind="booked", starts_at=NOON, sequence=7))
    assert len(consumer.rows.bookings) == 2


def test_a_practice_keeps_its_region_and_its_discreet_name(consumer: Consumer) -> None:
    known = {"practice_id": PRACTICE, "name": "Harbour", "zone": "Europe/London", "currency": "GBP"}
    for region, name in (("GB", "H."), (None, None)):
        practice = canonical.Practice(**known, region=region, discreet_name=name)
        consumer.take(
            canonical.PracticeRegistered(
                id="p1", source="test", time=NOON, practiceid=PRACTICE, data=practice
            )
        )
        assert consumer.rows.practices == {
            PRACTICE: {**known, "region": region, "discreet_name": name, "said_at": NOON}
        }


def test_a_key_is_stored(consumer: Consumer) -> None:
    consumer.take(key_event(MADE), key_event(REVOKED))
    assert consumer.rows.keys == {MADE["id"]: REVOKED}


@given(st.lists(EVENTS, max_size=5))
def test_whatever_the_contracts_allow_is_taken_in_and_told_on(
    events: list[canonical.CanonicalEvent],
) -> None:
    consumer = Consumer(ANSWERS_ALL)
    consumer.take(*events)
    changes = [json.loads(codec.encode(e)) for e in events if isinstance(e, canonical.TierChanged)]
    assert len(consumer.rows.messages) == len(occasions(changes)) * 2
    states = Counter(told_state(event) for event in consumer.rows.events)
    assert states.keys() <= {"scheduled", "cancelled"}
    assert states["scheduled"] == len(consumer.rows.messages)


def occasions(changes: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """What a play that answers everything at once speaks of, if nothing is ever sent: from where a
    client stood before the oldest occasion that waits."""
    found: set[tuple[str, ...]] = set()
    waiting: dict[tuple[str, str], tuple[tuple[str, ...], str | None]] = {}
    for _, _, practice_id, change in answered(changes, {timedelta()}):
        if change["reason"] not in set(Reason):
            continue
        client = (practice_id, change["client_id"])
        occasion = (*client, change["scheme"], str(change["version"]))
        before, since = waiting.pop(client, (occasion, change["from_tier"]))
        since = change["from_tier"] if before == occasion else since
        if since != change["to_tier"] and (occasion not in found or before == occasion):
            waiting[client] = (occasion, since)
            found.add(occasion)
    return found


def told_state(event: MessageEvent) -> str:
    """The state that subscribers read."""
    record = translate.message_changed(event)
    told = codec.decode(record.topic, record.key, record.value)
    assert isinstance(told, canonical.MessageChanged)
    return told.data.state
