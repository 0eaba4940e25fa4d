"""What the bus brings, written set by set: practices, activity, bookings; and playbooks read."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from outreach_service.domain.generations import Client, Generations
from outreach_service.ports.records import ActivitySeen, BookingDelta, Hold
from outreach_service.store import generations
from rapport_runtime.database import execute, fetch
from rapport_runtime.ops.shared_keys import merge_key

_SAVE_PRACTICE = """
    INSERT INTO practice (practice_id, name, zone, currency, region, discreet_name, said_at)
    VALUES (%(practice_id)s, %(name)s, %(zone)s, %(currency)s, %(region)s, %(discreet_name)s,
            %(said_at)s)
    ON CONFLICT (practice_id) DO UPDATE
    SET name = excluded.name, zone = excluded.zone, currency = excluded.currency,
        region = excluded.region, discreet_name = excluded.discreet_name,
        said_at = excluded.said_at
    WHERE practice.said_at <= excluded.said_at
"""
# In the order of the key, so that no two workers deadlock. A client of two generations in one batch
# is rare, and has the higher one by then.
_RECORD_ACTIVITY = """
    INSERT INTO client (practice_id, client_id, activity_at, generation)
    SELECT DISTINCT ON (practice_id COLLATE "C", client_id COLLATE "C")
        practice_id, client_id, max(at), generation
    FROM unnest(%(practices)b::text[], %(clients)b::text[], %(instants)b::timestamptz[],
                %(generations)b::int8[]) AS seen(practice_id, client_id, at, generation)
    GROUP BY practice_id, client_id, generation
    ORDER BY practice_id COLLATE "C", client_id COLLATE "C", generation DESC
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET activity_at = greatest(client.activity_at, excluded.activity_at)
    WHERE client.generation = excluded.generation
"""
_RECORD_BOOKINGS = """
    INSERT INTO booking (practice_id, client_id, activity_id, starts_at, count)
    SELECT practice_id, client_id, activity_id, starts_at, count
    FROM unnest(%(practices)b::text[], %(clients)b::text[], %(activities)b::text[],
                %(starts)b::timestamptz[], %(deltas)b::int[], %(generations)b::int8[])
        AS told(practice_id, client_id, activity_id, starts_at, count, generation)
    WHERE generation = coalesce((
        SELECT client.generation FROM client
        WHERE (client.practice_id, client.client_id) = (told.practice_id, told.client_id)), 1)
    ON CONFLICT DO NOTHING
"""
_SAVE_HOLD = """
    INSERT INTO practice_hold AS known (practice_id, partition, hold_id, reason, incarnation,
                                        stands_at)
    VALUES (%(practice_id)s, %(partition)s, %(hold_id)s, %(reason)s, %(incarnation)s,
            %(stands_at)s)
    ON CONFLICT (practice_id, partition, hold_id) DO UPDATE
    SET reason = excluded.reason, incarnation = excluded.incarnation,
        stands_at = greatest(known.stands_at, excluded.stands_at)
"""
_END_HOLD = """
    DELETE FROM practice_hold
    WHERE practice_id = %(practice_id)s AND partition = %(partition)s AND hold_id = %(hold_id)s
"""
# Two ranges of the index, both empty unless the database was restored.
_END_OTHER_HOLDS = """
    DELETE FROM practice_hold WHERE (practice_id, partition, hold_id) IN (
        SELECT h.practice_id, h.partition, h.hold_id
        FROM unnest(%(partitions)s::int[], %(incarnations)s::text[]) AS seen(partition, digits),
        LATERAL (
            SELECT practice_id, partition, hold_id FROM practice_hold
            WHERE partition = seen.partition AND incarnation < seen.digits
            UNION ALL
            SELECT practice_id, partition, hold_id FROM practice_hold
            WHERE partition = seen.partition AND incarnation > seen.digits
        ) AS h)
"""
_PLAYBOOKS = "SELECT practice_id, body FROM playbook WHERE practice_id = ANY(%(practices)s)"


class PostgresInputs:
    """`Inputs` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def save_practice(self, practice: Mapping[str, Any]) -> None:
        """See `Inputs.save_practice`."""
        execute(self._tx, _SAVE_PRACTICE, practice)

    def save_key(self, key: Mapping[str, Any]) -> None:
        """See `Inputs.save_key`."""
        merge_key(self._tx, key)

    def record_activity(self, seen: Collection[ActivitySeen]) -> None:
        """See `Inputs.record_activity`."""
        if not seen:
            return
        columns = {
            "practices": [each.practice_id for each in seen],
            "clients": [each.client_id for each in seen],
            "instants": [each.at for each in seen],
            "generations": [each.generation for each in seen],
        }
        execute(self._tx, _RECORD_ACTIVITY, columns, prepare=False)

    def record_bookings(self, deltas: Collection[BookingDelta]) -> None:
        """See `Inputs.record_bookings`."""
        if not deltas:
            return
        columns = {
            "practices": [each.practice_id for each in deltas],
            "clients": [each.client_id for each in deltas],
            "activities": [each.activity_id for each in deltas],
            "starts": [each.starts_at for each in deltas],
            "deltas": [each.delta for each in deltas],
            "generations": [each.generation for each in deltas],
        }
        execute(self._tx, _RECORD_BOOKINGS, columns, prepare=False)

    def generations(self, clients: Collection[Client]) -> Mapping[Client, Generations]:
        """See `Inputs.generations`."""
        return generations.find(self._tx, clients)

    def save_generations(self, changed: Mapping[Client, Generations]) -> None:
        """See `Inputs.save_generations`."""
        generations.save(self._tx, changed)

    def save_hold(self, hold: Hold) -> None:
        """See `Inputs.save_hold`."""
        execute(self._tx, _SAVE_HOLD, hold._asdict())

    def end_hold(self, hold: Hold) -> None:
        """See `Inputs.end_hold`."""
        execute(self._tx, _END_HOLD, hold._asdict())

    def end_other_holds(self, incarnations: Mapping[int, str]) -> None:
        """See `Inputs.end_other_holds`."""
        if incarnations:
            parameters = {
                "partitions": list(incarnations),
                "incarnations": list(incarnations.values()),
            }
            execute(self._tx, _END_OTHER_HOLDS, parameters)

    def playbooks(self, practice_ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """See `Inputs.playbooks`."""
        rows = fetch(self._tx, _PLAYBOOKS, {"practices": list(practice_ids)})
        return {row.practice_id: row.body for row in rows}
