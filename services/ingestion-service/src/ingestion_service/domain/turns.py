"""Turns: how much of what a practice sends is accepted at once, and what waits in its queue."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.facts import PracticeId

CAPACITY: Final = 500
"""Records: what a turn accepts at the least, and how far beyond its share a practice may be before
it waits. Practices of the same load differ by chance in a batch, and a queue costs more than it
saves when so few records are in the way of the others."""

DRAINED_AT_ONCE: Final = 4
"""Practices that wait and are served between two batches."""


MOVES_EVERY: Final = timedelta(minutes=1)
"""How far behind the first record of its queue a practice stands at the most, within a day: where
it stands is announced, and each reader has to act on that."""


class Places(NamedTuple):
    """Which records of a batch are accepted now, and which wait; each in the batch's order."""

    accepted: list[int]
    deferred: list[int]


def share(records: int, practices: int) -> int:
    """How many records of each practice a batch of `records` accepts, where so many practices send
    or wait: at least one. A practice alone has all of it."""
    return max(1, max(records, CAPACITY) // max(1, practices))


def drained_share(records: int, practices: int) -> int:
    """How many records of a practice that waits are accepted between two batches: its share, but so
    many that few records of many practices do not take a transaction each."""
    return max(share(records, practices), CAPACITY // DRAINED_AT_ONCE)


def may_flood(senders: Counter[PracticeId]) -> bool:
    """Whether any of these practices sends so much that it might have to wait."""
    return any(count > CAPACITY for count in senders.values())


def floods(senders: Counter[PracticeId], of_each: int) -> set[PracticeId]:
    """The practices that send more than their share of `of_each` and `CAPACITY` more."""
    return {practice for practice, count in senders.items() if count > of_each + CAPACITY}


def places(senders: Sequence[PracticeId], room: Mapping[PracticeId, int]) -> Places:
    """Divide a batch, given whom each of its records names: of a practice in `room` only so many of
    the first are accepted; of every other all."""
    left = dict(room)
    found = Places([], [])
    for place, practice in enumerate(senders):
        if practice not in left:
            found.accepted.append(place)
        elif left[practice] > 0:
            left[practice] -= 1
            found.accepted.append(place)
        else:
            found.deferred.append(place)
    return found


def of_one_day(instants: Collection[datetime], stands_at: datetime, zone: ZoneInfo) -> int:
    """How many of the first of these instants, of which the first records of a queue were deferred,
    lie on the practice's own day at which it stands."""
    day = stands_at.astimezone(zone).date()
    for number, instant in enumerate(instants):
        if max(instant, stands_at).astimezone(zone).date() != day:
            return number
    return len(instants)


def stands_next(stands_at: datetime, head: datetime, zone: ZoneInfo) -> datetime:
    """Where a practice stands that stood at `stands_at`, when the first record of its queue was
    deferred at `head`: there, if that is another day of the practice or far enough."""
    is_another_day = head.astimezone(zone).date() > stands_at.astimezone(zone).date()
    return head if is_another_day or head - stands_at >= MOVES_EVERY else stands_at
