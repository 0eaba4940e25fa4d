"""How deep a page of the feed reads into each partition."""

from hypothesis import given
from hypothesis import strategies as st

from scoring_service.store.feed import _depth


@given(ahead=st.lists(st.integers(1, 300), min_size=1, max_size=32), limit=st.integers(1, 1000))
def test_a_page_reads_so_deep_that_it_is_full_and_no_deeper(ahead: list[int], limit: int) -> None:
    depth = _depth(ahead, limit)
    if sum(ahead) < limit:
        assert depth == limit
    else:
        assert sum(min(count, depth) for count in ahead) >= limit
        assert sum(min(count, depth - 1) for count in ahead) < limit
