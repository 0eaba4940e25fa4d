"""Messages as people see them: the state of each and its reason, its attempts, its text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from outreach_service.domain.terms import Occasion


class MessageRow(NamedTuple):
    """One message and its state. `decide_at` is when the gates decide next. What its play said,
    `mode` and `expires_at`, is None once the play is no longer kept."""

    message_id: str
    client_id: str
    play: str
    step: int
    occasion: Occasion
    purpose: str
    mode: str | None
    state: str
    reason: str | None
    channel: str | None
    approved: bool
    attempts: int
    due_at: datetime
    decide_at: datetime
    expires_at: datetime | None
    sent_at: datetime | None
    changed_at: datetime


class AttemptRow(NamedTuple):
    """One provider call; without an outcome it is in flight, or its worker died."""

    number: int
    channel: str
    started_at: datetime
    business_at: datetime
    finished_at: datetime | None
    outcome: str | None
    code: str | None


@dataclass(frozen=True)
class Preview:
    """A message as it would be rendered now; without a text, `missing` is the reason."""

    channel: str | None = None
    template: str | None = None
    template_version: int | None = None
    language: str | None = None
    subject: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing: str | None = None


class MessageView(NamedTuple):
    """A message with its cause, its attempts and its text. `change` is None once the cause is no
    longer kept."""

    row: MessageRow
    change: Mapping[str, Any] | None
    attempts: list[AttemptRow]
    preview: Preview


class MessageFilter(NamedTuple):
    """Which messages a list shows; None shows all."""

    client_id: str | None = None
    state: str | None = None
    channel: str | None = None
    play: str | None = None


class MessageCount(NamedTuple):
    """How many messages of a play and channel have this state and reason."""

    play: str
    channel: str | None
    state: str
    reason: str | None
    messages: int
