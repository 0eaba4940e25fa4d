"""Positions of a group that lie in no log any more, since a topic was made anew or lost records.

A worker halts at one (R5): only a person can say that what is gone is known to be gone. The command
`restored` lists them and, with --confirm, lets the group read those logs from their beginning.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from rapport_runtime.bus.port import LogBounds, LogReader, TopicPartition
from rapport_runtime.ops import audit
from rapport_runtime.ops.operators import Refused
from rapport_runtime.stream import positions
from rapport_runtime.stream.positions import BeginAnew, Position


@dataclass(frozen=True)
class Input:
    """What a service reads: the topics, and as which group."""

    group: str
    topics: Collection[str]


class Stray(NamedTuple):
    """A position that lies in no log, why, and the move that lets its group read on."""

    why: str
    move: BeginAnew


def strays(reader: LogReader, stored: Mapping[TopicPartition, Position]) -> list[Stray]:
    """Those of the stored positions that lie in no log, in order. Raises `TryLater`.

    The positions must have been read before: a log only grows.
    """
    if not stored:
        return []
    ids = {topic: reader.topic_id(topic) for topic in {place.topic for place in stored}}
    logs = reader.bounds(stored)
    found: list[Stray] = []
    for place, position in sorted(stored.items()):
        why = _why(position, ids[place.topic], logs[place])
        if why is not None:
            move = BeginAnew(place, position, logs[place].first, ids[place.topic])
            found.append(Stray(why, move))
    return found


def told(found: Sequence[Stray]) -> list[str]:
    """A line for each topic, and each reason, of these positions."""
    counts = Counter((each.move.partition.topic, each.why) for each in found)
    return [
        f"{topic} {why}: with --confirm {count} partitions of it are read from their beginning;"
        " what this service had not read of it before is gone"
        for (topic, why), count in counts.items()
    ]


def begin_anew(
    tx: Connection, group: str, found: Sequence[Stray], actor: str, reason: str
) -> list[str]:
    """Move these positions to the beginning of their logs, and note it in the audit; a line for
    each topic. Raises `Refused` when one was moved meanwhile."""
    moves = [each.move for each in found]
    if positions.begin_anew(tx, group, moves) < len(moves):
        raise Refused("a worker has moved a position meanwhile: stop all workers of this service")
    topics = sorted({move.partition.topic for move in moves})
    for topic in topics:
        audit.record(tx, audit.AuditEntry(actor, "restored", "topic", topic, reason))
    return [f"{topic} will be read from its beginning" for topic in topics]


def _why(position: Position, topic_id: str, log: LogBounds) -> str | None:
    if position.topic_id != topic_id:
        return "was made anew"
    if position.next_offset < log.first:
        return "no longer holds what was not read yet"
    if position.next_offset > log.end:
        return "ends before what was read already"
    return None
