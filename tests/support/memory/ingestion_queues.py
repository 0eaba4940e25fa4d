"""The queues of practices that wait, in memory: a part of the store of ingestion."""

import uuid
from collections.abc import Collection, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.source_records import SourceRecord
from ingestion_service.ports import Deferred, Hold, Queue


class QueueRow(NamedTuple):
    """A practice that waits; `drained_at` is a number of `QueueTables.turns`."""

    hold_id: str
    stands_at: datetime
    incarnation: int
    drained_at: int


class WaitingRow(NamedTuple):
    """A record that waits, at its place."""

    practice_id: PracticeId
    deferred_id: int
    deferred_at: datetime
    record: SourceRecord


@dataclass
class QueueTables:
    """What the database holds of queues. `holds` are those announced, each with the number of
    activities that were published before it; `turns` is the clock of turns."""

    rows: dict[PracticeId, QueueRow] = field(default_factory=dict)
    waiting: list[WaitingRow] = field(default_factory=list)
    holds: list[tuple[int, Hold]] = field(default_factory=list)
    incarnation: int = 1
    turns: int = 0

    def turn(self) -> int:
        """The next number of the clock."""
        self.turns += 1
        return self.turns

    def append(self, records: Sequence[tuple[PracticeId, SourceRecord]], now: datetime) -> None:
        """Let records wait in the open queues of their practices."""
        for practice_id, record in records:
            assert practice_id in self.rows, "a record waits in an open queue"
            self.waiting.append(WaitingRow(practice_id, self.turn(), now, record))

    def __copy__(self) -> "QueueTables":
        return replace(
            self, rows=dict(self.rows), waiting=list(self.waiting), holds=list(self.holds)
        )


class MemoryQueues:
    """The methods of `Store` about queues. `before` are the activities published so far."""

    def __init__(self, queues: QueueTables, before: Sized) -> None:
        self._queues = queues
        self._before = before

    def lock_queues(self, practice_ids: Collection[PracticeId]) -> Mapping[PracticeId, Queue]:
        known = self._queues.rows
        return {key: self._queue(key) for key in sorted(practice_ids) if key in known}

    def try_lock_queue(self, practice_id: PracticeId) -> Queue | None:
        return self.lock_queues({practice_id}).get(practice_id)

    def _queue(self, practice_id: PracticeId, *, is_new: bool = False) -> Queue:
        row = self._queues.rows[practice_id]
        is_announced = row.incarnation == self._queues.incarnation
        return Queue(practice_id, row.hold_id, row.stands_at, is_announced, is_new)

    def open_queues(
        self, practice_ids: Collection[PracticeId], now: datetime
    ) -> Mapping[PracticeId, Queue]:
        opened = {}
        for key in sorted(practice_ids):
            is_new = key not in self._queues.rows
            if is_new:
                hold_id, incarnation = uuid.uuid4().hex, self._queues.incarnation
                self._queues.rows[key] = QueueRow(hold_id, now, incarnation, self._queues.turn())
            opened[key] = self._queue(key, is_new=is_new)
        return opened

    def count_queues(self) -> int:
        return len(self._queues.rows)

    def next_queues(self, limit: int) -> list[PracticeId]:
        queues = self._queues.rows
        return sorted(queues, key=lambda key: (queues[key].drained_at, key))[:limit]

    def unannounced_queues(self) -> list[PracticeId]:
        return [key for key in self._queues.rows if not self._queue(key).is_announced]

    def announce_holds(self, holds: Sequence[Hold]) -> None:
        self._queues.holds += [(len(self._before), hold) for hold in holds]

    def note_announced(self, practice_ids: Collection[PracticeId]) -> None:
        for key in practice_ids:
            row = self._queues.rows[key]
            self._queues.rows[key] = row._replace(incarnation=self._queues.incarnation)

    def defer(self, records: Sequence[tuple[PracticeId, SourceRecord]], now: datetime) -> None:
        self._queues.append(records, now)

    def deferred(self, practice_id: PracticeId, limit: int) -> list[Deferred]:
        own = [row for row in self._queues.waiting if row.practice_id == practice_id]
        return [
            Deferred(row.deferred_id, row.deferred_at, is_paused=False, record=row.record)
            for row in own[:limit]
        ]

    def save_turn(
        self, practice_id: PracticeId, *, last: int, taken: int, stands_at: datetime
    ) -> None:
        gone = self._remove(practice_id, last)
        assert gone == taken, "as many records leave a queue as are counted"
        row = self._queues.rows[practice_id]
        self._queues.rows[practice_id] = row._replace(
            stands_at=stands_at, drained_at=self._queues.turn()
        )

    def _remove(self, practice_id: PracticeId, last: int) -> int:
        waiting = self._queues.waiting
        self._queues.waiting = [
            row for row in waiting if row.practice_id != practice_id or row.deferred_id > last
        ]
        return len(waiting) - len(self._queues.waiting)

    def close_queue(self, practice_id: PracticeId) -> None:
        self._remove(practice_id, self._queues.turns)
        del self._queues.rows[practice_id]

    def pass_turn(self, practice_id: PracticeId) -> None:
        row = self._queues.rows[practice_id]
        self._queues.rows[practice_id] = row._replace(drained_at=self._queues.turn())
