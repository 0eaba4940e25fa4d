"""What a client remembers of the numbers that have come, and of who gave them out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scoring_service.domain.client_state import ClientState
from scoring_service.domain.facts import Skipped

ARRIVALS = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sampled_from(["0a1b2c3d", "4e5f6a7b", None]),
        st.sampled_from(["said", "said", "refused"]),
    ),
    max_size=40,
)


@given(ARRIVALS)
def test_a_number_is_repeated_when_another_incarnation_gave_it_out_before(
    arrivals: list[tuple[int, str | None, str]],
) -> None:
    state = ClientState("harbour", "ada", 0, "Europe/London")
    given_by: dict[int, str | None] = {}
    for sequence, incarnation, what in arrivals:
        repeated = sequence in given_by and given_by[sequence] != incarnation
        assert state.repeats(Skipped(1, sequence, incarnation)) == repeated
        if what == "refused":
            state.miss(sequence, incarnation)
        elif not repeated:
            assert state.accepts(sequence, incarnation) == (sequence not in given_by)
            given_by[sequence] = incarnation
        missing = [n for first, last in state.missing for n in range(first, last + 1)]
        assert missing == [n for n in range(1, state.last_sequence + 1) if n not in given_by]
    assert all(
        then.first_sequence < now.first_sequence and then.incarnation != now.incarnation
        for then, now in pairwise(state.stretches)
    )
