"""Says who pays for whom (ADR 49)."""

from typing import NamedTuple

from ingestion_service.domain.errors import Conflict, Unknown
from ingestion_service.domain.facts import IdentityKey
from ingestion_service.domain.sources import MOST_PAID_FOR
from ingestion_service.ports import Store
from ingestion_service.registering import stored_keys


class Relation(NamedTuple):
    """The identities as they are stored."""

    payer: IdentityKey
    client: IdentityKey


def relate_payer(payer: IdentityKey, client: IdentityKey, store: Store) -> Relation:
    """Store that who has the identity `payer` pays for `client`, both of one practice.

    Raises `Unknown` when the practice is not registered or the client's identity has no client,
    `Conflict` when the payer pays for too many already, `Unreadable` and `NotYet` as `stored_keys`.
    """
    if not store.practices({client.practice_id}):
        raise Unknown("unknown-practice", "no practice is registered under this id")
    relation = Relation._make(stored_keys([payer, client], store))
    if relation.client not in store.identities([relation.client]):
        raise Unknown(
            "unknown-client",
            "no client has this identity: register it first (PUT /v1/clients)",
            "/client",
        )
    paid_for = store.payers([relation.payer]).get(relation.payer, [])
    if relation.client not in paid_for and len(paid_for) >= MOST_PAID_FOR:
        raise Conflict(
            "too-many-clients", f"a payer pays for at most {MOST_PAID_FOR} clients", "/payer"
        )
    store.save_payer(*relation)
    return relation


def paid_for(payer: IdentityKey, store: Store) -> list[Relation]:
    """For whom a payer pays. Raises `Unreadable` and `NotYet` as `stored_keys`."""
    (stored,) = stored_keys([payer], store)
    return [Relation(stored, client) for client in store.payers([stored]).get(stored, [])]
