"""What a service publishes, as the relay and the look at its own output see it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rapport_runtime.bus.port import Record
from rapport_runtime.topics import Partitioned


class EventHead(Protocol):
    """What tells whose event a record holds, and which. For a watermark `event_id` is that of the
    last event before it, None when there was none."""

    @property
    def source(self) -> str: ...
    @property
    def event_id(self) -> str | None: ...
    @property
    def is_watermark(self) -> bool: ...
    @property
    def time(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a service publishes: to which topics, as which `source`.

    `event_id` reads the id of an event of the service, `head` the head of any event; it gives None
    for what is no event.
    """

    source: str
    topics: Collection[Partitioned]
    event_id: Callable[[bytes], str]
    head: Callable[[bytes], EventHead | None]

    @property
    def partitions(self) -> int:
        """The greatest number of partitions of a topic."""
        return max(topic.partitions for topic in self.topics)

    def head_of(self, record: Record) -> EventHead | None:
        """The head of an event that this service published; None for any other record."""
        head = self.head(record.value) if record.value is not None else None
        return head if head is not None and head.source == self.source else None
