"""Who may not act on the same client, or contact point, at the same time: advisory locks.

A dispatcher's claim and every write of a consent or contact take the client's lock first in their
transaction. So a withdrawal is either committed before the claim reads, or after the claim
committed (RELIABILITY L1, R25).
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

_LOCK: Final = sa.text("""
    SELECT pg_advisory_xact_lock(hashtextextended(key, 0))
    FROM (SELECT key FROM unnest(CAST(:keys AS text[])) WITH ORDINALITY AS k(key, place)
          ORDER BY place) AS sorted
""")


def client_key(practice_id: str, client_id: str) -> str:
    """The name of a client's lock."""
    return f"client {practice_id}/{client_id}"


def contact_key(practice_id: str, blind_index: str) -> str:
    """The name of a contact point's lock."""
    return f"contact {practice_id}/{blind_index}"


def lock(tx: sa.Connection, keys: Iterable[str]) -> None:
    """Wait for these locks in the order of their names, so that no two transactions deadlock; they
    fall with the transaction. All clients sort before all contact points."""
    tx.execute(_LOCK, {"keys": sorted(set(keys))}).all()


def lock_clients(tx: sa.Connection, clients: Iterable[tuple[str, str]]) -> None:
    """Lock clients, given as (practice id, client id)."""
    lock(tx, [client_key(*client) for client in clients])


def lock_contacts(tx: sa.Connection, contacts: Iterable[tuple[str, str]]) -> None:
    """Lock contact points, given as (practice id, blind index); take clients first."""
    lock(tx, [contact_key(*contact) for contact in contacts])
