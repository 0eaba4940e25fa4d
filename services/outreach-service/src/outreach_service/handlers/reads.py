"""Show which API keys have read a client's personal data."""

from outreach_service.ports.reads import DayOfReads, ReadKey
from outreach_service.ports.store import Stores


def list_reads(
    stores: Stores, practice_id: str, client_id: str, after: ReadKey | None, limit: int
) -> list[DayOfReads] | None:
    """Up to `limit` rows of a client's after this one; None for a client of whom the practice has
    nothing."""
    with stores.open(practice_id) as store:
        rows = store.reads.page(practice_id, client_id, after, limit)
        if rows or store.clients.is_known(practice_id, client_id):
            return rows
    return None
