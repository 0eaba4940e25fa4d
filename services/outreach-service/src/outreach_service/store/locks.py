"""Advisory locks of clients and contact points.

A claim of messages and every write of a consent or contact take the client's lock first in their
transaction. So a withdrawal is either committed before the claim reads, or it waits until the claim
has committed (L1, R25).
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from rapport_runtime.database import fetch

_LOCK: Final = """
    SELECT pg_advisory_xact_lock(hashtextextended(key, 0))
    FROM (SELECT key FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS k(key, place)
          ORDER BY place) AS sorted
"""


def client_key(practice_id: str, client_id: str) -> str:
    """The name of a client's lock."""
    return f"client {practice_id}/{client_id}"


def contact_key(practice_id: str, blind_index: str) -> str:
    """The name of a contact point's lock."""
    return f"contact {practice_id}/{blind_index}"


def lock(tx: sa.Connection, keys: Iterable[str]) -> None:
    """Wait for these locks in the order of their names, so that no two transactions deadlock; they
    end with the transaction. All clients sort before all contact points."""
    fetch(tx, _LOCK, {"keys": sorted(set(keys))})


def lock_clients(tx: sa.Connection, clients: Iterable[tuple[str, str]]) -> None:
    """Lock clients, given as (practice id, client id)."""
    lock(tx, [client_key(*client) for client in clients])


def lock_contacts(tx: sa.Connection, contacts: Iterable[tuple[str, str]]) -> None:
    """Lock contact points, given as (practice id, blind index); take clients first."""
    lock(tx, [contact_key(*contact) for contact in contacts])
