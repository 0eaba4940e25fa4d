"""The handler of the batch loop on stores in memory: where batches end, what becomes of records."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from rapport_contracts import canonical, codec
from rapport_contracts.words import ACTIVITY_KINDS
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream.limits import tally
from rapport_runtime.stream.partition_batches import batch_of
from rapport_runtime.stream.positions import Position
from scoring_service import consumers, translate
from scoring_service.consumers import ScoringConsumer
from scoring_service.domain import periods
from scoring_service.ports import ClientKey, PracticePlace
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.keys import key_event
from tests.support.memory.keys_suite import MADE, REVOKED
from tests.support.worlds.scoring_consumer import (
    A_DAY,
    ACTIVITY,
    KEYS,
    NOON,
    PRACTICES,
    Event,
    Scoring,
    activity,
    opened,
    watermark,
)


def unknown_type(event: Event) -> bytes:
    """The event under a type that no version knows."""
    return codec.encode(event).replace(b"rapport.activity.recorded.v1", b"rapport.dream.had.v1")


def from_database(incarnation: str, event: Event) -> Event:
    """The event as a database of that incarnation sends it."""
    return structs.replace(event, incarnation=incarnation)


class TestWhereABatchEnds:
    """`batch_end`: all facts of a batch are folded on one local day."""

    def ends(self, scoring: Scoring, events: Sequence[Event], **more: Any) -> int:
        return scoring.consumer.batch_end(scoring.read(*events, **more))

    def test_it_goes_on_while_no_day_begins(self, scoring: Scoring) -> None:
        events = [activity(), watermark(NOON + timedelta(hours=1)), activity(2)]
        assert self.ends(scoring, events) == 3

    def test_a_watermark_that_begins_a_day_is_the_last_of_its_batch(self, scoring: Scoring) -> None:
        assert self.ends(scoring, [activity(), watermark(NOON + A_DAY), activity(2)]) == 2

    def test_a_day_that_begins_in_no_zone_of_the_partition_does_not_end_it(
        self, scoring: Scoring
    ) -> None:
        """16:00 UTC is midnight in Shanghai, where no client of this partition is."""
        assert self.ends(scoring, [activity(), watermark(NOON + timedelta(hours=5))]) == 2
        shanghai = activity(zone="Asia/Shanghai", client_id="bo")
        events = [activity(), shanghai, watermark(NOON + timedelta(hours=5)), activity(2)]
        assert self.ends(scoring, events) == 3

    def test_the_first_watermark_is_the_last_of_its_batch(self, scoring: Scoring) -> None:
        events = [activity(), watermark(NOON), activity(2)]
        assert self.ends(scoring, events, business_time=None) == 2

    def test_an_activity_of_a_new_zone_waits_if_a_day_has_begun_there(
        self, scoring: Scoring
    ) -> None:
        later = watermark(NOON + timedelta(hours=5))
        events = [activity(), later, activity(zone="Asia/Shanghai", client_id="bo")]
        assert self.ends(scoring, events) == 2

    def test_the_zones_of_stored_clients_count_from_the_first_batch(self, scoring: Scoring) -> None:
        scoring.handle(scoring.read(activity(zone="Asia/Shanghai")))
        events = [watermark(NOON + timedelta(hours=5)), activity(2, zone="Asia/Shanghai")]
        assert self.ends(scoring, events) == 1

    def test_zones_are_read_anew_when_another_worker_had_the_partition(
        self, scoring: Scoring
    ) -> None:
        assert self.ends(scoring, [activity()]) == 1
        other = ScoringConsumer(scoring.stores, RULEBOOK, lambda: None)
        elsewhere = scoring.read(activity(zone="Asia/Shanghai", client_id="bo"))
        with scoring.stores.open():
            other.handle(None, batch_of([elsewhere]))
        assert self.ends(scoring, [watermark(NOON + timedelta(hours=5)), activity(2)]) == 1

    def test_holds_that_stand_together_are_the_last_of_their_batch(self, scoring: Scoring) -> None:
        """After them the practice stands elsewhere."""
        assert self.ends(scoring, [activity(), hold(), hold(is_held=False), activity(2)]) == 3
        assert self.ends(scoring, [hold()]) == 1

    def test_a_record_of_a_restored_sender_begins_a_batch(self, scoring: Scoring) -> None:
        events = [
            activity(),
            from_database("0a1b2c3d", activity(2)),
            from_database("0a1b2c3d", watermark(NOON)),
            from_database("4e5f6a7b", watermark(NOON)),
        ]
        assert self.ends(scoring, events) == 3

    def test_practices_end_no_batch(self, scoring: Scoring) -> None:
        assert self.ends(scoring, [practice("Harbour"), practice("Quay")], of=PRACTICES) == 2


def practice(name: str) -> Event:
    data = canonical.Practice(
        practice_id="harbour", name=name, zone="Europe/London", currency="GBP"
    )
    return canonical.PracticeRegistered(
        id="p", source="test", time=NOON, practiceid="harbour", data=data
    )


def hold(*, is_held: bool = True, since: datetime = NOON) -> Event:
    data = canonical.Hold(hold_id="h1", reason="deferred", held=is_held, since=since)
    return canonical.HoldChanged(
        id="h1", source="test", time=since, practiceid="harbour", data=data, incarnation="0a1b2c3d"
    )


class TestHandling:
    """`handle` and `after_commit`."""

    def test_activities_become_tiers_and_practices_are_stored(self, scoring: Scoring) -> None:
        scoring.handle(scoring.read(practice("Harbour"), practice("Quay"), of=PRACTICES))
        scoring.handle(scoring.read(activity()))
        assert scoring.stores.rows.practices["harbour"]["name"] == "Quay"
        assert scoring.stores.rows.clients[ClientKey("harbour", "ada")].version == 1
        assert len(scoring.stores.rows.outbox) == 1

    def test_a_key_is_stored(self, scoring: Scoring) -> None:
        scoring.handle(scoring.read(key_event(MADE), key_event(REVOKED), of=KEYS))
        assert scoring.stores.rows.keys == {MADE["id"]: REVOKED}

    def test_the_real_time_of_keys_is_no_business_time(self, scoring: Scoring) -> None:
        scoring.handle(scoring.read(activity(1), business_time=None))
        scoring.handle(scoring.read(watermark(NOON), of=KEYS, business_time=None))
        assert scoring.stores.rows.first_watermarks == {}
        scoring.handle(scoring.read(watermark(NOON), business_time=None))
        assert scoring.stores.rows.first_watermarks == {0: NOON}

    def test_a_refused_fact_is_a_dead_letter_and_the_rest_is_folded(self, scoring: Scoring) -> None:
        elsewhere = activity(2, zone="Asia/Tokyo")
        batch = scoring.handle(scoring.read(activity(1), elsewhere, activity(2), activity(2)))
        (letter,) = batch.letters
        assert (letter.record.offset, letter.error.reason) == (1, "fact-refused")
        assert (letter.error.field, letter.error.practice_id) == ("/data/zone", "harbour")
        assert scoring.stores.rows.clients[ClientKey("harbour", "ada")].last_sequence == 2

    def test_of_two_records_of_one_refused_fact_both_are_dead_letters(
        self, scoring: Scoring
    ) -> None:
        elsewhere = activity(2, zone="Asia/Tokyo")
        batch = scoring.handle(scoring.read(activity(1), elsewhere, elsewhere))
        assert [letter.record.offset for letter in batch.letters] == [1, 2]
        state = scoring.stores.rows.clients[ClientKey("harbour", "ada")]
        assert (state.last_sequence, state.missing) == (2, ((2, 2),))

    def test_a_generation_is_folded_beside_and_takes_over(self, scoring: Scoring) -> None:
        scoring.handle(scoring.read(activity(1), activity(2)))
        scoring.handle(scoring.read(opened(7, 1)))
        key = ClientKey("harbour", "ada")
        assert scoring.stores.rows.clients[key].generation == 1
        assert scoring.stores.rows.next[key].facts == 1
        batch = scoring.handle(scoring.read(activity(1, generation=7), activity(3)))
        assert batch.letters == []
        assert batch.passed_over == {(ACTIVITY.topic, "superseded"): 1}
        state = scoring.stores.rows.clients[key]
        assert (state.generation, state.last_sequence, state.digest.completed) == (7, 1, [1])
        assert scoring.stores.rows.next == {}

    def test_a_zone_that_only_its_writer_knows_concerns_its_client_alone(
        self, scoring: Scoring
    ) -> None:
        """In a rolling deploy the writer may have a newer database of zones."""
        strange = activity(zone="Mars/Olympus_Mons", client_id="bo")
        later = watermark(NOON + A_DAY)
        part = scoring.read(strange, activity(), later)
        assert scoring.consumer.batch_end(part) == 3
        (letter,) = scoring.handle(part).letters
        assert (letter.record.offset, letter.error.reason) == (0, "fact-refused")
        assert tally(1, [letter]).records == 0
        clients = scoring.stores.rows.clients
        assert clients[ClientKey("harbour", "ada")].missing == ()
        bo = clients[ClientKey("harbour", "bo")]
        assert (bo.zone, bo.last_sequence, bo.missing) == ("", 1, ((1, 1),))

    def test_a_client_whom_a_newer_worker_stored_with_a_new_zone_stops_nobody(
        self, scoring: Scoring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scoring.handle(scoring.read(activity(zone="Asia/Tokyo", client_id="bo"), activity()))
        known = periods._zone

        def older(name: str) -> ZoneInfo:
            if name == "Asia/Tokyo":
                raise periods.UnknownZone(name)
            return known(name)

        monkeypatch.setattr(periods, "_zone", older)
        for cached in (periods.is_zone, periods.midnight):
            cached.cache_clear()
        monkeypatch.setattr(scoring, "consumer", ScoringConsumer(scoring.stores, RULEBOOK, int))
        later = NOON + 800 * A_DAY
        again = activity(2, at=later, zone="Asia/Tokyo", client_id="bo")
        part = scoring.read(watermark(later), again, activity(2, at=later))
        assert scoring.consumer.batch_end(part) == 1
        (letter,) = scoring.handle(part).letters
        assert letter.record.offset == 3
        scoring.stores.rows.processed[0] = later
        scoring.consumer.after_commit({ACTIVITY: Position(1, "", later)})
        clients = scoring.stores.rows.clients
        assert clients[ClientKey("harbour", "ada")].assessed_on == later.date()
        assert clients[ClientKey("harbour", "bo")].missing == ((2, 2),)
        periods.is_zone.cache_clear()

    def test_a_hold_is_kept_until_it_ends(self, scoring: Scoring) -> None:
        place = PracticePlace(0, "harbour")
        batch = scoring.handle(scoring.read(hold()))
        assert (batch.letters, batch.passed_over) == ([], {})
        scoring.handle(scoring.read(hold(since=NOON + A_DAY)))
        assert scoring.stores.holds().find([place]) == {place: (NOON + A_DAY, True, None, None)}
        scoring.handle(scoring.read(hold(is_held=False)))
        assert scoring.stores.holds().find([place]) == {}

    @pytest.mark.parametrize(
        ("last", "is_held"),
        [
            pytest.param(watermark(NOON), True, id="nobody says of which database it is"),
            pytest.param(
                structs.replace(watermark(NOON), incarnation="0a1b2c3d"), True, id="the same"
            ),
            pytest.param(
                structs.replace(watermark(NOON), incarnation="4e5f6a7b"), False, id="another"
            ),
        ],
    )
    def test_a_hold_ends_with_the_first_record_of_a_restored_sender(
        self, scoring: Scoring, last: Event, *, is_held: bool
    ) -> None:
        scoring.handle(scoring.read(hold()))
        scoring.handle(scoring.read(last))
        assert bool(scoring.stores.holds().find([PracticePlace(0, "harbour")])) is is_held

    def test_the_first_watermark_makes_due_what_was_folded_before_it(
        self, scoring: Scoring
    ) -> None:
        scoring.handle(scoring.read(activity(), watermark(NOON), business_time=None))
        assert scoring.stores.rows.clients[ClientKey("harbour", "ada")].review_at == NOON


class TestASmallerVocabulary:
    """A reader of an older version beside a writer of today (R11)."""

    ADA = ClientKey("harbour", "ada")

    def test_an_unknown_kind_is_passed_over_and_the_client_says_so(
        self, scoring: Scoring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(translate, "KNOWN_KINDS", frozenset({"completed"}))
        every = [activity(number, kind=kind) for number, kind in enumerate(ACTIVITY_KINDS, 1)]
        batch = scoring.handle(scoring.read(*every))
        assert batch.letters == []
        assert batch.passed_over == {(ACTIVITY.topic, "kind"): len(every) - 1}
        state = scoring.stores.rows.clients[self.ADA]
        assert (state.last_sequence, state.missing) == (len(every), ())
        assert (state.digest.completed, state.digest.settled) == ([1], [0])
        assert state.first_skipped_sequence == 1

    def test_an_unknown_type_that_goes_on_a_sequence_leaves_no_gap(self, scoring: Scoring) -> None:
        scoring.handle(scoring.read(activity(1), activity(3)))
        dreamt = scoring.append(unknown_type(activity(2)))
        batch = scoring.handle(dreamt)
        assert (batch.letters, batch.passed_over) == ([], {(ACTIVITY.topic, "type"): 1})
        state = scoring.stores.rows.clients[self.ADA]
        assert (state.last_sequence, state.missing, state.digest.completed) == (3, (), [2])
        assert state.first_skipped_sequence == 2

    def test_an_unknown_type_of_a_next_generation_leaves_no_gap_there(
        self, scoring: Scoring
    ) -> None:
        scoring.handle(scoring.read(opened(2, 2), activity(1, generation=2)))
        batch = scoring.handle(scoring.append(unknown_type(activity(2, generation=2))))
        assert (batch.letters, batch.passed_over) == ([], {(ACTIVITY.topic, "type"): 1})
        state = scoring.stores.rows.clients[self.ADA]
        assert (state.generation, state.last_sequence, state.missing) == (2, 2, ())
        assert state.first_skipped_sequence == 2

    @pytest.mark.parametrize("topic", [ACTIVITY, PRACTICES])
    def test_an_unknown_type_without_a_number_is_only_counted(
        self, scoring: Scoring, topic: TopicPartition
    ) -> None:
        bare = b'{"specversion":"1.0","type":"rapport.moon.risen.v1","practiceid":"harbour"}'
        batch = scoring.handle(scoring.append(bare, of=topic))
        assert (batch.letters, batch.passed_over) == ([], {(topic.topic, "type"): 1})
        assert scoring.stores.rows.clients == {}

    def test_an_unknown_type_among_the_practices_numbers_no_client(self, scoring: Scoring) -> None:
        scoring.handle(scoring.append(unknown_type(activity(1)), of=PRACTICES))
        assert scoring.stores.rows.clients == {}

    def test_a_number_that_comes_again_from_a_restored_database_is_told(
        self, scoring: Scoring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = mock.Mock()
        monkeypatch.setattr(consumers, "log", log)
        scoring.handle(scoring.read(from_database("0a1b2c3d", activity(1))))
        batch = scoring.handle(scoring.read(from_database("4e5f6a7b", activity(1))))
        assert (batch.letters, batch.passed_over) == ([], {(ACTIVITY.topic, "repeated"): 1})
        assert scoring.stores.rows.clients[self.ADA].first_repeated_sequence == 1
        log.warning.assert_called_once_with(
            "sequence_repeated", client_id="ada", sequence=1, incarnation="4e5f6a7b"
        )


def test_a_record_that_is_no_event_is_refused(scoring: Scoring) -> None:
    with pytest.raises(InvalidRecord):
        scoring.consumer.decode(ACTIVITY.topic, b"ada", b"{}")


def test_a_day_is_the_clients_own(scoring: Scoring) -> None:
    """At 17:00 UTC the next day has begun in Shanghai, and not in London."""
    evening = NOON + timedelta(hours=5)
    both = [
        activity(zone="Asia/Shanghai", client_id="bo", on=date(2026, 3, 3)),
        activity(on=date(2026, 3, 2)),
    ]
    scoring.handle(scoring.read(*both, business_time=evening))
    days = {key.client_id: s.assessed_on for key, s in scoring.stores.rows.clients.items()}
    assert days == {"bo": date(2026, 3, 3), "ada": date(2026, 3, 2)}
