"""What events count for is a function of their set: in any order, in any batches, sent again."""

from hypothesis import given

from tests.support.generators.source_histories import History, histories
from tests.support.worlds.source_histories import faults


@given(history=histories())
def test_what_is_told_adds_up_to_what_the_set_of_events_counts_for(history: History) -> None:
    assert list(faults(history)) == []
