"""How a reader of other people's topics knows that it has read all there was (ARCHITECTURE §4)."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.stream import positions
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.positions import OffsetAdvance

Now = Callable[[sa.Connection], datetime | None]
"""The service's business time; None while there is none (a simulated clock that was never set)."""

ABOUT_ONCE = timedelta(seconds=1)
LOOK_SECONDS = 0.25
"""How often a clock is looked at that runs evenly."""


class _Asked(NamedTuple):
    """Where a partition ended, asked for after the time was read: who has read so far, whenever
    that is, has read all that was there at `instant`."""

    instant: datetime
    end: int


class ReadToEnd:
    """Moves `processed_through` of the partitions that were read to their end.

    An empty poll proves nothing (a dead broker gives the same): the end is asked for, and the
    time is read before the asking. About once a second of business time, so a jump of a
    simulated clock is seen at once. What is beyond the position then proves its instant as soon
    as it has been read, however much has been written since: under a steady load no reader ever
    stands at the end. Of what operators have stopped time stands still.
    """

    def __init__(self, database: Database, group: str, now: Now, *, jumps: bool) -> None:
        """`jumps`: the clock may be set on at any time, so it is looked at in every turn."""
        self._database = database
        self._group = group
        self._now = now
        self._look_seconds = 0.0 if jumps else LOOK_SECONDS
        self._looked_at = -LOOK_SECONDS
        self._asked: dict[TopicPartition, _Asked] = {}
        self._said: dict[TopicPartition, datetime] = {}

    def observe(self, consumer: Consumer, loop: BatchLoop) -> None:
        """Ask for the ends where it is due, and record what those proved that have been reached.

        Raises `TryLater` when nobody answers.
        """
        ours = {tp: at for tp, at in loop.positions.items() if not loop.stopped.stops(tp)}
        self._asked = {tp: asked for tp, asked in self._asked.items() if tp in ours}
        if time.monotonic() - self._looked_at >= self._look_seconds:
            self._ask(consumer, ours)
            self._looked_at = time.monotonic()
        reached = [
            OffsetAdvance(tp, ours[tp].next_offset, ours[tp].next_offset, asked.instant)
            for tp, asked in self._asked.items()
            if asked.end <= ours[tp].next_offset
        ]
        if not reached:
            return
        with self._database.transaction() as tx:
            moved = positions.claim(tx, self._group, reached)
        loop.advance(moved)
        self._said.update({tp: self._asked.pop(tp).instant for tp in moved})

    def _ask(self, consumer: Consumer, held: Iterable[TopicPartition]) -> None:
        """Ask anew only of what the last question has proved: a reader who lags by more than the
        time between two questions would otherwise never reach one."""
        with self._database.transaction() as tx:
            now = self._now(tx)
        if now is None:
            return
        due = [
            tp
            for tp in held
            if tp not in self._asked
            if tp not in self._said or now - self._said[tp] >= ABOUT_ONCE
        ]
        if due:
            ends = consumer.end_offsets(due)
            self._asked.update({tp: _Asked(now, ends[tp]) for tp in due})
