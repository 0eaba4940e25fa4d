"""How a reader of `client-activity.v1` follows a client over generations: the rule as plain code.

A reader keeps sums of a client's activities. When a generation opens, the client's facts are said
anew, under sequences from 1 on; the reader folds them beside the sums that it has, and replaces
these once all have come. It may be read, copied or used as it is: it is pure, and knows nothing of
what the sums are.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from rapport_contracts.canonical import ActivityRecorded, GenerationOpened

Sums = TypeVar("Sums")
Span = tuple[int, int]
"""Sequences that have come: the first and the last of a stretch without a gap."""


@dataclass(frozen=True)
class Generation(Generic[Sums]):
    """One generation of a client's activities, as far as it has come. `facts` is how many of them
    replace what was before, None while that is not known. `is_whole` says that the source event of
    the last activity has no further one."""

    number: int
    sums: Sums
    came: tuple[Span, ...] = ()
    facts: int | None = None
    is_whole: bool = True

    @property
    def is_complete(self) -> bool:
        """Whether it can replace the generation before."""
        if self.facts is None or not self.is_whole:
            return False
        first, last = self.came[0] if self.came else (1, 0)
        return self.facts == 0 or (first == 1 and last >= self.facts)


@dataclass(frozen=True)
class Client(Generic[Sums]):
    """A client's current generation, whose sums answer, and the one that is folded beside it."""

    current: Generation[Sums]
    beside: Generation[Sums] | None = None


def new_client(empty: Sums) -> Client[Sums]:
    """A client of whom nothing has come; the first generation needs no opening."""
    return Client(Generation(1, empty))


def fold(
    client: Client[Sums],
    event: ActivityRecorded | GenerationOpened,
    add: Callable[[Sums, ActivityRecorded], Sums],
    empty: Sums,
) -> Client[Sums]:
    """The client after an event of theirs, in whatever order events come, however often each does.

    `add` is the sums with one activity more, `empty` the sums of none. An event of a generation
    below the newest one, unless that is the current one, changes nothing.
    """
    number, current = event.data.generation, client.current
    if number == current.number:
        if isinstance(event, GenerationOpened):
            return client
        return replace(client, current=_with(current, event, add))
    beside = client.beside
    if number < current.number or (beside is not None and number < beside.number):
        return client
    if beside is None or number > beside.number:
        beside = Generation(number, empty)
    if isinstance(event, GenerationOpened):
        beside = replace(beside, facts=event.data.facts)
    else:
        beside = _with(beside, event, add)
    return Client(beside) if beside.is_complete else replace(client, beside=beside)


def _with(
    generation: Generation[Sums],
    event: ActivityRecorded,
    add: Callable[[Sums, ActivityRecorded], Sums],
) -> Generation[Sums]:
    sequence, came = event.data.sequence, generation.came
    after = came_with(came, sequence)
    if after is None:
        return generation
    is_newest = not came or sequence > came[-1][1]
    return replace(
        generation,
        sums=add(generation.sums, event),
        came=after,
        is_whole=event.data.last_of_cause if is_newest else generation.is_whole,
    )


def came_with(came: tuple[Span, ...], sequence: int) -> tuple[Span, ...] | None:
    """What has come, with one sequence more; None when that has come before."""
    place = bisect_left(came, (sequence + 1, 0))
    before, after = came[:place], came[place:]
    first = last = sequence
    if before and sequence <= before[-1][1]:
        return None
    if before and before[-1][1] == sequence - 1:
        first, before = before[-1][0], before[:-1]
    if after and after[0][0] == sequence + 1:
        last, after = after[0][1], after[1:]
    return (*before, (first, last), *after)
