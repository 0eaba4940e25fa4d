"""The command `restored`: what the topics have and a restored database lacks, and how it goes on.

It lists; with --confirm it lets the service go on, and with --repair it repairs (ADR 28).
"""

import argparse
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import LogBounds, LogReader, Record, TopicPartition
from rapport_runtime.database import Database, real_time
from rapport_runtime.errors import TryLater
from rapport_runtime.ops import audit, incarnation
from rapport_runtime.ops.operators import Refused, Secrets, actor, add_reason, run_and_print
from rapport_runtime.stream import outbox, positions, published
from rapport_runtime.stream.look import (
    LastEvent,
    OpenLog,
    last_events,
    logs_made_anew,
    never_written,
)
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.strays import Input, Stray, begin_anew, strays, told
from rapport_runtime.topics import partitions_of

CHUNK_OFFSETS = 2_000
MOST_LISTED = 10_000
"""Of each partition at most so many events are looked at and listed, the newest."""

_Event = tuple[str, Record]
"""An event's id, and the record that holds it."""


class LostRecord(NamedTuple):
    """A record of ours that the database does not know: the logical topic, its key and value, and
    when it was written (the broker's or producer's clock)."""

    topic: str
    key: bytes | None
    value: bytes
    written_at: datetime


@dataclass(frozen=True)
class Repair:
    """A service's own repair. `note(tx, lost)` keeps what it needs of the lost records, in the
    transaction that draws the new incarnation; `go_on(database, secrets)` repairs what was noted
    and is not repaired: killed, it goes on when it is called again. Both return lines."""

    note: Callable[[Connection, Sequence[LostRecord]], list[str]]
    go_on: Callable[[Database, Secrets], list[str]]


@dataclass(frozen=True, kw_only=True)
class AfterRestore:
    """A service's own part. `reads` is its input, and `again` says what is entered again of the
    interval that is lost, and what comes by itself. `report` says what the lost records mean to it,
    a line each. `on_confirm(tx, reached)` is called with the business time that the lost life of
    the database had reached (None: unknown), in the transaction that draws the new incarnation.
    `repair` is None where nothing can be repaired."""

    reads: Input
    again: str
    report: Callable[[Connection, Sequence[LostRecord]], list[str]]
    on_confirm: Callable[[Connection, datetime | None], list[str]] = lambda _tx, _reached: []
    repair: Repair | None = None


@dataclass(frozen=True)
class _Ends:
    """The ends of the topics beside the database, which published last at `since`: the partitions
    whose end it does not know, those made anew, those that its outbox has rows for."""

    last: Sequence[LastEvent]
    unknown: frozenset[TopicPartition]
    made_anew: Sequence[TopicPartition]
    waiting: frozenset[TopicPartition]
    since: datetime | None


@dataclass
class _Tail:
    """The end of one log, read backwards: the records behind the last known one, the oldest first;
    whether there are more of them; the ids of the outbox rows that stand in the log already."""

    lost: list[LostRecord] = field(default_factory=list)
    is_cut: bool = False
    published_rows: list[int] = field(default_factory=list)


class _Found(NamedTuple):
    """What a look finds: the ends of the service's own topics, and the tails behind them; the
    positions that lie in no log; all of it in lines for the operator."""

    ends: _Ends
    tails: Mapping[TopicPartition, _Tail]
    astray: Sequence[Stray]
    lines: list[str]


