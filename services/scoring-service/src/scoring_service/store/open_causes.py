"""A source event that had not ended with its batch, as the JSON text of one column."""

import json
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from scoring_service.domain.client_state import OpenCause
from scoring_service.domain.facts import Fact

_INSTANTS = ("occurred_at", "accepted_at", "starts_at", "cancelled_at")


def text(cause: OpenCause | None) -> str | None:
    """The text of a cause: its day, and its facts by field; None for none."""
    if cause is None:
        return None
    return json.dumps({"on_day": cause.on_day.isoformat(), "facts": [*map(_fields, cause.facts)]})


def read(stored: str | None) -> OpenCause | None:
    """The cause that `text` wrote."""
    if stored is None:
        return None
    fields = json.loads(stored)
    return OpenCause(date.fromisoformat(fields["on_day"]), tuple(map(_fact, fields["facts"])))


def _fields(fact: Fact) -> dict[str, Any]:
    fields = asdict(fact) | {"on": fact.on.isoformat()}
    instants = {name: fields[name] for name in _INSTANTS if fields[name] is not None}
    return fields | {name: instant.isoformat() for name, instant in instants.items()}


def _fact(fields: dict[str, Any]) -> Fact:
    said = [name for name in _INSTANTS if fields.get(name) is not None]
    instants = {name: datetime.fromisoformat(fields[name]) for name in said}
    return Fact(**fields | instants | {"on": date.fromisoformat(fields["on"])})
