"""Up to when everything that the sources sent has reached the outbox."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream import positions

CompleteThrough = Callable[[sa.Connection, Iterable[int]], Mapping[int, datetime]]


def complete_through(group: str, sources: Collection[TopicPartition]) -> CompleteThrough:
    """For the relay: each partition is complete up to the least that any source partition was read
    through, for a client's events may come from any of them; none before all have been (§4)."""

    def of(tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        reached = positions.complete_through(tx, group, sources)
        return {} if reached is None else dict.fromkeys(partitions, reached)

    return of
