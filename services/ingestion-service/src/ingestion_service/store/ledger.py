"""The ledger's columns, and its rows as domain objects."""

from typing import Any, Final

from ingestion_service.domain.facts import SourceFact, SourceObjectKind
from ingestion_service.ports import LedgerEntry

FACT_COLUMNS: Final = """
    ledger.practice_id, ledger.source, ledger.event_id, ledger.namespace, ledger.external_id,
    ledger.object_id, ledger.kind, ledger.occurred_at, ledger.starts_at, ledger.amount_minor,
    ledger.currency, ledger.attributes, ledger.backfill
"""
"""What `fact_of_row` reads."""
ENTRY_COLUMNS: Final = f"""
    {FACT_COLUMNS}, ledger.content_hash, ledger.accepted_at, ledger.first_sequence,
    ledger.activities,
    source_object.kind AS object_kind, source_object.external_id AS external_object_id
"""
"""What `entry_of_row` reads."""


def fact_of_row(row: Any, kind: SourceObjectKind, external_id: str) -> SourceFact:
    """The fact of a row of the ledger, about the object of this kind and id."""
    return SourceFact(
        practice_id=row.practice_id,
        source=row.source,
        event_id=row.event_id,
        namespace=row.namespace,
        external_id=row.external_id,
        object_kind=kind,
        external_object_id=external_id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        starts_at=row.starts_at,
        amount_minor=row.amount_minor,
        currency=row.currency,
        attributes=() if row.attributes is None else tuple(sorted(row.attributes.items())),
        backfill=row.backfill,
    )


def entry_of_row(row: Any) -> LedgerEntry:
    """The entry of a row of the ledger."""
    return LedgerEntry(
        fact=fact_of_row(row, row.object_kind, row.external_object_id),
        content_hash=row.content_hash,
        object_id=row.object_id,
        accepted_at=row.accepted_at,
        first_sequence=row.first_sequence,
        activities=row.activities,
    )