class Restoration:
    """Compares the service's topics with the database, and lets it go on: the ends of those that it
    writes with what it has published, the logs of those that it reads with its positions."""

    def __init__(
        self,
        database: Database,
        output: Output,
        open_log: OpenLog,
        after: AfterRestore,
        *,
        is_simulated: bool,
        most_listed: int = MOST_LISTED,
    ) -> None:
        self._database = database
        self._output = output
        self._open_log = open_log
        self._after = after
        self._is_simulated = is_simulated
        self._most_listed = most_listed

    def dry_run(self) -> list[str]:
        """What the topics have and the database lacks, and which of them are not those that it has
        read. Raises `TryLater`."""
        lines = self._look().lines
        return [*lines, "nothing was changed: add --confirm --why to let the service go on"]

    def confirm(self, actor: str, reason: str, *, repairs: bool = False) -> list[str]:
        """The same lines, since nothing finds them later; and from now on the ends of the topics
        are known, the database and what its outbox holds have another incarnation, and logs in
        which a position lay no more are read from their beginning. With `repairs` what is lost is
        noted, for `repair`. Raises `TryLater`, and `Refused` when a worker still works."""
        ends, tails, astray, lines = self._look()
        known = {each.place: [event_id] for each in ends.last if (event_id := each.head.event_id)}
        published_rows = [row for tail in tails.values() for row in tail.published_rows]
        with self._database.transaction() as tx:
            published.keep(tx, known)
            published.forget(tx, ends.made_anew)
            before, drawn = incarnation.current(tx), incarnation.draw(tx)
            outbox.stamp_anew(tx, before, drawn, published_rows)
            if repairs:
                lines += self._repair().note(tx, _all_lost(tails, ends.unknown))
            lines += self._after.on_confirm(tx, self._reached(tx, ends.last))
            if astray:
                lines += begin_anew(tx, self._after.reads.group, astray, actor, reason)
            audit.record(tx, audit.AuditEntry(actor, "restored", "database", drawn, reason))
        return [*lines, f"incarnation {before} ended, {drawn} begins: start the workers"]

    def repair(self, secrets: Secrets) -> list[str]:
        """Repair what was noted. Raises `Refused` where the service can repair nothing."""
        return self._repair().go_on(self._database, secrets)

    def _repair(self) -> Repair:
        if self._after.repair is None:
            raise Refused("this service repairs nothing: leave --repair out")
        return self._after.repair

    def _look(self) -> _Found:
        with self._database.transaction() as tx:
            stored = positions.load_topics(tx, self._after.reads.group, self._after.reads.topics)
        with closing(self._open_log()) as reader:
            ends = self._ends(reader)
            places = sorted(ends.unknown | ends.waiting)
            tails = {place: self._tail(reader, place) for place in places}
            found = strays(reader, stored)
        lines = [
            f"{place.topic}/{place.partition} was made anew: what it held cannot be listed"
            for place in sorted(ends.made_anew)
        ]
        if ends.unknown:
            lines += self._lost(ends, {place: tails[place] for place in ends.unknown})
        lines = lines or ["this database knows the end of every topic that it writes"]
        return _Found(ends, tails, found, lines + told(found))

    def _ends(self, reader: LogReader) -> _Ends:
        last, empty = last_events(reader, self._output), never_written(reader, self._output)
        events = [event for each in last if (event := each.published()) is not None]
        with self._database.transaction() as tx:
            unknown = published.unknown(tx, events) if events else []
            return _Ends(
                last,
                frozenset(event.place for event in unknown),
                logs_made_anew(tx, reader, empty),
                frozenset(outbox.places(tx)),
                published.last_at(tx, partitions_of(*self._output.topics)),
            )

    def _tail(self, reader: LogReader, place: TopicPartition) -> _Tail:
        """Read until the newest event that was published and left the outbox. A transaction for
        each chunk: none is open while the bus is read."""
        tail, seen, reaches_known = _Tail(), 0, False
        for chunk in _backwards(reader, place):
            events = list(self._events(chunk))
            with self._database.transaction() as tx:
                kept = published.kept(tx, place, [event_id for event_id, _ in events])
                waiting = outbox.waiting(tx, place, [record.value for _, record in events])
            tail.published_rows += waiting.values()
            if not reaches_known:
                lost = _behind_known(events, kept, waiting)
                tail.lost[:0] = [_lost_record(place, record) for _, record in lost]
                reaches_known = len(lost) < len(events)
            seen += len(events)
            if kept or seen >= self._most_listed:
                tail.is_cut = not reaches_known
                break
        del tail.lost[: -self._most_listed]
        return tail

    def _events(self, records: Sequence[Record]) -> Iterator[_Event]:
        for record in records:
            head = self._output.head_of(record)
            if head is not None and head.event_id is not None and not head.is_watermark:
                yield head.event_id, record

    def _lost(self, ends: _Ends, tails: Mapping[TopicPartition, _Tail]) -> list[str]:
        lost = _all_lost(tails, tails)
        lines = [_interval(ends.since, lost, len(tails)), self._after.again]
        lines += [
            f"{place.topic}/{place.partition} has more than the newest {self._most_listed} of them,"
            " which are listed: what came before these is not"
            for place in sorted(tails)
            if tails[place].is_cut
        ]
        with self._database.transaction() as tx:
            return lines + self._after.report(tx, lost)

    def _reached(self, tx: Connection, last: Sequence[LastEvent]) -> datetime | None:
        if self._is_simulated:
            return max((each.head.time for each in last), default=None)
        return real_time(tx)


