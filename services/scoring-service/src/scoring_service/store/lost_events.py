"""The clients whose versions on the topic are beyond a restored database, for `restored`."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from rapport_contracts.canonical import TierChanged
from rapport_contracts.codec import event_or_none
from rapport_runtime.database import fetch
from rapport_runtime.stream.restored import LostRecord

_VERSIONS: Final = """
    SELECT practice_id, client_id, version FROM client
    WHERE (practice_id, client_id) IN (
        SELECT * FROM unnest(%(practices)b::text[], %(clients)b::text[]))
"""
ClientName = tuple[str, str]


def report_lost(tx: sa.Connection, records: Sequence[LostRecord]) -> list[str]:
    """A line for each client of whom the topic has a later version than the database, with both;
    fields are separated by tabs."""
    published: dict[ClientName, int] = {}
    for record in records:
        event = event_or_none(record.topic, record.key, record.value)
        if isinstance(event, TierChanged):
            name = (event.practiceid, event.data.client_id)
            published[name] = max(published.get(name, 0), event.data.version)
    here = _versions(tx, list(published))
    return [
        f"client\t{practice_id}\t{client_id}\tversion {version} on the topic,"
        f" {here.get((practice_id, client_id), 0)} here"
        for (practice_id, client_id), version in sorted(published.items())
        if version > here.get((practice_id, client_id), 0)
    ]


def _versions(tx: sa.Connection, names: Sequence[ClientName]) -> dict[ClientName, int]:
    if not names:
        return {}
    practices, clients = map(list, zip(*names, strict=True))
    rows = fetch(tx, _VERSIONS, {"practices": practices, "clients": clients}, prepare=False)
    return {(row.practice_id, row.client_id): row.version for row in rows}
