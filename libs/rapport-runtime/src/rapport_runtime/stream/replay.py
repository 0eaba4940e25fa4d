"""Queued dead letters go to the handler once more, under their partition's position row."""

import threading
import time

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.stream import positions
from rapport_runtime.stream.assignment import Assignment
from rapport_runtime.stream.batch import BatchHandler
from rapport_runtime.stream.dead_letters.table import DeadLetterTable, settle
from rapport_runtime.stream.partition_batches import batch_of, decoded
from rapport_runtime.stream.positions import OffsetAdvance
from rapport_runtime.stream.processor import refusal


class Replay:
    """Replays what operators have queued, of the partitions that this worker holds."""

    def __init__(
        self,
        database: Database,
        handler: BatchHandler,
        assignment: Assignment,
        letters: DeadLetterTable,
        *,
        every_seconds: float,
        max_records: int,
    ) -> None:
        """Looks for queued letters every `every_seconds`, and takes up to `max_records` of a
        partition each time."""
        self._database = database
        self._handler = handler
        self._assignment = assignment
        self._letters = letters
        self._every_seconds = every_seconds
        self._max_records = max_records
        self._due = time.monotonic() + every_seconds

    def run(self, stop: threading.Event) -> None:
        """Replay what is queued, when it is time to look."""
        now = time.monotonic()
        if stop.is_set() or now < self._due:
            return
        self._due = now + self._every_seconds
        with self._database.transaction() as tx:
            queued = self._letters.queued_partitions(tx)
        for tp in queued & self._assignment.workable():
            self._replay_partition(tp)

    def _replay_partition(self, tp: TopicPartition) -> None:
        """All in one transaction; when one of them is refused, each in a transaction of its own."""
        try:
            self._replay_some(tp, self._max_records, None)
        except (InvalidRecord, *DatabaseError) as error:
            if refusal(error) is None:
                raise
        else:
            return
        for _ in range(self._max_records):
            try:
                replayed = self._replay_some(tp, 1, None)
            except (InvalidRecord, *DatabaseError) as error:
                refused = refusal(error)
                if refused is None:
                    raise
                replayed = self._replay_some(tp, 1, refused)
            if not replayed:
                return

    def _replay_some(self, tp: TopicPartition, limit: int, refused: InvalidRecord | None) -> int:
        """Replay up to `limit` letters, or hold the first again as `refused`; return how many."""
        position = self._assignment.positions[tp]
        lock = OffsetAdvance(tp, position.next_offset, position.next_offset, None)
        with self._database.transaction() as tx:
            claimed = positions.claim(tx, self._letters.group, [lock])
            records = self._letters.take_queued(tx, tp, limit) if claimed else []
            if not records:
                return 0
            part = decoded(self._handler, tp, claimed[tp], records)
            part.next_offset = position.next_offset
            if refused is not None:
                part.events = [refused]
            part.events = [
                record.obstacle or event for record, event in zip(records, part.events, strict=True)
            ]
            batch = batch_of([part])
            if batch.partitions:
                self._handler.handle(tx, batch)
            settle(tx, records, batch.letters)
        return len(records)
