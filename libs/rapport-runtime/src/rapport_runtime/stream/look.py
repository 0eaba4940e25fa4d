"""The look of a service at its own output: is its database older than what it has published?

See ADR 28. The order matters: first the ends of the topics, then the database. Whatever this
database publishes meanwhile stands behind those ends.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import LogBounds, LogReader, Record, TopicPartition
from rapport_runtime.database import Database
from rapport_runtime.db_errors import DatabaseError, is_transient
from rapport_runtime.errors import DatabaseIsOlder, TryLater
from rapport_runtime.logs import get_logger
from rapport_runtime.ops import incarnation
from rapport_runtime.stream import published
from rapport_runtime.stream.output import EventHead, Output
from rapport_runtime.stream.published import PublishedEvent
from rapport_runtime.topics import partitions_of

log = get_logger(__name__)

TAIL_RECORDS, WIDER = 16, 16
"""How many offsets before a log's end are read at first, and how many times more each time that
none of them holds an event of ours."""

OpenLog = Callable[[], LogReader]


class LastEvent(NamedTuple):
    """The last record of ours at the end of a log. `value` is that of the event; for a watermark
    that of the event before it, None where that was not read."""

    place: TopicPartition
    value: bytes | None
    head: EventHead

    def published(self) -> PublishedEvent | None:
        """The event that it is, or that it names; None for a watermark that names none."""
        if self.head.event_id is None:
            return None
        return PublishedEvent(self.place, self.head.event_id, self.value)


class OutputLook:
    """Checks a database connection before its first use (`Database.vet`)."""

    def __init__(self, database: Database, output: Output, open_log: OpenLog) -> None:
        self._database = database
        self._output = output
        self._open_log = open_log
        self._one_at_a_time = threading.Lock()

    def __call__(self, tx: Connection) -> None:
        """Compare the ends of the topics with the database behind `tx`.

        Raises `DatabaseIsOlder` when an event there is not known here, `TryLater` when the bus
        does not answer.
        """
        began = time.monotonic()
        with self._one_at_a_time, closing(self._open_log()) as reader:
            last, empty = last_events(reader, self._output), never_written(reader, self._output)
            made_anew = logs_made_anew(tx, reader, empty)
        events = [event for each in last if (event := each.published()) is not None]
        unknown = published.unknown(tx, events) if events else []
        places = sorted({*made_anew, *(event.place for event in unknown)})
        if places:
            self._refuse(places)
        incarnation.forget_older(tx)
        log.info("output_looked_at", events=len(events), seconds=time.monotonic() - began)

    def _refuse(self, places: Sequence[TopicPartition]) -> None:
        names = [f"{place.topic}/{place.partition}" for place in places]
        log.critical("database_is_older", partitions=names)
        with self._database.transaction(vetted=False) as tx:
            incarnation.note_older(tx)
        msg = (
            f"the ends of {', '.join(names)} are not known to this database: it is older than what"
            " it has published, or they were made anew; see the command `restored`"
        )
        raise DatabaseIsOlder(msg)


def await_look(
    database: Database,
    check_topics: Callable[[], None],
    stop: threading.Event,
    waits_for: Callable[[str], None] = lambda _server: None,
    pause_seconds: float = 1.0,
) -> None:
    """Check the topics, and use the database for the first time, so that it is looked at; wait
    while it or the broker does not answer, and tell `waits_for` which. Raises `LoopHalted`."""
    while not stop.is_set():
        try:
            check_topics()
            with database.transaction():
                return
        except TryLater as error:
            waits_for("broker")
            log.warning("look_waits", error=str(error))
        except DatabaseError as error:
            if not is_transient(error):
                raise
            waits_for("database")
            log.warning("look_waits", error=type(error).__name__)
        stop.wait(pause_seconds)


def last_events(reader: LogReader, output: Output) -> list[LastEvent]:
    """The last record of ours in each partition of the output, where there is one. Raises
    `TryLater`."""
    bounds = reader.bounds(partitions_of(*output.topics))
    found: list[LastEvent] = []
    width = TAIL_RECORDS
    while bounds:
        starts = {tp: max(log.first, log.end - width) for tp, log in bounds.items()}
        tails = reader.read({tp: LogBounds(starts[tp], log.end) for tp, log in bounds.items()})
        last = {tp: _last_of(output, tp, records) for tp, records in tails.items()}
        found += [each for each in last.values() if each is not None]
        bounds = {
            tp: LogBounds(log.first, starts[tp])
            for tp, log in bounds.items()
            if last[tp] is None and starts[tp] > log.first
        }
        width *= WIDER
    return found


def never_written(reader: LogReader, output: Output) -> list[TopicPartition]:
    """The partitions of the output that never held a record. Raises `TryLater`."""
    bounds = reader.bounds(partitions_of(*output.topics))
    return [place for place, log in bounds.items() if log.end == 0]


def logs_made_anew(
    tx: Connection, reader: LogReader, empty: Sequence[TopicPartition]
) -> list[TopicPartition]:
    """Those of the `never_written` partitions to which this database has published: the logs that
    it wrote are gone. Raises `TryLater`."""
    written = published.written(tx, empty) if empty else []
    if not written:
        return []
    # Asked again: another worker may have published the first event since they were found empty.
    bounds = reader.bounds(written)
    return [place for place in written if bounds[place].end == 0]


def _last_of(output: Output, place: TopicPartition, records: Sequence[Record]) -> LastEvent | None:
    last: EventHead | None = None
    for record in reversed(records):
        head = output.head_of(record)
        last = last or head
        # A relay publishes a watermark right behind the event that it names.
        if last is not None and head is not None and not head.is_watermark:
            is_named = head.event_id == last.event_id
            return LastEvent(place, record.value if is_named else None, last)
    return None if last is None else LastEvent(place, None, last)
