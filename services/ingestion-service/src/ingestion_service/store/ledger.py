"""What the ledger's rows hold as JSON, and the activities that they tell of."""

import json
from collections.abc import Iterable, Sequence
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
    registered,
)
from ingestion_service.domain.facts import NO_DETAILS, Attributes, CancelledBy, Details


class _KeptDelta(NamedTuple):
    """A delta without its id, which follows from the event and the delta's place."""

    kind: ActivityKind
    on: date
    starts_at: datetime | None
    attributes: Attributes
    number: int
    amount_minor: int
    refers_to: str | None
    cancelled_by: CancelledBy | None = None
    cancelled_at: datetime | None = None
    object_id: str | None = None


_SELDOM: Final = Delta._fields.index("cancelled_by")
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


def json_of_details(details: Details) -> str | None:
    """A JSON object of what is said; None for nothing."""
    if details == NO_DETAILS:
        return None
    said = {name: value for name, value in details._asdict().items() if value is not None}
    return _ENCODE(said).decode()


def json_of_deltas(deltas: Sequence[Delta]) -> str | None:
    """A JSON array; None for no deltas. What few deltas say is left out where it is not said."""
    return _ENCODE([_kept(delta) for delta in deltas]).decode() if deltas else None


def _kept(delta: Delta) -> tuple[object, ...]:
    return delta[1:] if any(delta[_SELDOM:]) else delta[1:_SELDOM]


def activities_of_row(row: Any, owner: ActivityOwner) -> list[Activity]:
    """The activities that the fact of a row of the ledger caused, as they were published."""
    cause = Cause(row.source, row.event_id, row.object_id, row.backfill)
    deltas = [
        Delta(activity_id(row.practice_id, row.source, row.event_id, ordinal), *kept)
        for ordinal, kept in enumerate(_DECODE(row.deltas))
    ]
    return numbered(cause, row.occurred_at, owner, deltas, row.first_sequence, row.accepted_at)


def activities_of_client(rows: Iterable[Any], client: Any, owner: ActivityOwner) -> list[Activity]:
    """The activities of rows of one client's ledger in their order, with the client's registration,
    where its row has one."""
    found = [activity for row in rows for activity in activities_of_row(row, owner)]
    if client.registered_sequence is not None:
        sequence, on = client.registered_sequence, client.registered_on
        found.append(registered(owner, sequence, client.registered_at, on))
    return sorted(found, key=lambda activity: activity.sequence)
