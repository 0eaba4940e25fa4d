"""What an adapter is: a proof of who sent a webhook, and what the webhook tells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from rapport_adapters.errors import Unreadable
from rapport_adapters.settings import SourceSettings
from rapport_contracts.catalogue import ANY_SOURCE
from rapport_contracts.diagnosis import of_pydantic
from rapport_contracts.source import SourceEvent

S = TypeVar("S", bound=SourceSettings)

Headers = Sequence[tuple[str, str]]
"""The request's headers, each as often as it was sent; the case of names does not matter."""


class Told(NamedTuple):
    """What a webhook tells: source events in the body's order, or none and why there are none."""

    events: tuple[SourceEvent, ...] = ()
    nothing_because: str | None = None


@dataclass(frozen=True)
class Adapter(Generic[S]):
    """One system's webhooks. It keeps no state and has no clock.

    `settings` is the class of what a source of this system declares. `verify` raises
    SignatureRefused unless the sender signed these bytes, within the system's tolerance of now. Of
    a body that is verified `read` gives the events, the same ones each time (R7), or raises
    Unreadable.
    """

    settings: type[S]
    verify: Callable[[Headers, bytes, S, datetime], None]
    read: Callable[[bytes, S], Told]


def source_event(
    kind: str,
    settings: SourceSettings,
    *,
    id: str,  # noqa: A002  # the attribute's name in CloudEvents
    time: datetime,
    subject: str | None,
    data: dict[str, Any],
) -> SourceEvent:
    """The event `rapport.<kind>.v1`; what is None is left out. Raises Unreadable for what Rapport
    does not take."""
    return event_of(kind, settings, {"id": id, "time": time, "subject": subject}, data)


def event_of(
    kind: str, settings: SourceSettings, attributes: Mapping[str, Any], data: Mapping[str, Any]
) -> SourceEvent:
    """As `source_event`, with the attributes of the envelope by name."""
    name = f"rapport.{kind}.v1"
    envelope = {
        "specversion": "1.0",
        "type": name,
        "source": settings.source,
        "practiceid": settings.practice_id,
        **_without_none(attributes),
        "data": _without_none(data),
    }
    try:
        event: SourceEvent = ANY_SOURCE[name].model_validate(envelope)  # type: ignore[assignment]  # the catalogue holds the union's classes, typed by their base
    except ValidationError as error:
        problem = of_pydantic(error)
    else:
        return event
    raise Unreadable(problem.field or "", problem.detail, "Rapport takes no such event")


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
