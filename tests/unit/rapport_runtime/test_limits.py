"""Past a limit of dead letters the loop halts; what was before does not hide what is now."""

import pytest

from rapport_runtime.errors import InvalidRecord, LoopHalted, RefusedRecord
from rapport_runtime.stream.limits import DeadLetterLimit, uncounted


def test_the_last_invalid_record_in_a_row_that_is_allowed_passes() -> None:
    limit = DeadLetterLimit(max_consecutive=5)
    limit.count(records=3, invalid=3)
    limit.check(records=1, invalid=1)
    with pytest.raises(LoopHalted, match="5 invalid records without a valid one"):
        limit.check(records=2, invalid=2)


def test_a_valid_record_ends_the_row() -> None:
    limit = DeadLetterLimit(max_consecutive=5, max_ratio=1.0)
    limit.count(records=4, invalid=4)
    limit.count(records=2, invalid=1)
    limit.check(records=4, invalid=4)


@pytest.mark.parametrize(("records", "halts"), [(4, False), (5, True)])
def test_the_ratio_counts_from_the_minimum_sample_on(records: int, *, halts: bool) -> None:
    limit = DeadLetterLimit(max_ratio=0.2, min_sample=10)
    limit.count(records=5, invalid=2)
    if halts:
        with pytest.raises(LoopHalted, match="3 of the last 10 records are invalid"):
            limit.check(records=records, invalid=1)
    else:
        limit.check(records=records, invalid=1)


def test_a_ratio_at_the_limit_passes() -> None:
    limit = DeadLetterLimit(max_ratio=0.2, min_sample=10)
    limit.check(records=10, invalid=2)


def test_a_check_alone_counts_nothing() -> None:
    limit = DeadLetterLimit(max_consecutive=2)
    for _ in range(3):
        limit.check(records=1, invalid=1)


def test_an_old_past_does_not_hide_the_present() -> None:
    limit = DeadLetterLimit(max_ratio=0.2, min_sample=10, max_consecutive=10_000)
    for _ in range(1_000):
        limit.count(records=100, invalid=0)
    for _ in range(250):
        limit.check(records=10, invalid=2)
        limit.count(records=10, invalid=2)
    for _ in range(250):
        limit.count(records=10, invalid=9)
    with pytest.raises(LoopHalted):
        limit.check(records=10, invalid=9)


def test_a_type_that_is_not_known_yet_is_never_counted() -> None:
    reasons = ("unknown-type", "unknown-version", "invalid-field", "unknown-type")
    assert uncounted([InvalidRecord(reason, "as a test wants it") for reason in reasons]) == 2


def test_what_the_rules_of_a_service_refuse_is_never_counted() -> None:
    refused: list[InvalidRecord] = [RefusedRecord("other-client", "as a test wants it")] * 60
    assert uncounted([*refused, InvalidRecord("not-json", "as a test wants it")]) == 60
