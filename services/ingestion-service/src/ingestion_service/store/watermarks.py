"""The business time up to which everything that the sources sent is in the outbox."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream import positions

CompleteThrough = Callable[[sa.Connection, Iterable[int]], Mapping[int, datetime]]


def complete_through(group: str, sources: Collection[TopicPartition]) -> CompleteThrough:
    """For the relay: every partition is complete up to the earliest time that any source partition
    was read through, because a client's events may come from any of them. No partition is
    complete before all source partitions were read through some time."""

    def of_partitions(tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        through = positions.complete_through(tx, group, sources)
        return {} if through is None else dict.fromkeys(partitions, through)

    return of_partitions
