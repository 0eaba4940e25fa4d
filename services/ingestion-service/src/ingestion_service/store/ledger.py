"""What the ledger's rows hold as JSON, and the activities that they tell of."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import msgspec

from ingestion_service.domain.activities import (
    Activity,
    ActivityKind,
    ActivityOwner,
    Cause,
    Delta,
    activity_id,
    numbered,
)
from ingestion_service.domain.facts import Attributes


class _KeptDelta(NamedTuple):
    """A delta without its id, which follows from the event and the delta's place."""

    kind: ActivityKind
    on: date
    starts_at: datetime | None
    attributes: Attributes
    number: int
    amount_minor: int
    refers_to: str | None


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(tuple[_KeptDelta, ...]).decode

ACTIVITY_COLUMNS: Final = """
    practice_id, source, event_id, object_id, occurred_at, accepted_at, backfill, first_sequence,
    deltas::text
"""
"""What `activities_of_row` reads."""


def json_of_attributes(attributes: Attributes) -> str | None:
    """A JSON object; None, which costs nothing, for no attributes."""
    return json.dumps(dict(attributes)) if attributes else None


def json_of_deltas(deltas: Sequence[Delta]) -> str | None:
    """A JSON array; None for no deltas."""
    return _ENCODE([delta[1:] for delta in deltas]).decode() if deltas else None


def activities_of_row(row: Any, owner: ActivityOwner) -> list[Activity]:
    """The activities that the fact of a row of the ledger caused, as they were published."""
    cause = Cause(row.source, row.event_id, row.object_id, row.backfill)
    deltas = [
        Delta(activity_id(row.practice_id, row.source, row.event_id, ordinal), *kept)
        for ordinal, kept in enumerate(_DECODE(row.deltas))
    ]
    return numbered(cause, row.occurred_at, owner, deltas, row.first_sequence, row.accepted_at)
