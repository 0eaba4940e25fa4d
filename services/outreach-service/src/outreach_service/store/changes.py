"""A tier change as the rows keep it that it is the cause of."""

from datetime import datetime
from typing import Any

from outreach_service.domain.terms import Change, Direction, Origin


def change_to_json(change: Change) -> dict[str, Any]:
    """What the row's columns do not have: the column `change`."""
    return {
        "scheme": change.scheme,
        "version": change.version,
        "primary": change.primary,
        "from_tier": change.from_tier,
        "to_tier": change.to_tier,
        "direction": str(change.direction),
        "reason": change.reason,
        "origin": str(change.origin),
        "effective_at": change.effective_at.isoformat(),
        "happened_at": None if change.happened_at is None else change.happened_at.isoformat(),
        "from_rank": change.from_rank,
        "to_rank": change.to_rank,
    }


def change_of_row(row: Any) -> Change:
    """The change, from a message's `practice_id`, `client_id` and `change`."""
    document = row.change
    happened_at = document.get("happened_at")
    return Change(
        practice_id=row.practice_id,
        client_id=row.client_id,
        scheme=document["scheme"],
        version=document["version"],
        primary=document["primary"],
        from_tier=document["from_tier"],
        to_tier=document["to_tier"],
        direction=Direction(document["direction"]),
        reason=document["reason"],
        origin=Origin(document["origin"]),
        effective_at=datetime.fromisoformat(document["effective_at"]),
        happened_at=None if happened_at is None else datetime.fromisoformat(happened_at),
        from_rank=document.get("from_rank"),
        to_rank=document.get("to_rank"),
    )
