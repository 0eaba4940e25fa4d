"""Lines of files, and what became of them."""

from collections import Counter

from tests.support.memory.ingestion import MemoryStores

HEADER = "client_id,happened_at,event,id,amount,currency,starts_at\n"
PAID = "c1,2024-05-01,settled,p1,10.00,CNY,\n"
TWICE = "c2,2024-05-02,settled,p2,20.00,CNY,\n" * 2
REFUNDED = "c1,2024-05-03,refunded,p1,5.00,CNY,\n"
STATES = "client_id,starts_at,status,id,counsellor_id\n"


class Killed(Exception):
    """The process ends here."""


def ledger(stores: MemoryStores) -> dict[str, bytes]:
    """The events of the ledger, with what they say."""
    return {key.event_id: one.content_hash for key, one in stores.tables.ledger.items()}


def sums(stores: MemoryStores) -> Counter[tuple[str, str]]:
    """What the activities come to, by the client's name outside and the kind."""
    names = {client_id: key.external_id for key, client_id in stores.tables.identities.items()}
    found: Counter[tuple[str, str]] = Counter()
    for each in stores.tables.published:
        found[names[each.owner.client_id], each.delta.kind] += each.delta.amount_minor or (
            each.delta.number
        )
    return found
