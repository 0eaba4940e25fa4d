"""Whatever zones a practice moves to, and whenever its clients follow: the facts of a client are of
one zone, and count for what the set of its events counts for there."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import memory_world
from tests.support.worlds.zone_histories import ZoneHistory


@given(seed=st.integers(0, 2**32))
def test_what_is_told_is_of_one_zone_and_counts_for_what_the_events_do(seed: int) -> None:
    world = memory_world(MemoryStores(is_simulated=True))
    assert list(ZoneHistory(world, seed).faults()) == []
