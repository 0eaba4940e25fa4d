"""What follows from a tier change: plays, which of them answer a change, and what forbids them."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from outreach_service.domain.faults import Fault
from outreach_service.domain.terms import (
    Change,
    Channel,
    Direction,
    Occasion,
    Origin,
    Purpose,
    Reason,
    why_refused,
)

MESSAGE_NAMESPACE = uuid.UUID("6f0c2f0e-6c0d-5b7e-9d6a-5c1a1f1f9b21")
"""The name space of message ids; changing it would give every message a second identity."""


class Mode(StrEnum):
    """Whether a play only notes what it would do, asks a person first, or sends."""

    OBSERVE = "observe"
    APPROVE = "approve"
    SEND = "send"


COUNTS_AS: Mapping[str, Reason] = MappingProxyType({Reason.CORRECTION: Reason.ACTIVITY})
"""The reasons that plays do not tell from another one."""


@dataclass(frozen=True, kw_only=True)
class When:
    """Which tier changes a play answers. An empty set of tiers means any.

    A correction counts as activity: `reasons` holds the one for both. A change that comes from no
    tier (`entered`) passes whatever `from_tiers` holds.
    """

    directions: frozenset[Direction]
    from_tiers: frozenset[str]
    to_tiers: frozenset[str]
    reasons: frozenset[Reason]
    origins: frozenset[Origin]

    def covers(self, change: Change) -> bool:
        """Whether this change is one of those that the play answers."""
        reason = COUNTS_AS.get(change.reason, change.reason)
        return (
            change.direction in self.directions
            and reason in self.reasons
            and change.origin in self.origins
            and (not self.to_tiers or change.to_tier in self.to_tiers)
            and (
                not self.from_tiers
                or change.from_tier is None
                or change.from_tier in self.from_tiers
            )
        )


@dataclass(frozen=True, kw_only=True)
class Unless:
    """What makes a message pointless when it is seen before sending."""

    upcoming_booking: bool
    newer_activity: bool

    @property
    def asks(self) -> bool:
        """Whether any of it does."""
        return self.upcoming_booking or self.newer_activity


@dataclass(frozen=True, kw_only=True)
class Route:
    """One channel that a step may take, and the template it would carry there."""

    channel: Channel
    template: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One intended contact of a play: due `delay` after the change, by the first open route."""

    delay: timedelta
    routes: tuple[Route, ...]


@dataclass(frozen=True, kw_only=True)
class Play:
    """What to say, how and when, after a tier change.

    It answers what the changes within `settles_after` come to. It is of use for `expires_after`
    from each due time, or from when that would have been, had the cause been told at once.
    """

    key: str
    when: When
    purpose: Purpose
    mode: Mode
    unless: Unless
    settles_after: timedelta
    expires_after: timedelta
    steps: tuple[Step, ...]

    def expires_at(self, step: Step, change: Change, due_at: datetime) -> datetime:
        """When it is too late for a message. News is as old as what happened: a cause that was told
        late leaves less time."""
        if change.happened_at is not None:
            due_at = min(due_at, change.happened_at + self.settles_after + step.delay)
        return due_at + self.expires_after


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """A practice's plays, in the order in which they were written."""

    key: str
    plays: tuple[Play, ...]


def plays_for(playbook: Playbook, change: Change) -> list[Play]:
    """The plays that answer this change, in the playbook's order. A scheme that the practice does
    not act on moves nobody to write."""
    if not change.primary:
        return []
    return [play for play in playbook.plays if play.when.covers(change)]


def message_id(practice_id: str, client_id: str, play: str, occasion: Occasion, step: int) -> str:
    """The identity of a message: 32 hex digits, the same for the same arguments.

    It is also the provider's idempotency key, for which WeChat allows 32 characters. One step of
    one play answers one occasion with one message, however often it is told (F33).
    """
    parts = (practice_id, client_id, play, *occasion, str(step))
    name = "".join(f"{len(part)}:{part}," for part in parts)
    return uuid.uuid5(MESSAGE_NAMESPACE, name).hex


def faults_of(playbook: Playbook) -> list[Fault]:
    """What forbids a playbook's use although its document is well formed.

    Each play's key is its own, a step names a channel once, and no channel carries a purpose that
    its provider refuses. The places are those of the document.
    """
    return [*_keys_taken(playbook), *_wrong_routes(playbook)]


def _keys_taken(playbook: Playbook) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, play in enumerate(playbook.plays):
        if play.key in seen:
            yield Fault(("plays", index, "key"), "is already taken")
        seen.add(play.key)


def _wrong_routes(playbook: Playbook) -> Iterator[Fault]:
    for index, play in enumerate(playbook.plays):
        for number, step in enumerate(play.steps):
            place = ("plays", index, "steps", number, "channels")
            if len({route.channel for route in step.routes}) != len(step.routes):
                yield Fault(place, "names a channel twice")
            for position, route in enumerate(step.routes):
                if (why := why_refused(route.channel, play.purpose)) is not None:
                    yield Fault((*place, position, "channel"), why)
