"""Faults of real sources, repeatably: events that are sent twice, and junk records.

Without them a replay would show no duplicates and no dead letters.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from rapport_contracts.codec import encode_source
from rapport_contracts.source import SourceEvent
from rapport_contracts.topics import SOURCE_PAYMENTS
from rapport_devkit.sources.dataset import record_of
from rapport_runtime.bus.port import Outgoing

_TWICE_EVERY = 50
_JUNK_EVERY_DAYS = 7


def _not_json(event: SourceEvent) -> Outgoing:
    return record_of(event)._replace(value=b"\xef\xbb\xbfid;amount\r\n1;29,90")


def _unknown_version(event: SourceEvent) -> Outgoing:
    return record_of(event)._replace(value=encode_source(event).replace(b'.v1"', b'.v9"'))


def _unknown_practice(event: SourceEvent) -> Outgoing:
    return record_of(event.model_copy(update={"practiceid": "nobody-knows-us"}))


def _days_ahead(event: SourceEvent) -> Outgoing:
    ahead = {"id": f"{event.id}-ahead", "time": event.time + timedelta(days=5)}
    return record_of(event.model_copy(update=ahead))


def _wrong_topic(event: SourceEvent) -> Outgoing:
    record = record_of(event)
    junk = b'{"specversion":"1.0","type":"rapport.booking.completed.v1","data":{}}'
    return record._replace(topic=SOURCE_PAYMENTS.name, value=junk)


_JUNK: Sequence[Callable[[SourceEvent], Outgoing]] = (
    _not_json,
    _unknown_version,
    _unknown_practice,
    _days_ahead,
    _wrong_topic,
)


class FaultInjector:
    """Adds to each day's records: every 50th event a second time, a junk record every 7 days."""

    def __init__(self) -> None:
        self.duplicates = 0
        self.junk = 0
        self._events = 0
        self._days = 0

    def records(self, events: Sequence[SourceEvent]) -> list[Outgoing]:
        """The records of one day's events, with the injected faults."""
        self._days += 1
        records = []
        for event in events:
            self._events += 1
            records.append(record_of(event))
            if self._events % _TWICE_EVERY == 0:
                self.duplicates += 1
                records.append(record_of(event))
        if events and self._days % _JUNK_EVERY_DAYS == 0:
            records.append(_JUNK[self.junk % len(_JUNK)](events[0]))
            self.junk += 1
        return records
