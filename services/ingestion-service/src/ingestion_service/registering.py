"""Registers a person by all the identities that one has (ADR 49)."""

from collections.abc import Collection, Sequence

from ingestion_service.domain.errors import Conflict
from ingestion_service.domain.facts import IdentityKey, PracticeId
from ingestion_service.handlers import Registration, register_client
from ingestion_service.ports import Store
from ingestion_service.queues import practice_times


def register_person(keys: Sequence[IdentityKey], store: Store) -> Registration:
    """The client of these identities of one practice, who are one person: created when none of them
    has a client; those without one are attached to the client of the others. What was parked for
    them may be accepted then.

    Raises `Unknown` when the practice is not registered, `Conflict` when two of them have clients
    of their own, `NotYet` before a simulated clock is first set, and `TryLater` when an event has
    just made a client of one of them.
    """
    practice_id = keys[0].practice_id
    practice_times({practice_id}, store)
    awaited = _hold(practice_id, keys, store)
    known = store.identities(keys)
    clients = sorted(set(known.values()))
    if len(clients) > 1:
        raise Conflict(
            "other-client",
            f"these identities are of the clients {', '.join(clients)}, and clients cannot be"
            " joined here: send those of one client only",
            "/identities",
        )
    unknown = sorted({key for key in keys if key not in known})
    if clients:
        store.attach(unknown, clients[0])
        registration = register_client(min(known), store)
    else:
        registration = register_client(unknown[0], store)
        store.attach(unknown[1:], registration.client_id)
    if awaited:
        store.meet_clients(awaited)
    return registration


def _hold(
    practice_id: PracticeId, keys: Collection[IdentityKey], store: Store
) -> list[IdentityKey]:
    """Hold the declarations of the practice, and take its identities where one of these may be
    awaited; those that may."""
    store.hold_declarations({practice_id})
    declared = store.sources_of(practice_id)
    awaiting = {source.namespace for source in declared if not source.creates_clients}
    awaited = [key for key in keys if key.namespace in awaiting]
    if awaited:
        store.take_identities(practice_id)
    return awaited
