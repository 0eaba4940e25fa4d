"""Records that could not be handled, kept sealed and unchanged until a person decides (F37)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import execute, execute_many, fetch
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.logs import get_logger
from rapport_runtime.sealing import Keyring
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.dead_letters.sealed import CannotOpen, Content, opened, sealed

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A stored record; satisfies `Record`. With an `obstacle` it is not for the handler, and its
    bytes are not here."""

    letter_id: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    obstacle: InvalidRecord | None


UNREADABLE_BATCH: Final = "unreadable-batch"
"""The reason of a letter whose value is a batch that the client cannot read, or None: a replay
would take the bytes for a record's."""

UNREADABLE_RECORD: Final = "unreadable-record"
"""The reason of a letter whose record is whole but for what kept the client from reading it."""

CANNOT_OPEN: Final = "cannot-open"
"""The reason of a letter that was to be replayed and whose bytes no key opens here."""

MOVED: Final = """
    id, consumer_group, topic, partition, topic_id, record_offset, sealed_key, sealed_value,
    header_names, sealed_headers, record_timestamp, practice_id, named_practice, reason, field,
    detail, received_at
"""
"""What goes from one table of letters to the other, as it is; its state does not."""

_NOTHING = Content(None, None, ())

# The topic's id: one that is made anew gives the same offsets out again, to other records.
_SAVE = """
    INSERT INTO dead_letter (consumer_group, topic, partition, topic_id, record_offset, sealed_key,
        sealed_value, header_names, sealed_headers, record_timestamp, practice_id, named_practice,
        reason, field, detail)
    VALUES (%(group)s, %(topic)s, %(partition)s,
        (SELECT topic_id FROM consumer_position WHERE consumer_group = %(group)s
            AND topic = %(topic)s AND partition = %(partition)s),
        %(offset)s, %(sealed_key)s, %(sealed_value)s, %(names)s, %(sealed_headers)s, %(timestamp)s,
        %(practice_id)s, %(named_practice)s, %(reason)s, %(field)s, %(detail)s)
    ON CONFLICT (consumer_group, topic, partition, topic_id, record_offset) DO UPDATE
    SET reason = excluded.reason, field = excluded.field, detail = excluded.detail,
        sealed_key = excluded.sealed_key, sealed_value = excluded.sealed_value,
        sealed_headers = excluded.sealed_headers,
        practice_id = coalesce(excluded.practice_id, dead_letter.practice_id),
        named_practice = coalesce(excluded.named_practice, dead_letter.named_practice),
        state = 'held'
"""
# A record has one letter: what was decided on it once waits again, under its id.
_BACK = f"""
    WITH back AS (
        DELETE FROM decided_letter
        WHERE consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
          AND record_offset = ANY(%(offsets)s)
          AND topic_id IS NOT DISTINCT FROM (
            SELECT topic_id FROM consumer_position WHERE consumer_group = %(group)s
                AND topic = %(topic)s AND partition = %(partition)s)
        RETURNING {MOVED}
    )
    INSERT INTO dead_letter ({MOVED}) OVERRIDING SYSTEM VALUE SELECT {MOVED} FROM back
"""  # noqa: S608 - the parts are constants of this file
_HOLD_AGAIN = """
    UPDATE dead_letter
    SET reason = %(reason)s, field = %(field)s, detail = %(detail)s,
        practice_id = coalesce(%(practice_id)s, practice_id),
        named_practice = coalesce(%(practice_id)s, named_practice),
        state = 'held'
    WHERE id = %(letter_id)s
"""
_TAKE = """
    SELECT id, consumer_group, topic, partition, record_offset, sealed_key, sealed_value,
        header_names, sealed_headers, record_timestamp, reason, detail
    FROM dead_letter
    WHERE consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
      AND state = 'queued'
    ORDER BY record_offset LIMIT least(%(limit)s, (
        SELECT min(stop_after) FROM dead_letter
        WHERE consumer_group = %(group)s AND topic = %(topic)s
          AND partition = %(partition)s AND state = 'queued'))
    FOR UPDATE SKIP LOCKED
"""
# A letter that failed again keeps its replay's id; one that is stopped was not tried and loses it.
_STOP = """
    WITH failed AS (
        SELECT replay_id FROM dead_letter
        WHERE replay_id IN (SELECT replay_id FROM dead_letter WHERE id = ANY(%(ids)s))
          AND state = 'held'
        GROUP BY replay_id HAVING count(*) >= min(stop_after)
    ), waiting AS (
        SELECT id FROM dead_letter JOIN failed USING (replay_id) WHERE state = 'queued'
        ORDER BY id FOR UPDATE OF dead_letter SKIP LOCKED
    )
    UPDATE dead_letter SET state = 'held', replay_id = NULL, stop_after = NULL
    FROM waiting WHERE dead_letter.id = waiting.id
"""
_QUEUED = """
    SELECT DISTINCT topic, partition FROM dead_letter
    WHERE consumer_group = %(group)s AND state = 'queued'
"""
_DONE = f"""
    WITH done AS (DELETE FROM dead_letter WHERE id = ANY(%(ids)s) RETURNING {MOVED})
    INSERT INTO decided_letter ({MOVED}, state) SELECT {MOVED}, 'replayed' FROM done
"""  # noqa: S608 - as above


