"""Past a limit of dead letters of several senders the loop halts; one sender never halts it."""

from collections import Counter

import pytest

from rapport_runtime.bus.memory import MemoryRecord
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import InvalidRecord, LoopHalted, RefusedRecord
from rapport_runtime.stream.batch import DeadLetter, Sender
from rapport_runtime.stream.limits import DeadLetterLimit, Tally, tally

WHY = "as a test wants it"
EAST, WEST = Sender("east", "till"), Sender("west", "till")


def batch(records: int, **undecodable: int) -> Tally:
    """A batch of so many records, of which so many of each practice cannot be decoded."""
    return Tally(records, Counter(undecodable))


def letter(error: InvalidRecord, sender: Sender = EAST) -> DeadLetter:
    """A dead letter of a record that names this sender."""
    return DeadLetter(TopicPartition("t", 0), MemoryRecord(0, None, None, (), 0), error, sender)


class TestInARow:
    def test_the_last_that_is_allowed_passes(self) -> None:
        limit = DeadLetterLimit(max_consecutive=5)
        limit.count(batch(3, east=2, west=1))
        limit.check(batch(1, east=1))
        with pytest.raises(LoopHalted, match="5 invalid records without a valid one, of 2 pract"):
            limit.check(batch(2, east=1, west=1))

    def test_a_valid_record_ends_the_row(self) -> None:
        limit = DeadLetterLimit(max_consecutive=5, max_ratio=1.0)
        limit.count(batch(4, east=2, west=2))
        limit.count(batch(2, east=1))
        limit.check(batch(4, east=2, west=2))

    def test_a_long_flood_of_one_hides_the_others_for_two_hundred_records_at_most(self) -> None:
        limit = DeadLetterLimit(max_consecutive=50, max_ratio=1.0)
        for _ in range(1_000):
            limit.check(batch(10, east=10))
            limit.count(batch(10, east=10))
        with pytest.raises(LoopHalted):
            limit.check(batch(60, west=30, south=30))


class TestRatio:
    @pytest.mark.parametrize(("records", "halts"), [(4, False), (5, True)])
    def test_it_counts_from_the_minimum_sample_on(self, records: int, *, halts: bool) -> None:
        limit = DeadLetterLimit(max_ratio=0.2, min_sample=10)
        limit.count(batch(5, east=2))
        if halts:
            with pytest.raises(LoopHalted, match="3 of the last 10 records are invalid"):
                limit.check(batch(records, west=1))
        else:
            limit.check(batch(records, west=1))

    def test_at_the_limit_passes(self) -> None:
        limit = DeadLetterLimit(max_ratio=0.2, min_sample=10)
        limit.check(batch(10, east=1, west=1))

    def test_a_batch_with_nothing_bad_in_it_passes_whatever_came_before(self) -> None:
        limit = DeadLetterLimit(max_ratio=0.2, min_sample=10)
        limit.count(batch(9, east=4, west=4))
        limit.check(batch(5))

    def test_an_old_past_does_not_hide_the_present(self) -> None:
        limit = DeadLetterLimit(max_ratio=0.2, min_sample=10, max_consecutive=10_000)
        for _ in range(1_000):
            limit.count(batch(100))
        for _ in range(250):
            limit.check(batch(10, east=1, west=1))
            limit.count(batch(10, east=1, west=1))
        for _ in range(250):
            limit.count(batch(10, east=5, west=4))
        with pytest.raises(LoopHalted):
            limit.check(batch(10, east=5, west=4))


class TestSenders:
    def test_one_alone_passes_every_limit(self) -> None:
        limit = DeadLetterLimit()
        for _ in range(100):
            limit.check(batch(100, east=100))
            limit.count(batch(100, east=100))
            limit.count(batch(1))

    @pytest.mark.parametrize(("strays", "halts"), [(20, False), (21, True)])
    def test_a_fifth_of_others_is_no_second_flood(self, strays: int, *, halts: bool) -> None:
        flood = batch(100, east=100 - strays, **{f"p{number}": 1 for number in range(strays)})
        for limit in (DeadLetterLimit(max_ratio=1.0), DeadLetterLimit(max_consecutive=1_000)):
            if halts:
                with pytest.raises(LoopHalted):
                    limit.check(flood)
            else:
                limit.check(flood)

    def test_what_is_kept_of_them_is_bounded(self) -> None:
        """Each batch names thirty practices that nobody has heard of, and nothing is valid."""
        limit = DeadLetterLimit(min_sample=10, max_consecutive=20)
        for number in range(500):
            limit.count(batch(30, **{f"p{number}-{each}": 1 for each in range(30)}))
        assert len(limit._undecodable) <= 1_000
        assert len(limit._row) <= 80


def test_a_check_alone_counts_nothing() -> None:
    limit = DeadLetterLimit(max_consecutive=4)
    for _ in range(3):
        limit.check(batch(2, east=1, west=1))


class TestTally:
    def test_what_cannot_be_decoded_counts_for_its_practice_else_for_its_source(self) -> None:
        bad = InvalidRecord("invalid-field", WHY)
        owned = InvalidRecord("invalid-field", WHY, practice_id="south")
        letters = [letter(bad), letter(bad, Sender(None, "till")), letter(owned, Sender())]
        assert tally(10, letters) == batch(10, east=1, till=1, south=1)

    @pytest.mark.parametrize(
        "refused",
        [
            RefusedRecord("currency-mismatch", WHY, practice_id="east"),
            RefusedRecord("unknown-type", WHY),
            RefusedRecord("unknown-practice", WHY),
        ],
    )
    def test_what_a_rule_refuses_counts_as_no_record_at_all(self, refused: RefusedRecord) -> None:
        letters = [letter(refused, each) for each in (EAST, WEST)] * 30
        assert tally(61, letters) == batch(1)

    def test_what_names_nobody_counts_as_no_record_at_all(self) -> None:
        assert tally(61, [letter(InvalidRecord("not-json", WHY), Sender())] * 60) == batch(1)
