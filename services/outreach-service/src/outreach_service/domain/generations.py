"""What a client did, said anew as another generation, beside what outreach goes by (ADR 48).

Its facts are folded as they come. Once all that were announced are there, they replace what was
known of the client's bookings and activity, in one step. The rule is that of the contracts.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

Client = tuple[str, str]
"""Practice id and client id."""
Span = tuple[int, int]
"""Sequences that have come: the first and the last of a stretch without a gap."""


class Booking(NamedTuple):
    """By one activity, the number of bookings that start at `starts_at` changed by `delta`."""

    activity_id: str
    starts_at: datetime
    delta: int


class Fact(NamedTuple):
    """One of a client's activities by its number, and what it says to outreach: when the client was
    active, and of which booking; None where it says nothing of that."""

    sequence: int
    is_last_of_cause: bool = True
    active_at: datetime | None = None
    booking: Booking | None = None


class Opening(NamedTuple):
    """So many facts follow that replace those of the generations before."""

    facts: int


class Told(NamedTuple):
    """What one record says of a client's generation."""

    client: Client
    generation: int
    what: Fact | Opening


@dataclass(frozen=True)
class Beside:
    """One generation of a client's facts as far as it has come. `facts` is how many of them, by
    sequence from 1 on, replace what was before; None while it has not been opened. `is_whole` says
    that the source event of the last of them has no further one."""

    generation: int
    facts: int | None = None
    came: tuple[Span, ...] = ()
    is_whole: bool = True
    active_at: datetime | None = None
    bookings: list[Booking] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether it can replace what was before."""
        if self.facts is None or not self.is_whole:
            return False
        first, last = self.came[0] if self.came else (1, 0)
        return self.facts == 0 or (first == 1 and last >= self.facts)


@dataclass(frozen=True)
class Generations:
    """A client's current generation by number, and the one that is folded beside it. `taken_over`
    is one that has become the current one, with all that has come of it since."""

    current: int = 1
    beside: Beside | None = None
    taken_over: Beside | None = None


UNKNOWN_CLIENT = Generations()
"""Of a client of whom outreach knows no later generation than the first."""


class Followed(NamedTuple):
    """What comes of a batch's records of later generations: how the clients stand, what goes on
    with a client's current generation as it was before, and what is superseded."""

    clients: Mapping[Client, Generations]
    current: Sequence[Told]
    superseded: Sequence[Told]


def follow(known: Mapping[Client, Generations], told: Sequence[Told]) -> Followed:
    """Fold records of generations above the first, in the order of the log. `known` stays as it
    is."""
    clients = {client: _with_own_bookings(each) for client, each in known.items()}
    current: list[Told] = []
    superseded: list[Told] = []
    for each in told:
        client = clients.get(each.client, UNKNOWN_CLIENT)
        if each.generation == client.current:
            if client.taken_over is None:
                current.append(each)
            else:
                taken_over = _with(client.taken_over, each.what)
                clients[each.client] = replace(client, taken_over=taken_over)
        elif each.generation < _latest(client):
            superseded.append(each)
        else:
            clients[each.client] = _beside(client, each)
    return Followed(clients, current, superseded)


def _with_own_bookings(client: Generations) -> Generations:
    """The client with a list of bookings that is added to in place: a copy for each fact of a long
    history would cost the square of its length."""
    if client.beside is None:
        return client
    return replace(client, beside=replace(client.beside, bookings=[*client.beside.bookings]))


def _latest(client: Generations) -> int:
    return client.current if client.beside is None else client.beside.generation


def _beside(client: Generations, told: Told) -> Generations:
    beside = client.beside
    if beside is None or told.generation > beside.generation:
        beside = Beside(told.generation)
    beside = _with(beside, told.what)
    if beside.is_complete:
        return Generations(beside.generation, None, beside)
    return replace(client, beside=beside)


def _with(beside: Beside, what: Fact | Opening) -> Beside:
    if isinstance(what, Opening):
        return replace(beside, facts=what.facts)
    came = came_with(beside.came, what.sequence)
    if came is None:
        return beside
    is_newest = came[-1][1] == what.sequence
    instants = [each for each in (beside.active_at, what.active_at) if each is not None]
    if what.booking is not None:
        beside.bookings.append(what.booking)
    return replace(
        beside,
        came=came,
        is_whole=what.is_last_of_cause if is_newest else beside.is_whole,
        active_at=max(instants, default=None),
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
