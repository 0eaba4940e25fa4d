"""Registers a person by all the identities that one has (ADR 49)."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ingestion_service.domain.errors import Conflict, NotYet, Unreadable
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.sources import Source
from ingestion_service.handlers import register_client
from ingestion_service.ports import Store
from ingestion_service.ports.sources import Hashing
from ingestion_service.queues import practice_times


class Person(NamedTuple):
    """The client of a person, whether this call created it, and the identities as they are stored,
    in the order given."""

    client_id: ClientId
    is_new: bool
    keys: Sequence[IdentityKey]


def register_person(given: Sequence[IdentityKey], store: Store) -> Person:
    """The client of these identities of one practice, who are one person: created when none of them
    has a client; those without one are attached to the client of the others. What was parked for
    them may be accepted then.

    Raises `Unknown` when the practice is not registered, `Conflict` when two of them have clients
    of their own, `Unreadable` and `NotYet` as `stored_keys`, `NotYet` before a simulated clock is
    first set, and `TryLater` when an event has just made a client of one of them.
    """
    practice_id = given[0].practice_id
    practice_times({practice_id}, store)
    store.hold_declarations({practice_id})
    declared = store.sources_of(practice_id)
    keys = _stored(given, declared, store)
    awaited = _take(practice_id, keys, declared, store)
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
        store.parking.meet_clients(awaited)
    return Person(registration.client_id, registration.is_new, keys)


def stored_keys(keys: Sequence[IdentityKey], store: Store) -> list[IdentityKey]:
    """Identities of one practice as they are stored: those of personal namespaces are hashed.

    Raises `Unreadable` for one that is neither an e-mail address nor a phone number, and `NotYet`
    where the key to hash with is missing.
    """
    return _stored(keys, store.sources_of(keys[0].practice_id), store)


def _stored(
    keys: Sequence[IdentityKey], declared: Collection[Source], store: Store
) -> list[IdentityKey]:
    practice_id = keys[0].practice_id
    personal = {source.namespace for source in declared if source.client_key == "personal"}
    if not any(key.namespace in personal for key in keys):
        return list(keys)
    hashing, practice = personal_of(store), store.practices({practice_id})[practice_id]

    def stored(key: IdentityKey) -> IdentityKey:
        if key.namespace not in personal:
            return key
        hashed = hashing.hashed(practice_id, key.namespace, key.external_id, practice.region)
        if hashed is None:
            raise Unreadable(
                "unreadable-key",
                "the clients of this namespace are known by e-mail address or phone number, and"
                " this is neither: send an ASCII address, or a number with its country code",
                "/external_id",
            )
        return key._replace(external_id=hashed)

    return [stored(key) for key in keys]


def personal_of(store: Store) -> Hashing:
    """What hashes personal client ids. Raises `NotYet` where its key is missing, though a source
    was declared with it."""
    if store.personal is None:
        raise NotYet("no-identity-key", "the key to hash personal client ids with is missing here")
    return store.personal


def _take(
    practice_id: PracticeId,
    keys: Collection[IdentityKey],
    declared: Collection[Source],
    store: Store,
) -> list[IdentityKey]:
    """Take the identities of the practice where one of these may be awaited; those that may."""
    awaiting = {source.namespace for source in declared if not source.creates_clients}
    awaited = [key for key in keys if key.namespace in awaiting]
    if awaited:
        store.take_identities(practice_id)
    return awaited
