"""Ingestion's per-event baseline: the same job by the same rules, one transaction for each event.

psycopg without an ORM or a pool: one connection, prepared statements, binary rows. It knows the
practice by heart and asks for duplicates by inserting, which is in its favour.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from ingestion_service import translate
from ingestion_service.domain.activities import Activity, ActivityOwner, announcement, caused
from ingestion_service.domain.facts import ClientId, PracticeId, SourceFact
from ingestion_service.domain.source_objects import SourceObject
from ingestion_service.domain.standings import Standing
from ingestion_service.store.ledger import json_of_deltas
from tools.bench import source_log

Cursor = psycopg.Cursor[Any]

_GROUP = "baseline"
_PLACE = """
    INSERT INTO consumer_position (consumer_group, topic, partition, topic_id, next_offset)
    VALUES (%s, %s, %s, '', 0)
"""
_LOCK = """
    SELECT client.client_id, generation, last_sequence FROM identity
    JOIN client USING (practice_id, client_id)
    WHERE practice_id = %s AND namespace = %s AND external_id = %s FOR UPDATE OF client
"""
_MAKE_IDENTITY = """
    INSERT INTO identity (practice_id, namespace, external_id, client_id) VALUES (%s, %s, %s, %s)
"""
_MAKE_CLIENT = """
    INSERT INTO client (practice_id, client_id, generation, last_sequence, known_since)
    VALUES (%s, %s, 1, 0, now())
"""
_LOCK_OBJECT = """
    SELECT object_id, standing FROM source_object
    WHERE practice_id = %s AND source = %s AND kind = %s AND external_id = %s FOR UPDATE
"""
_MOVE_OBJECT = """
    UPDATE source_object SET standing = %s
    WHERE practice_id = %s AND source = %s AND kind = %s AND external_id = %s
"""
_MAKE_OBJECT = """
    INSERT INTO source_object
        (practice_id, source, kind, external_id, object_id, namespace, owner_external_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_LEDGER = """
    INSERT INTO ledger (practice_id, source, event_id, namespace, external_id, object_id, kind,
        occurred_at, starts_at, amount_minor, currency, backfill, content_hash, client_id,
        accepted_at, first_sequence, deltas, zone_rules)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'known')
    ON CONFLICT DO NOTHING
"""
_MOVE_SEQUENCE = "UPDATE client SET last_sequence = %s WHERE practice_id = %s AND client_id = %s"
_OUTBOX = "INSERT INTO outbox (topic, partition, key, value) VALUES (%s, %s, %s, %s)"
_MOVE = """
    UPDATE consumer_position SET next_offset = %s
    WHERE consumer_group = %s AND topic = %s AND partition = %s
"""
_STANDING = msgspec.msgpack.Decoder(Standing)


class Baseline:
    """Accepts one event at a time, each in a transaction of its own; then lets `publish`."""

    def __init__(self, url: str, publish: Callable[[], object] = lambda: None) -> None:
        self._db = psycopg.connect(url, options="-c timezone=UTC", autocommit=True)
        self._publish = publish
        self._zone = ZoneInfo(source_log.ZONE)
        places = [
            (_GROUP, topic.name, number)
            for topic in (source_log.BOOKINGS, source_log.PAYMENTS)
            for number in range(topic.partitions)
        ]
        with self._db.transaction(), self._db.cursor(binary=True) as cursor:
            cursor.executemany(_PLACE, places)

    def handle(self, topic: str, partition: int, offset: int, fact: SourceFact) -> None:
        """Accept one fact and commit, its position with it."""
        now = datetime.now(UTC)
        with self._db.transaction(), self._db.cursor(binary=True) as cursor:
            activities = self._accept(cursor, fact, now)
            for activity in activities:
                cursor.execute(_OUTBOX, translate.record_of_activity(activity))
            cursor.execute(_MOVE, (offset + 1, _GROUP, topic, partition))
        if activities:
            self._publish()

    def _accept(self, cursor: Cursor, fact: SourceFact, now: datetime) -> Sequence[Activity]:
        """Lock the object and the client, fold the object, write the ledger; nothing for a
        duplicate."""
        object_id, standing = self._object(cursor, fact)
        client_id, generation, last = self._locked(cursor, fact)
        source_object = SourceObject(self._zone, standing)
        deltas = source_object.fold(fact)
        if not deltas and not last:
            deltas = [announcement(fact, source_log.ZONE, now)]
        words = (*fact.event_key, fact.namespace, fact.external_id, object_id, fact.kind)
        values = (fact.occurred_at, fact.starts_at, fact.amount_minor, fact.currency, fact.backfill)
        caused_by_it = (client_id, now, last + 1, json_of_deltas(deltas))
        if not cursor.execute(
            _LEDGER, (*words, *values, fact.content_hash, *caused_by_it)
        ).rowcount:
            return ()
        standing = msgspec.msgpack.encode(source_object.standing)
        cursor.execute(_MOVE_OBJECT, (standing, *fact.object_key))
        if not deltas:
            return ()
        cursor.execute(_MOVE_SEQUENCE, (last + len(deltas), fact.practice_id, client_id))
        owner = ActivityOwner(
            PracticeId(fact.practice_id),
            ClientId(client_id),
            generation,
            source_log.ZONE,
            source_log.CURRENCY,
        )
        return caused(fact, object_id, owner, deltas, last + 1, now)

    def _object(self, cursor: Cursor, fact: SourceFact) -> tuple[str, Standing]:
        row = cursor.execute(_LOCK_OBJECT, fact.object_key).fetchone()
        if row is not None:
            return row[0], Standing() if row[1] is None else _STANDING.decode(row[1])
        object_id = uuid.uuid4().hex
        named = (object_id, fact.namespace, fact.external_id)
        cursor.execute(_MAKE_OBJECT, (*fact.object_key, *named))
        return object_id, Standing()

    def _locked(self, cursor: Cursor, fact: SourceFact) -> tuple[str, int, int]:
        key = fact.identity
        row = cursor.execute(_LOCK, key).fetchone()
        if row is not None:
            return row[0], row[1], row[2]
        client_id = uuid.uuid4().hex
        cursor.execute(_MAKE_CLIENT, (fact.practice_id, client_id))
        cursor.execute(_MAKE_IDENTITY, (*key, client_id))
        return client_id, 1, 0

    def close(self) -> None:
        """Give the connection back."""
        self._db.close()
