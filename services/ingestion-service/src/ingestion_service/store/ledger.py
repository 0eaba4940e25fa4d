"""What the ledger's rows hold as JSON, and the activities that they tell of."""

import json
from collections.abc import Iterable, Iterator, Sequence
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

_OF_FACT: Final = "practice_id, source, event_id, object_id, occurred_at, accepted_at, backfill"
ACTIVITY_COLUMNS: Final = f"{_OF_FACT}, first_sequence, deltas::text"
"""What `activities_of_row` reads."""
OF_CLIENT: Final = """
    practice_id = %(practice_id)s AND client_id = %(client_id)s AND deltas IS NOT NULL
"""
BEHIND_TOLD_ANEW: Final = """
    ledger_id > coalesce((SELECT told_anew_through FROM client
        WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s), 0)
"""
"""Of the ledger's rows those that tell themselves what they caused; the others are told by
`told_anew`, since the client's zone has changed (ADR 54)."""
TOLD_ANEW: Final = f"""
    SELECT {_OF_FACT}, told.first_sequence, told.deltas::text
    FROM (SELECT * FROM told_anew WHERE {OF_CLIENT}) AS told,
    LATERAL (
        SELECT object_id, occurred_at, accepted_at, backfill FROM ledger
        WHERE ledger.practice_id = told.practice_id AND ledger.source = told.source
          AND ledger.event_id = told.event_id
        OFFSET 0
    ) AS fact
"""
TOLD: Final = f"""
    SELECT {ACTIVITY_COLUMNS} FROM ledger WHERE {OF_CLIENT} AND {BEHIND_TOLD_ANEW}
    UNION ALL {TOLD_ANEW}
    ORDER BY first_sequence
"""
"""All that is told of a client, in the order of the sequences."""


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


def activities_in_order(
    rows: Iterable[Any], client: Any, owner: ActivityOwner
) -> Iterator[Activity]:
    """As `activities_of_client`, of rows in the order of their sequences, as they come."""
    own = _registration(client, owner)
    for row in rows:
        if own is not None and own.sequence < row.first_sequence:
            yield own
            own = None
        yield from activities_of_row(row, owner)
    if own is not None:
        yield own


def activities_of_client(rows: Iterable[Any], client: Any, owner: ActivityOwner) -> list[Activity]:
    """The activities of rows of one client's ledger in their order, with the client's registration,
    where its row has one."""
    found = [activity for row in rows for activity in activities_of_row(row, owner)]
    own = _registration(client, owner)
    if own is not None:
        found.append(own)
    return sorted(found, key=lambda activity: activity.sequence)


def _registration(client: Any, owner: ActivityOwner) -> Activity | None:
    if client.registered_sequence is None:
        return None
    return registered(owner, client.registered_sequence, client.registered_at, client.registered_on)
