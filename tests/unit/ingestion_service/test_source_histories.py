"""What events count for is a function of their set: in any order, in any batches, sent again."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.generators.source_histories import histories
from tests.support.worlds.source_histories import faults


@given(seed=st.integers(0, 2**32))
def test_what_is_told_adds_up_to_what_the_set_of_events_counts_for(seed: int) -> None:
    """A few histories a seed: `make proof` plays 10,000."""
    for history in histories(seed, 5):
        assert list(faults(history)) == []