def _all_lost(
    tails: Mapping[TopicPartition, _Tail], places: Collection[TopicPartition]
) -> list[LostRecord]:
    return [record for place in sorted(places) for record in tails[place].lost]


def restored_parser() -> argparse.ArgumentParser:
    """The words of the command `restored`."""
    parser = argparse.ArgumentParser(
        prog="restored",
        description="after a restore: list what the topics have and this database lacks;"
        " with --confirm let the service go on; with --repair, too, repair what can be repaired"
        " before a worker reads again. Killed, --repair alone goes on.",
    )
    parser.add_argument("--confirm", action="store_true", help="let the service go on")
    parser.add_argument(
        "--repair", action="store_true", help="repair what this or an earlier --confirm has noted"
    )
    add_reason(parser, required=False)
    return parser


def restored_command(
    restoration: Restoration, options: argparse.Namespace, secrets: Secrets
) -> int:
    """The command `restored` of these words; returns the exit code."""

    def run() -> list[str]:
        try:
            lines = _confirmed(restoration, options)
            return [*lines, *restoration.repair(secrets)] if options.repair else lines
        except TryLater as error:
            raise Refused(f"the bus does not answer: {error}") from error

    return run_and_print(run)


def _confirmed(restoration: Restoration, options: argparse.Namespace) -> list[str]:
    if not options.confirm:
        return [] if options.repair else restoration.dry_run()
    if options.why is None:
        raise Refused("say --why: it is kept in the audit")
    return restoration.confirm(actor(options), options.why, repairs=options.repair)


def _backwards(reader: LogReader, place: TopicPartition) -> Iterator[list[Record]]:
    """The records of a log in chunks, from its end to its start."""
    log = reader.bounds([place])[place]
    end = log.end
    while end > log.first:
        start = max(log.first, end - CHUNK_OFFSETS)
        yield reader.read({place: LogBounds(start, end)})[place]
        end = start


def _behind_known(
    events: Sequence[_Event], kept: Collection[str], waiting: Collection[bytes]
) -> Sequence[_Event]:
    """The events behind the last one that was published or waits to be published again."""
    known = (
        number
        for number, (event_id, record) in enumerate(events)
        if event_id in kept or record.value in waiting
    )
    return events[max(known, default=-1) + 1 :]


def _interval(since: datetime | None, lost: Sequence[LostRecord], partitions: int) -> str:
    until = max((record.written_at for record in lost), default=None)
    return (
        f"{len(lost)} events on {partitions} partitions are not known to this database. It"
        f" published last at {_at(since)}, the newest of them is of {_at(until)}: the interval that"
        " is lost begins some minutes before the first time, and ends now"
    )


def _lost_record(place: TopicPartition, record: Record) -> LostRecord:
    written_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return LostRecord(place.topic, record.key, record.value or b"", written_at)


def _at(instant: datetime | None) -> str:
    return "an unknown time" if instant is None else instant.isoformat(timespec="seconds")
