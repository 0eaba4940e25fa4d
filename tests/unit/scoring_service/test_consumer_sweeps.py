"""After a batch the handler lets time pass, in turns of limited size, and publishes."""

import pytest

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.positions import Position
from scoring_service import handlers
from scoring_service.consumers import STEPS_IN_A_TURN
from tests.support.worlds.scoring_consumer import (
    A_DAY,
    ACTIVITY,
    NOON,
    PRACTICES,
    Scoring,
    activity,
)


def test_after_a_commit_time_passes_and_then_all_is_published(scoring: Scoring) -> None:
    scoring.handle(scoring.read(activity()))
    later = NOON + 800 * A_DAY
    scoring.stores.rows.processed[0] = later
    scoring.consumer.after_commit({ACTIVITY: Position(1, "", later)})
    assert scoring.stores.rows.swept == {0: later}
    assert len(scoring.stores.rows.outbox) == 2
    assert scoring.published == 1


@pytest.mark.parametrize(
    ("topic", "position"),
    [
        pytest.param(ACTIVITY, Position(1, "", None), id="no watermark yet"),
        pytest.param(ACTIVITY, Position(1, "", NOON, NOON), id="swept already"),
        pytest.param(PRACTICES, Position(1, "", NOON), id="another topic"),
    ],
)
def test_nothing_is_swept_where_no_time_has_passed(
    scoring: Scoring, topic: TopicPartition, position: Position
) -> None:
    scoring.stores.rows.processed[0] = NOON
    scoring.consumer.after_commit({topic: position})
    assert (scoring.stores.rows.swept, scoring.published) == ({}, 1)


def test_a_long_sweep_goes_on_in_the_next_turns(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "SWEEP_ROWS", 1)
    for number in range(STEPS_IN_A_TURN + 1):
        scoring.handle(scoring.read(activity(client_id=f"client-{number}")))
    later = NOON + 800 * A_DAY
    scoring.stores.rows.processed[0] = later
    held = {ACTIVITY: Position(1, "", later)}
    scoring.consumer.after_commit(held)
    assert not scoring.consumer.may_wait()
    assert (scoring.stores.rows.swept, scoring.published) == ({}, 1)
    assert len(scoring.stores.rows.outbox) > STEPS_IN_A_TURN
    scoring.consumer.after_commit(held)
    assert scoring.consumer.may_wait()
    assert (scoring.stores.rows.swept, scoring.published) == ({0: later}, 2)


def test_what_this_worker_has_swept_is_not_looked_for_again(scoring: Scoring) -> None:
    scoring.stores.rows.processed[0] = NOON
    held = {ACTIVITY: Position(1, "", NOON)}  # as the loop knows it until the next batch
    scoring.consumer.after_commit(held)
    scoring.stores.rows.swept.clear()
    scoring.consumer.after_commit(held)
    assert scoring.stores.rows.swept == {}
