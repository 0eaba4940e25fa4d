"""How a reader of other people's topics knows that it has read all there was (ARCHITECTURE §4)."""

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from rapport_runtime import positions
from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.loop import BatchLoop

Now = Callable[[sa.Connection], datetime | None]
"""The service's business time; None while there is none (a simulated clock that was never set)."""

ABOUT_ONCE = timedelta(seconds=1)


class ReadToEnd:
    """Moves `processed_through` of the partitions that were read to their end.

    An empty poll proves nothing (a dead broker gives the same): the end is asked for, and the
    time is read before the asking. About once a second of business time, so a jump of a
    simulated clock is seen at once. Of what operators have stopped time stands still.
    """

    def __init__(self, database: Database, group: str, now: Now) -> None:
        self._database = database
        self._group = group
        self._now = now
        self._said: dict[TopicPartition, datetime] = {}

    def observe(self, consumer: Consumer, loop: BatchLoop) -> None:
        """Ask for the ends and record what they prove. Raises `TryLater` when nobody answers."""
        with self._database.transaction() as tx:
            now = self._now(tx)
        if now is None:
            return
        due = {
            tp: position.next_offset
            for tp, position in loop.positions.items()
            if not loop.stopped.stops(tp)
            if tp not in self._said or now - self._said[tp] >= ABOUT_ONCE
        }
        if not due:
            return
        ends = consumer.end_offsets(due)
        reached = {tp: offset for tp, offset in due.items() if ends[tp] <= offset}
        if not reached:
            return
        with self._database.transaction() as tx:
            moved = positions.reach(tx, self._group, reached, now)
        loop.moved(moved)
        self._said.update(dict.fromkeys(moved, now))
