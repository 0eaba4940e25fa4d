"""The ledger's columns, and its rows as domain objects."""

from typing import Any, Final

from ingestion_service.domain.facts import SourceFact
from ingestion_service.ports import LedgerEntry

FACT_COLUMNS: Final = """
    practice_id, source, event_id, external_id, subject_kind AS object_kind,
    subject_id AS object_id, kind, occurred_at, starts_at, amount_minor, currency
"""
"""What `fact_of_row` reads; two columns have other names than the fields."""
ENTRY_COLUMNS: Final = f"""
    {FACT_COLUMNS}, content_hash, client_id, accepted_at, first_sequence, activities
"""
"""What `entry_of_row` reads."""


def fact_of_row(row: Any) -> SourceFact:
    """The fact of a row of the ledger."""
    return SourceFact(
        practice_id=row.practice_id,
        source=row.source,
        event_id=row.event_id,
        external_id=row.external_id,
        object_kind=row.object_kind,
        object_id=row.object_id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        starts_at=row.starts_at,
        amount_minor=row.amount_minor,
        currency=row.currency,
    )


def entry_of_row(row: Any) -> LedgerEntry:
    """The entry of a row of the ledger."""
    return LedgerEntry(
        fact=fact_of_row(row),
        content_hash=row.content_hash,
        client_id=row.client_id,
        accepted_at=row.accepted_at,
        first_sequence=row.first_sequence,
        activities=row.activities,
    )
