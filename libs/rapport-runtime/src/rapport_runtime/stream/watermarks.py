"""How a reader of topics without watermarks knows that it has read all up to an instant."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import Consumer, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.stream import positions
from rapport_runtime.stream.loop import BatchLoop
from rapport_runtime.stream.positions import OffsetAdvance

Now = Callable[[Connection], datetime | None]
"""The service's business time; None while a simulated clock has not been set yet."""

PROOF_EVERY = timedelta(seconds=1)
"""How far business time moves before a partition's end is asked for again."""

READ_CLOCK_SECONDS = 0.25
"""How often a clock that runs evenly is read."""


class _End(NamedTuple):
    """The end of a partition's log, asked for after business time was read. A reader whose
    position has reached `end` has read all that was there at `instant`."""

    instant: datetime
    end: int


class ReadToEnd:
    """Advances `processed_through` of each partition that was read to its end.

    An empty poll proves nothing, since a dead broker also gives one. So the reader reads the
    business time and then asks for the ends of the logs, about once a second of business time.
    When the position reaches such an end, everything up to that time has been read, even if more
    records were written meanwhile. Paused partitions do not advance.
    """

    def __init__(self, database: Database, group: str, now: Now, *, jumps: bool) -> None:
        """`jumps`: the clock is set forward by a person, at any time and by any step, and stands
        between. So it is read in every turn, and each step is followed, however small."""
        self._database = database
        self._group = group
        self._now = now
        self._clock_seconds = 0.0 if jumps else READ_CLOCK_SECONDS
        self._clock_due = 0.0
        self._proof_every = timedelta(0) if jumps else PROOF_EVERY
        self._ends: dict[TopicPartition, _End] = {}
        self._proved: dict[TopicPartition, datetime] = {}

    def observe(self, consumer: Consumer, loop: BatchLoop) -> None:
        """Ask for the ends that are due, and store the instants of those that were reached.

        Raises `TryLater` when the bus does not answer, psycopg.Error when the database does not.
        """
        read = {tp: at for tp, at in loop.positions.items() if not loop.stopped.stops(tp)}
        self._ends = {tp: end for tp, end in self._ends.items() if tp in read}
        if time.monotonic() >= self._clock_due:
            self._ask_for_ends(consumer, read)
            self._clock_due = time.monotonic() + self._clock_seconds
        reached = [
            OffsetAdvance(tp, read[tp].next_offset, read[tp].next_offset, end.instant)
            for tp, end in self._ends.items()
            if end.end <= read[tp].next_offset
        ]
        if not reached:
            return
        with self._database.transaction() as tx:
            moved = positions.claim(tx, self._group, reached)
        loop.advance(moved)
        self._proved.update({tp: self._ends.pop(tp).instant for tp in moved})

    def _ask_for_ends(self, consumer: Consumer, held: Iterable[TopicPartition]) -> None:
        """Ask only for partitions whose last end was reached: a reader that lags behind would
        otherwise be given a later end each time and never reach one."""
        with self._database.transaction() as tx:
            now = self._now(tx)
        if now is None:
            return
        due = [tp for tp in held if tp not in self._ends if self._is_later(tp, now)]
        if due:
            ends = consumer.end_offsets(due)
            self._ends.update({tp: _End(now, ends[tp]) for tp in due})

    def _is_later(self, tp: TopicPartition, now: datetime) -> bool:
        """Whether time has gone on enough since the partition's end was last reached."""
        proved = self._proved.get(tp)
        return proved is None or (now > proved and now - proved >= self._proof_every)
