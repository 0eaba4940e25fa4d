"""The generations of clients' facts (ADR 48): the one that counts, and the one beside it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from outreach_service.domain.generations import Beside, Booking, Client, Generations, Span
from rapport_runtime.database import execute, fetch

OLDEST: Final = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT since FROM next_generation WHERE since <= now() ORDER BY since LIMIT 1
    )), 0)::float
"""
"""The age of the oldest generation that is not complete, in seconds."""
_KEYS: Final = (
    "unnest(%(practices)b::text[], %(clients)b::text[]) AS wanted(practice_id, client_id)"
)
_FIND: Final = f"""
    SELECT practice_id, client_id, coalesce(client.generation, 1) AS current,
        beside.generation, facts, came, is_whole, active_at, bookings
    FROM {_KEYS}
    LEFT JOIN client USING (practice_id, client_id)
    LEFT JOIN next_generation AS beside USING (practice_id, client_id)
    WHERE client.generation > 1 OR beside.generation IS NOT NULL
"""
# In the order of the key, so that no two workers deadlock.
_SAVE: Final = """
    INSERT INTO next_generation
        (practice_id, client_id, generation, facts, came, is_whole, active_at, bookings)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[], %(generations)b::int8[],
        %(facts)b::int8[], %(came)b::text[], %(is_whole)b::bool[], %(active_at)b::timestamptz[],
        %(bookings)b::text[]) AS incoming(practice_id, client_id)
    ORDER BY practice_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET generation = excluded.generation, facts = excluded.facts, came = excluded.came,
        is_whole = excluded.is_whole, active_at = excluded.active_at, bookings = excluded.bookings
"""
_TAKE_OVER: Final = """
    INSERT INTO client (practice_id, client_id, activity_at, generation)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[],
        %(active_at)b::timestamptz[], %(generations)b::int8[]) AS incoming(practice_id, client_id)
    ORDER BY practice_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (practice_id, client_id) DO UPDATE
    SET activity_at = excluded.activity_at, generation = excluded.generation
"""
_REMOVE_BOOKINGS: Final = f"""
    DELETE FROM booking WHERE (practice_id, client_id) IN (SELECT * FROM {_KEYS})
"""
_ADD_BOOKINGS: Final = """
    INSERT INTO booking (practice_id, client_id, activity_id, starts_at, count)
    SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[], %(activities)b::text[],
                         %(starts)b::timestamptz[], %(deltas)b::int[])
    ON CONFLICT DO NOTHING
"""
_REMOVE: Final = f"""
    DELETE FROM next_generation WHERE (practice_id, client_id) IN (SELECT * FROM {_KEYS})
"""
_ENCODE: Final = msgspec.json.Encoder().encode
_SPANS: Final = msgspec.json.Decoder(tuple[Span, ...]).decode
_BOOKINGS: Final = msgspec.json.Decoder(list[Booking]).decode


def find(tx: sa.Connection, clients: Collection[Client]) -> Mapping[Client, Generations]:
    """See `Inputs.generations`."""
    rows = fetch(tx, _FIND, _keys(clients), prepare=False)
    return {(row.practice_id, row.client_id): _generations(row) for row in rows}


def save(tx: sa.Connection, changed: Mapping[Client, Generations]) -> None:
    """See `Inputs.save_generations`."""
    taken_over = [(key, each.taken_over) for key, each in changed.items() if each.taken_over]
    beside = [(key, each.beside) for key, each in changed.items() if each.beside]
    if taken_over:
        _take_over(tx, taken_over)
    if beside:
        execute(tx, _SAVE, _columns(beside), prepare=False)


def _take_over(tx: sa.Connection, taken_over: list[tuple[Client, Beside]]) -> None:
    keys = _keys([client for client, _ in taken_over])
    execute(tx, _TAKE_OVER, _columns(taken_over), prepare=False)
    execute(tx, _REMOVE_BOOKINGS, keys, prepare=False)
    bookings = [(client, each) for client, new in taken_over for each in new.bookings]
    columns = {
        **_keys([client for client, _ in bookings]),
        "activities": [each.activity_id for _, each in bookings],
        "starts": [each.starts_at for _, each in bookings],
        "deltas": [each.delta for _, each in bookings],
    }
    if bookings:
        execute(tx, _ADD_BOOKINGS, columns, prepare=False)
    execute(tx, _REMOVE, keys, prepare=False)


def _keys(clients: Iterable[Client]) -> dict[str, list[Any]]:
    known = list(clients)
    return {"practices": [each[0] for each in known], "clients": [each[1] for each in known]}


def _columns(besides: list[tuple[Client, Beside]]) -> dict[str, list[Any]]:
    rows = [each for _, each in besides]
    return {
        **_keys([client for client, _ in besides]),
        "generations": [row.generation for row in rows],
        "facts": [row.facts for row in rows],
        "came": [_ENCODE(row.came).decode() for row in rows],
        "is_whole": [row.is_whole for row in rows],
        "active_at": [row.active_at for row in rows],
        "bookings": [_ENCODE(row.bookings).decode() for row in rows],
    }


def _generations(row: Any) -> Generations:
    if row.generation is None:
        return Generations(row.current)
    beside = Beside(
        generation=row.generation,
        facts=row.facts,
        came=_SPANS(row.came),
        is_whole=row.is_whole,
        active_at=row.active_at,
        bookings=_BOOKINGS(row.bookings),
    )
    return Generations(row.current, beside)
