"""The command `restored`: what the topics have and a restored database lacks, and how it goes on.

It lists and, with --confirm, lets the service go on; it repairs nothing (ADR 28).
"""

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import LogBounds, LogReader, Record, TopicPartition
from rapport_runtime.database import Database, fetch_value
from rapport_runtime.errors import TryLater
from rapport_runtime.ops import audit
from rapport_runtime.ops.operators import Refused, add_reason, run_and_print
from rapport_runtime.stream import incarnation, published
from rapport_runtime.stream.look import LastEvent, OpenLog, last_events
from rapport_runtime.stream.output import Output
from rapport_runtime.topics import partitions_of

CHUNK_OFFSETS = 2_000
_NOW = "SELECT clock_timestamp()"


class LostRecord(NamedTuple):
    """A record of ours that the database does not know: the logical topic, its key and value, and
    when it was written (the broker's or producer's clock)."""

    topic: str
    key: bytes | None
    value: bytes
    written_at: datetime


@dataclass(frozen=True, kw_only=True)
class AfterRestore:
    """A service's own part. `report` says what the lost records mean to it, a line each.
    `on_confirm(tx, reached)` is called with the business time that the lost life of the database
    had reached (None: unknown), in the transaction that draws the new incarnation."""

    report: Callable[[Connection, Sequence[LostRecord]], list[str]]
    on_confirm: Callable[[Connection, datetime | None], list[str]] = lambda _tx, _reached: []


class Restoration:
    """Compares the ends of the service's own topics with the database, and lets it go on."""

    def __init__(
        self,
        database: Database,
        output: Output,
        open_log: OpenLog,
        after: AfterRestore,
        *,
        is_simulated: bool,
    ) -> None:
        self._database = database
        self._output = output
        self._open_log = open_log
        self._after = after
        self._is_simulated = is_simulated

    def dry_run(self) -> list[str]:
        """What the topics have and the database lacks. Raises `TryLater`."""
        with closing(self._open_log()) as reader, self._database.transaction() as tx:
            _, lines = self._look(tx, reader)
        return [*lines, "nothing was changed: add --confirm --why to let the service go on"]

    def confirm(self, actor: str, reason: str) -> list[str]:
        """The same lines; and from now on the ends of the topics are known, and the database has
        another incarnation. Raises `TryLater`."""
        with closing(self._open_log()) as reader, self._database.transaction() as tx:
            last, lines = self._look(tx, reader)
            ends = {each.place: [event_id] for each in last if (event_id := each.head.event_id)}
            published.keep(tx, ends)
            before, drawn = incarnation.current(tx), incarnation.draw(tx)
            lines += self._after.on_confirm(tx, self._reached(tx, last))
            audit.record(tx, audit.AuditEntry(actor, "restored", "database", drawn, reason))
        return [*lines, f"incarnation {before} ended, {drawn} begins: start the workers"]

    def _look(self, tx: Connection, reader: LogReader) -> tuple[list[LastEvent], list[str]]:
        last = last_events(reader, self._output)
        events = [event for each in last if (event := each.published()) is not None]
        places = {event.place for event in published.unknown(tx, events)} if events else set()
        if not places:
            return last, ["this database knows the end of every topic that it writes"]
        lost = [record for place in sorted(places) for record in self._lost(tx, reader, place)]
        lines = [self._interval(tx, lost, places), *self._after.report(tx, lost)]
        return last, lines

    def _lost(self, tx: Connection, reader: LogReader, place: TopicPartition) -> list[LostRecord]:
        """The records of ours behind the last one that the database knows, the oldest first."""
        lost: list[LostRecord] = []
        for chunk in _backwards(reader, place):
            heads = [(record, self._output.head_of(record)) for record in chunk]
            events = [
                (record, head.event_id)
                for record, head in heads
                if head is not None and head.event_id is not None and not head.is_watermark
            ]
            values = {event_id: record.value for record, event_id in events}
            known = published.known(tx, place, values)
            last_known = max(
                (number for number, (_, event_id) in enumerate(events) if event_id in known),
                default=-1,
            )
            lost[:0] = [_lost_record(place, record) for record, _ in events[last_known + 1 :]]
            if last_known >= 0:
                break
        return lost

    def _interval(
        self, tx: Connection, lost: Sequence[LostRecord], places: Collection[TopicPartition]
    ) -> str:
        since = published.last_at(tx, partitions_of(*self._output.topics))
        until = max((record.written_at for record in lost), default=None)
        return (
            f"{len(lost)} events on {len(places)} partitions are not known to this database. It"
            f" published last at {_at(since)}, the newest of them is of {_at(until)}: send again,"
            " whole, what came by REST from some minutes before that time until now"
        )

    def _reached(self, tx: Connection, last: Sequence[LastEvent]) -> datetime | None:
        if self._is_simulated:
            return max((each.head.time for each in last), default=None)
        now: datetime = fetch_value(tx, _NOW)
        return now


def restored_command(restoration: Restoration, argv: Sequence[str]) -> int:
    """The command `restored`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="restored",
        description="after a restore: list what the topics have and this database lacks;"
        " with --confirm let the service go on. It repairs nothing.",
    )
    parser.add_argument("--confirm", action="store_true", help="without it nothing is changed")
    add_reason(parser, required=False)
    options = parser.parse_args(argv)

    def run() -> list[str]:
        try:
            if not options.confirm:
                return restoration.dry_run()
            if options.why is None:
                raise Refused("say --why: it is kept in the audit")
            return restoration.confirm(options.by, options.why)
        except TryLater as error:
            raise Refused(f"the bus does not answer: {error}") from error

    return run_and_print(run)


def _backwards(reader: LogReader, place: TopicPartition) -> Iterator[list[Record]]:
    """The records of a log in chunks, from its end to its start."""
    log = reader.bounds([place])[place]
    end = log.end
    while end > log.first:
        start = max(log.first, end - CHUNK_OFFSETS)
        yield reader.read({place: LogBounds(start, end)})[place]
        end = start


def _lost_record(place: TopicPartition, record: Record) -> LostRecord:
    written_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return LostRecord(place.topic, record.key, record.value or b"", written_at)


def _at(instant: datetime | None) -> str:
    return "an unknown time" if instant is None else instant.isoformat(timespec="seconds")
