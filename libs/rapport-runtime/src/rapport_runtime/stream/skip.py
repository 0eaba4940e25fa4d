"""The command `skip`: what the Kafka client cannot read becomes a dead letter, and reading goes on.

It skips only what cannot be read, and only where the group's position stands.
"""

import argparse
from contextlib import closing

from rapport_runtime.bus.port import TopicPartition, Unreadable
from rapport_runtime.database import Database
from rapport_runtime.errors import InvalidRecord, TryLater
from rapport_runtime.ops import audit
from rapport_runtime.ops.operators import Refused, actor, add_reason, run_and_print
from rapport_runtime.stream import positions
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.dead_letters.table import (
    UNREADABLE_BATCH,
    UNREADABLE_RECORD,
    DeadLetterTable,
)
from rapport_runtime.stream.look import OpenLog
from rapport_runtime.stream.positions import OffsetAdvance, Position


class Skip:
    """Moves the position of a group past what cannot be read at it."""

    def __init__(self, database: Database, letters: DeadLetterTable, open_log: OpenLog) -> None:
        self._database = database
        self._letters = letters
        self._group = letters.group
        self._open_log = open_log

    def dry_run(self, place: TopicPartition, offset: int) -> list[str]:
        """What would be skipped. Raises `Refused` and `TryLater`."""
        _, found = self._look(place, offset)
        return [
            f"{_named(place)} cannot be read at {found.where()}",
            _left(found),
            "nothing was changed: add --confirm --why to skip it",
        ]

    def confirm(self, place: TopicPartition, offset: int, actor: str, reason: str) -> list[str]:
        """Make a dead letter of it and move the position, or neither. Raises `Refused` and
        `TryLater`."""
        position, found = self._look(place, offset)
        subject, count = f"{_named(place)}@{found.offset}", found.next_offset - found.offset
        move = OffsetAdvance(place, position.next_offset, found.next_offset, None)
        with self._database.transaction() as tx:
            if not positions.claim(tx, self._group, [move]):
                raise Refused(
                    f"{_named(place)}: another has moved the position or holds it at this moment,"
                    " or the topic is paused; nothing was changed"
                )
            self._letters.save(tx, [DeadLetter(place, found.left, _fault(found))])
            entry = audit.AuditEntry(actor, "skip", "records", subject, reason, count=count)
            audit.record(tx, entry)
        return [
            f"{_named(place)} was skipped at {found.where()}",
            f"the workers go on at offset {found.next_offset} within seconds",
            _left(found),
        ]

    def _look(self, place: TopicPartition, offset: int) -> tuple[Position, Unreadable]:
        with self._database.transaction() as tx:
            position = positions.load(tx, self._group, [place]).get(place)
        if position is None:
            raise Refused(f"{self._group} has no position in {_named(place)}")
        with closing(self._open_log()) as reader:
            found = reader.unreadable(place, position.next_offset)
        if found is None:
            raise Refused(
                f"{_named(place)} stands at offset {position.next_offset}, where nothing is"
                " unreadable: nothing is skipped"
            )
        if found.offset != offset:
            raise Refused(
                f"{_named(place)} stands before offset {found.offset}, not {offset}: nothing is"
                " skipped"
            )
        return position, found


def skip_parser() -> argparse.ArgumentParser:
    """The words of the command `skip`."""
    parser = argparse.ArgumentParser(
        prog="skip",
        description="skip what the Kafka client cannot read, where the position stands; what is"
        " left of it becomes a dead letter",
    )
    parser.add_argument("topic", help="its logical name, without a prefix")
    parser.add_argument("partition", type=int)
    parser.add_argument("offset", type=int, help="as /v1/status and the alert name it")
    parser.add_argument("--confirm", action="store_true", help="without it nothing is changed")
    add_reason(parser, required=False)
    return parser


def skip_command(skip: Skip, options: argparse.Namespace) -> int:
    """The command `skip` of these words; returns the exit code."""
    place = TopicPartition(options.topic, options.partition)

    def run() -> list[str]:
        try:
            if not options.confirm:
                return skip.dry_run(place, options.offset)
            if options.why is None:
                raise Refused("say --why: it is kept in the audit")
            return skip.confirm(place, options.offset, actor(options), options.why)
        except TryLater as error:
            raise Refused(f"the bus does not answer: {error}") from error

    return run_and_print(run)


def _named(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"


def _fault(found: Unreadable) -> InvalidRecord:
    reason = UNREADABLE_RECORD if found.is_whole else UNREADABLE_BATCH
    return InvalidRecord(reason, found.where())


def _left(found: Unreadable) -> str:
    if found.is_whole:
        return "its key and value are whole: the dead letter can be replayed"
    size = len(found.left.value or b"")
    return f"the dead letter keeps the {size} bytes of the batch; it cannot be replayed"
