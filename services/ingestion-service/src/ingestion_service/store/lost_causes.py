"""The repair after a restore: causes that the ledger lacks get their clients and objects again.

The ids of both are random, so an event that is sent again would get others. What the topic shows of
it is kept until it comes (ADR 28).
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa

from ingestion_service.domain.facts import EventKey, SourceFact
from ingestion_service.ports import ClientKey
from ingestion_service.store.arrays import arrays
from ingestion_service.store.lost_events import Cause, in_ledger
from rapport_contracts.canonical import ActivityRecorded, GenerationOpened
from rapport_contracts.codec import event_or_none
from rapport_runtime.database import execute, fetch
from rapport_runtime.stream.restored import LostRecord

_KEEP_CAUSES: Final = """
    INSERT INTO lost_cause (practice_id, source, event_id, client_id, object_id, names_client)
    SELECT * FROM unnest(%(practice_id)s::text[], %(source)s::text[], %(event_id)s::text[],
        %(client_id)s::text[], %(object_id)s::text[], %(names_client)s::boolean[])
    ON CONFLICT DO NOTHING
"""
_KEEP_CLIENTS: Final = """
    INSERT INTO lost_client (practice_id, client_id)
    SELECT * FROM unnest(%(practice_id)s::text[], %(client_id)s::text[])
    ON CONFLICT DO NOTHING
"""
_TAKE: Final = """
    DELETE FROM lost_cause USING unnest(%(practice_id)b::text[], %(source)b::text[],
        %(event_id)b::text[]) AS come(practice_id, source, event_id)
    WHERE lost_cause.practice_id = come.practice_id AND lost_cause.source = come.source
      AND lost_cause.event_id = come.event_id
    RETURNING lost_cause.*
"""
_OBJECTS: Final = """
    INSERT INTO source_object
        (practice_id, source, kind, external_id, object_id, namespace, owner_external_id)
    SELECT * FROM unnest(%(practice_id)b::text[], %(source)b::text[], %(kind)b::text[],
        %(external_id)b::text[], %(object_id)b::text[], %(namespace)b::text[],
        %(owner)b::text[])
        AS lost(practice_id, source, kind, external_id, object_id, namespace, owner)
    WHERE NOT EXISTS (
        SELECT FROM source_object AS own
        WHERE own.practice_id = lost.practice_id AND own.namespace = lost.namespace
          AND own.owner_external_id = lost.owner AND own.object_id = lost.object_id)
    ON CONFLICT DO NOTHING
"""
_IDENTITIES: Final = """
    INSERT INTO identity (practice_id, namespace, external_id, client_id)
    SELECT practice_id, namespace, external_id, client_id
    FROM unnest(%(practice_id)b::text[], %(namespace)b::text[], %(external_id)b::text[],
        %(client_id)b::text[], %(source)b::text[], %(payment_id)b::text[])
        AS lost(practice_id, namespace, external_id, client_id, source, payment_id)
    WHERE EXISTS (SELECT FROM client WHERE client.practice_id = lost.practice_id
        AND client.client_id = lost.client_id)
      AND NOT EXISTS (SELECT FROM source_object AS own
        WHERE own.practice_id = lost.practice_id AND own.source = lost.source
          AND own.kind = 'payment' AND own.external_id = lost.payment_id)
    ON CONFLICT DO NOTHING
"""
_NEXT: Final = """
    SELECT practice_id, client_id FROM lost_client
    WHERE (practice_id, client_id) > (%(practice_id)s, %(client_id)s)
    ORDER BY practice_id, client_id LIMIT %(limit)s
"""
_CREATE: Final = """
    INSERT INTO client (practice_id, client_id, generation, last_sequence, known_since, zone)
    SELECT practice_id, %(client_id)s, 1, 0, clock_timestamp(), zone FROM practice
    WHERE practice_id = %(practice_id)s AND EXISTS (SELECT FROM lost_cause
        WHERE lost_cause.practice_id = %(practice_id)s AND client_id = %(client_id)s)
    ON CONFLICT DO NOTHING
"""
_IS_KNOWN: Final = """
    SELECT FROM client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""
