"""The readers' rule for generations: whatever comes in whatever order, a client's sums are replaced
once and whole, and nothing counts twice."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts.canonical import (
    Activity,
    ActivityRecorded,
    GenerationOpened,
    GenerationOpening,
)
from rapport_contracts.generations import Client, came_with, fold, new_client

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Event = ActivityRecorded | GenerationOpened
Sequences = Counter[int]


def activity(generation: int, sequence: int, *, last: bool = True) -> ActivityRecorded:
    data = Activity(
        client_id="ada",
        generation=generation,
        sequence=sequence,
        kind="completed",
        on=date(2026, 3, 2),
        zone="Asia/Shanghai",
        count=1,
        occurred_at=NOON,
        accepted_at=NOON,
        last_of_cause=last,
    )
    return ActivityRecorded(
        id=f"{generation}/{sequence}", source="test", time=NOON, practiceid="harbour", data=data
    )


def opening(generation: int, facts: int) -> GenerationOpened:
    data = GenerationOpening(client_id="ada", generation=generation, reason="rebuild", facts=facts)
    return GenerationOpened(
        id=f"{generation}", source="test", time=NOON, practiceid="harbour", data=data
    )


def add(sums: Sequences, event: ActivityRecorded) -> Sequences:
    return sums + Counter([event.data.sequence])


def folded(*events: Event) -> Client[Sequences]:
    client = new_client(Counter[int]())
    for event in events:
        client = fold(client, event, add, Counter())
    return client


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Events of up to three generations as their writer sends them, then shuffled a little, and
    some of them doubled or lost."""
    events: list[Event] = [activity(1, each + 1) for each in range(draw(st.integers(0, 4)))]
    for generation in draw(st.sampled_from([[2], [5], [2, 3], [3, 7]])):
        facts, live = draw(st.integers(0, 4)), draw(st.integers(0, 3))
        events.append(opening(generation, facts))
        for sequence in range(1, facts + live + 1):
            last = sequence <= facts or draw(st.booleans())
            events.append(activity(generation, sequence, last=last))
    kept = [event for event in events for _ in range(draw(st.sampled_from([1, 1, 1, 2, 0])))]
    return draw(st.one_of(st.just(kept), st.permutations(kept)))


@dataclass
class Oracle:
    """Sets of what has come, and no thought of spans."""

    current: int = 1
    beside: int = 0
    came: dict[int, set[int]] = field(default_factory=dict)
    lasts: dict[int, dict[int, bool]] = field(default_factory=dict)
    facts: dict[int, int] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        number = event.data.generation
        if number not in {self.current, self.beside}:
            if number < max(self.current, self.beside):
                return
            self.beside = number
        if isinstance(event, GenerationOpened):
            self.facts[number] = event.data.facts
        else:
            self.came.setdefault(number, set()).add(event.data.sequence)
            self.lasts.setdefault(number, {})[event.data.sequence] = event.data.last_of_cause
        if self.beside > self.current and self.is_complete(self.beside):
            self.current = self.beside

    def is_complete(self, number: int) -> bool:
        came, facts = self.came.get(number, set()), self.facts.get(number)
        if facts is None or not came.issuperset(range(1, facts + 1)):
            return False
        return not came or self.lasts[number][max(came)]


@given(logs())
def test_whatever_comes_the_sums_are_those_of_one_generation_and_of_each_sequence_once(
    log: list[Event],
) -> None:
    client, oracle = new_client(Counter[int]()), Oracle()
    for event in log:
        client, before = fold(client, event, add, Counter()), client
        oracle.hear(event)
        assert client.current.number == oracle.current
        assert client.current.sums == Counter(oracle.came.get(oracle.current, set()))
        assert client.current.number >= before.current.number
        assert client.beside is None or client.beside.number > client.current.number


@given(logs())
def test_a_log_of_which_each_event_comes_twice_gives_the_same(log: list[Event]) -> None:
    assert folded(*(event for event in log for _ in range(2))) == folded(*log)


def test_the_old_sums_answer_until_the_last_of_the_new_ones_has_come() -> None:
    old = [activity(1, 1), activity(1, 2)]
    new = [opening(2, 3), activity(2, 1), activity(2, 4), activity(2, 3)]
    for end in range(len(new) + 1):
        client = folded(*old, *new[:end])
        assert (client.current.number, client.current.sums) == (1, Counter([1, 2]))
    client = folded(*old, *new, activity(2, 2))
    assert (client.current.number, client.current.sums) == (2, Counter([1, 2, 3, 4]))
    assert client.beside is None


def test_no_sums_replace_others_between_two_activities_of_one_event() -> None:
    half = [opening(2, 1), activity(2, 2, last=False), activity(2, 1)]
    assert folded(*half).current.number == 1
    assert folded(*half, activity(2, 3)).current.sums == Counter([1, 2, 3])


def test_who_missed_the_opening_waits_for_it() -> None:
    client = folded(activity(1, 1), activity(2, 1), activity(2, 2))
    assert client.current.number == 1
    client = fold(client, opening(2, 2), add, Counter())
    assert (client.current.number, client.current.sums) == (2, Counter([1, 2]))


def test_a_generation_of_no_activity_replaces_the_sums_at_once() -> None:
    client = folded(activity(1, 1), opening(2, 0))
    assert (client.current.number, client.current.sums) == (2, Counter())


@given(st.lists(st.integers(1, 12)))
def test_spans_are_the_set_of_what_came(sequences: list[int]) -> None:
    came: tuple[tuple[int, int], ...] = ()
    known: set[int] = set()
    for sequence in sequences:
        after = came_with(came, sequence)
        assert (after is None) == (sequence in known)
        known.add(sequence)
        came = came if after is None else after
    assert [*came] == sorted(came)
    assert {each for first, last in came for each in range(first, last + 1)} == known
    assert all(before[1] + 1 < after[0] for before, after in pairwise(came))