class DeadLetterTable:
    """The dead letters of one consumer group, for its worker; the keyring seals their bytes."""

    def __init__(self, group: str, keyring: Keyring) -> None:
        self.group = group
        self._keyring = keyring

    def save(self, tx: Connection, letters: Sequence[DeadLetter]) -> None:
        """Store the letters of records that a batch of the group holds; one that is stored already
        is held again with its new reason."""
        rows = [self._row(letter) for letter in letters]
        if not rows:
            return
        offsets: dict[TopicPartition, list[int]] = defaultdict(list)
        for letter in letters:
            offsets[letter.partition].append(letter.record.offset)
        for at, some in offsets.items():
            execute(tx, _BACK, {**self._where(at), "offsets": some})
        execute_many(tx, _SAVE, rows)

    def queued_partitions(self, tx: Connection) -> set[TopicPartition]:
        """The partitions in which letters wait to be replayed."""
        rows = fetch(tx, _QUEUED, {"group": self.group})
        return {TopicPartition(row.topic, row.partition) for row in rows}

    def take_queued(
        self, tx: Connection, partition: TopicPartition, limit: int
    ) -> list[StoredRecord]:
        """Up to `limit` queued letters of the partition, locked, oldest offset first."""
        rows = fetch(tx, _TAKE, {**self._where(partition), "limit": limit})
        return [self._record(row) for row in rows]

    def _row(self, letter: DeadLetter) -> dict[str, Any]:
        record = letter.record
        return {
            **self._where(letter.partition),
            **sealed(self._keyring, self.group, letter.partition, record.offset, record),
            "offset": record.offset,
            "names": [_storable(name) for name, _ in record.headers],
            "timestamp": record.timestamp,
            "named_practice": letter.practice,
            **_why(letter.error),
        }

    def _record(self, row: Any) -> StoredRecord:
        """The letter as a record. What nobody could read is not opened; a letter that cannot be
        opened keeps no other from its replay."""
        content, obstacle = _NOTHING, None
        if row.reason == UNREADABLE_BATCH:
            obstacle = InvalidRecord(row.reason, row.detail)
        else:
            try:
                content = opened(self._keyring, row)
            except CannotOpen as error:
                log.warning("letter_cannot_be_opened", letter=row.id, error=str(error))
                obstacle = InvalidRecord(CANNOT_OPEN, str(error))
        return StoredRecord(row.id, row.record_offset, *content, row.record_timestamp, obstacle)

    def _where(self, at: TopicPartition) -> dict[str, Any]:
        return {"group": self.group, "topic": at.topic, "partition": at.partition}


def settle(tx: Connection, records: Sequence[StoredRecord], letters: Sequence[DeadLetter]) -> None:
    """End a replay of these records: those of `letters` have failed again and are held with their
    new reasons, the others are replayed. Then each replay that has reached its `stop_after` is
    stopped: its queued letters become held. A letter that another worker handles at the moment
    stays queued."""
    ids = {id(record): record.letter_id for record in records}
    rows = [{"letter_id": ids[id(each.record)], **_why(each.error)} for each in letters]
    failed = [row["letter_id"] for row in rows]
    mark_replayed(tx, [record for record in records if record.letter_id not in set(failed)])
    if rows:
        execute_many(tx, _HOLD_AGAIN, rows)
        execute(tx, _STOP, {"ids": failed})


def mark_replayed(tx: Connection, records: Sequence[StoredRecord]) -> None:
    """Let these letters be replayed: they are dealt with, and wait no longer."""
    execute(tx, _DONE, {"ids": [record.letter_id for record in records]})


def _why(error: InvalidRecord) -> dict[str, str | None]:
    return {
        "practice_id": error.practice_id,
        "reason": error.reason,
        "field": None if error.field is None else _storable(error.field),
        "detail": _storable(error.detail),
    }


def _storable(text: str) -> str:
    """A text as Postgres takes it: header names and JSON pointers come from the invalid record."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