_DONE: Final = """
    DELETE FROM lost_client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""


def note(tx: sa.Connection, lost: Sequence[LostRecord]) -> list[str]:
    """Keep of each cause that the ledger lacks the client and, where it is one, the object that the
    topic shows; and each client of whom anything is lost, to be rebuilt. A line says how many."""
    causes: dict[Cause, tuple[str, set[str]]] = {}
    clients: set[ClientKey] = set()
    of_packages: set[str] = set()
    for record in lost:
        event = event_or_none(record.topic, record.key, record.value)
        if not isinstance(event, ActivityRecorded | GenerationOpened):
            continue
        clients.add(_client(event))
        data = event.data
        if isinstance(event, GenerationOpened) or event.data.activity_id is not None:
            continue  # what is said anew is of an earlier cause
        if event.data.source is not None and event.data.cause_id is not None:
            cause = (event.practiceid, event.data.source, event.data.cause_id)
            _, objects = causes.setdefault(cause, (data.client_id, set()))
            objects |= {each for each in (event.data.object_id,) if each is not None}
            if event.data.kind == "settled" and "package_id" in event.data.attributes:
                of_packages |= objects
    known = in_ledger(tx, list(causes))
    rows = [
        (
            *cause,
            client_id,
            next(iter(objects)) if len(objects) == 1 else None,
            objects.isdisjoint(of_packages),
        )
        for cause, (client_id, objects) in causes.items()
        if cause not in known
    ]
    names = ("practice_id", "source", "event_id", "client_id", "object_id", "names_client")
    execute(tx, _KEEP_CAUSES, arrays(names, rows))
    execute(tx, _KEEP_CLIENTS, arrays(ClientKey._fields, sorted(clients)))
    return [f"to be repaired: {len(rows)} events keep their clients, {len(clients)} clients"]


def _client(event: ActivityRecorded | GenerationOpened) -> ClientKey:
    whose: Any = (event.practiceid, event.data.client_id)
    return ClientKey(*whose)


def adopt(tx: sa.Connection, facts: Sequence[SourceFact]) -> Collection[EventKey]:
    """Give those of these facts that were lost their clients and objects again, unless the client's
    identity, or the booking or payment, is known by now. Returns which were lost."""
    found = fetch(
        tx, _TAKE, arrays(("practice_id", "source", "event_id"), [f.event_key for f in facts])
    )
    if not found:
        return ()
    lost = {EventKey(row.practice_id, row.source, row.event_id): row for row in found}
    named = [(fact, lost[fact.event_key]) for fact in facts if fact.event_key in lost]
    named = [(fact, row) for fact, row in named if fact.identity is not None]
    # A payment may count for another client than whom its events name (ADR 55): one that is known
    # tells nothing of that client.
    identities = sorted(
        (*fact.client, row.client_id, fact.source, _payment_id(fact))
        for fact, row in named
        if row.names_client
    )
    names = ("practice_id", "namespace", "external_id", "client_id", "source", "payment_id")
    execute(tx, _IDENTITIES, arrays(names, identities), prepare=False)
    # Of a chain all ids show the first one's object; only one of them may have it.
    objects = {
        row.object_id: (*fact.object_key, row.object_id, fact.namespace, fact.external_id)
        for fact, row in reversed(named)
        if row.object_id is not None and fact.replaced_key is None
    }
    columns = ("practice_id", "source", "kind", "external_id", "object_id", "namespace", "owner")
    execute(tx, _OBJECTS, arrays(columns, sorted(objects.values())), prepare=False)
    return lost.keys()


def _payment_id(fact: SourceFact) -> str:
    """The payment that a fact is about; "", which is the id of none, where it is about none."""
    return fact.external_object_id if fact.object_kind == "payment" else ""


def next_clients(tx: sa.Connection, after: ClientKey, limit: int) -> list[ClientKey]:
    """Up to `limit` of the clients that are to be rebuilt, behind one, in the order of keys."""
    rows = fetch(tx, _NEXT, {**after._asdict(), "limit": limit})
    return [ClientKey(row.practice_id, row.client_id) for row in rows]


def create(tx: sa.Connection, key: ClientKey) -> bool:
    """Create a client of whom events are lost, where it is not known, and its practice is; whether
    it is known then."""
    execute(tx, _CREATE, key._asdict())
    return bool(fetch(tx, _IS_KNOWN, key._asdict()))


def done(tx: sa.Connection, key: ClientKey) -> None:
    """A client is rebuilt."""
    execute(tx, _DONE, key._asdict())
