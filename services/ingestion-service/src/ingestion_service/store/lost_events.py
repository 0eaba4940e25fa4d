"""What the topics have and a restored ledger lacks, for the command `restored`."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from rapport_contracts.canonical import ActivityRecorded, PracticeRegistered
from rapport_contracts.codec import event_or_none
from rapport_runtime.database import fetch
from rapport_runtime.stream.restored import LostRecord

_MISSING: Final = """
    SELECT practice_id, source, event_id
    FROM unnest(%(practices)b::text[], %(sources)b::text[], %(events)b::text[])
        AS lost(practice_id, source, event_id)
    WHERE NOT EXISTS (
        SELECT FROM ledger WHERE ledger.practice_id = lost.practice_id
        AND ledger.source = lost.source AND ledger.event_id = lost.event_id)
"""
Cause = tuple[str, str, str]


def report_lost(tx: sa.Connection, records: Sequence[LostRecord]) -> list[str]:
    """A line for each source event that the ledger lacks, by practice, source and event id, for
    each client that was registered, and for each practice that was announced; fields are separated
    by tabs."""
    causes: dict[Cause, list[str]] = {}
    others: list[str] = []
    for record in records:
        event = event_or_none(record.topic, record.key, record.value)
        if isinstance(event, PracticeRegistered):
            others.append(f"practice\t{event.practiceid}")
        elif isinstance(event, ActivityRecorded):
            data = event.data
            if data.source is None or data.cause_id is None:
                others.append(f"{data.kind}\t{event.practiceid}\tclient {data.client_id}")
                continue
            key = (event.practiceid, data.source, data.cause_id)
            causes.setdefault(key, []).append(f"{data.client_id}/{data.sequence}")
    missing = _missing(tx, list(causes))
    return [_line(key, causes[key]) for key in causes if key in missing] + others


def _missing(tx: sa.Connection, causes: Sequence[Cause]) -> set[Cause]:
    if not causes:
        return set()
    practices, sources, events = map(list, zip(*causes, strict=True))
    parameters = {"practices": practices, "sources": sources, "events": events}
    rows = fetch(tx, _MISSING, parameters, prepare=False)
    return {(row.practice_id, row.source, row.event_id) for row in rows}


def _line(cause: Cause, activities: Sequence[str]) -> str:
    practice_id, source, event_id = cause
    return f"event\t{practice_id}\t{source}\t{event_id}\tactivities {', '.join(activities)}"
