"""What outreach needs of the world outside it, said as protocols; bootstrap decides who answers."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    MaskedContact,
    Preferences,
    Subscription,
)
from outreach_service.domain.gates import Decision, SentMessage
from outreach_service.domain.message_views import (
    MessageCount,
    MessageFilter,
    MessageRow,
    MessageView,
)
from outreach_service.domain.messages import Event, Outcome, Outgoing
from outreach_service.domain.playbook import Play
from outreach_service.domain.terms import Change, Channel, Purpose

GROUP = "outreach-service"
"""The consumer group whose positions carry outreach's time."""


class Provider(Protocol):
    """Whoever carries messages of one channel.

    `send` makes at most one provider call that could send, never retries by itself, and never
    raises for what a provider or a network did: that is an Outcome. Rejected means proven unsent.
    """

    async def send(self, message: Outgoing) -> Outcome:
        """Hand one message over and say what is known of it afterwards."""


@dataclass(frozen=True)
class Token:
    """A provider's access token and when it ends (aware)."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenStoreUnavailable(Exception):
    """The tokens cannot be read, written or locked at this moment; nothing was sent."""


class TokenStore(Protocol):
    """Where workers share access tokens, so that one of them fetches and all use (§3.1).

    Everything here may raise TokenStoreUnavailable.
    """

    async def get(self, account: str) -> Token | None:
        """The account's token as last put, expired or not."""

    async def put(self, account: str, token: Token) -> None:
        """Replace the account's token."""

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Held by the one who fetches; the others wait, then read."""


class ActivitySeen(NamedTuple):
    """A client did something at `at`."""

    practice_id: str
    client_id: str
    at: datetime


class BookingDelta(NamedTuple):
    """By one activity, the number of bookings that start at `starts_at` changed by `delta`."""

    practice_id: str
    client_id: str
    sequence: int
    starts_at: datetime
    delta: int


class PlannedMessage(NamedTuple):
    """A message that a tier change asks for. `play_body` is the play's own document."""

    message_id: str
    change: Change
    partition: int
    play: Play
    play_body: Mapping[str, Any]
    step: int
    due_at: datetime


class OutreachStore(Protocol):
    """What the bus told, within one transaction."""

    def save_practice(self, practice: Mapping[str, str]) -> None:
        """Remember a practice as it is now."""
        ...

    def record_activity(self, seen: Collection[ActivitySeen]) -> None:
        """Move each client's newest activity forward."""
        ...

    def record_bookings(self, deltas: Collection[BookingDelta]) -> None:
        """Keep each difference once."""
        ...

    def playbooks(self, practice_ids: Collection[str]) -> Mapping[str, Any]:
        """The playbook documents of those practices that have one of their own."""
        ...

    def save_planned(self, planned: Sequence[PlannedMessage]) -> None:
        """Keep each message once, by its identity."""
        ...


class Situation(NamedTuple):
    """What is known about a message's client at the moment of deciding."""

    now: datetime
    contacts: Mapping[Channel, str]
    consents: frozenset[tuple[Channel, Purpose]]
    zone: str
    sent: tuple[SentMessage, ...]
    booking_at: datetime | None
    activity_at: datetime | None
    inputs_up_to: datetime | None


class DueMessage(NamedTuple):
    """A message whose time has come to be decided on, locked, with its client's situation.

    `unsure_of` is the channel that may have carried it already: it may be repeated there, under
    its key, and nowhere else.
    """

    message_id: str
    change: Change
    partition: int
    play: Play
    step: int
    due_at: datetime
    approved: bool
    attempts: int
    situation: Situation
    unsure_of: Channel | None


@dataclass(frozen=True)
class Throttled:
    """It may go, but the provider account's rate, or what is under way, leaves no room at this
    moment; it is the `turn`-th of its channel for which that is so."""

    channel: Channel
    turn: int


@dataclass(frozen=True)
class LeaveUnknown:
    """It may have been sent, and may not be repeated as things are now: unknown it stays."""


class DecidedMessage(NamedTuple):
    """What is to become of a waiting message now."""

    message: DueMessage
    decision: Decision | Throttled | LeaveUnknown


class ClaimedMessage(NamedTuple):
    """A message that this worker, and no other, may hand to a provider once.

    `attempt` counts from 1; `first_try_seconds` is the real time since the first began;
    `unsure` whether an earlier one's outcome is unknown.
    """

    practice_id: str
    message_id: str
    client_id: str
    channel: Channel
    purpose: Purpose
    template: str
    address: str
    name: str
    language: str
    practice_name: str
    attempt: int
    first_try_seconds: float
    unsure: bool


class Claims(NamedTuple):
    """What was claimed at one look; `is_all`: there was nothing due that it left for the next."""

    claimed: list[ClaimedMessage]
    is_all: bool


class MessageUpdate(NamedTuple):
    """What a provider's answer does to a message: the event, and when to try again if at all.

    `keyed_seconds`, from the first try on, is how long the provider drops a repeat by its key;
    None where a retry repeats nothing that may have been sent.
    """

    event: Event
    outcome: str
    code: str | None
    provider_ref: str | None
    retry_seconds: float | None
    keyed_seconds: float | None = None


class OutboundQueue(Protocol):
    """Where waiting messages are taken from and their fate is written down."""

    def claim(self, limit: int, room: Mapping[Channel, int] | None = None) -> Claims:
        """Decide on up to `limit` due messages and claim those that may go, in one transaction; of
        each channel no more than there is `room` for."""
        ...

    def record(self, results: Sequence[tuple[ClaimedMessage, Outcome]]) -> None:
        """Write down what the providers said."""
        ...

    def recover(self) -> int:
        """Settle messages whose worker died between request and result; how many there were. And
        let go of unknown ones that may not be repeated any more."""
        ...


class NoBusinessTime(Exception):
    """Simulated time has not reached every partition; nothing can be dated (ARCHITECTURE §4)."""


class WrongState(Exception):
    """What is asked of a message cannot happen to it in the state that it is in."""


class PreferenceStore(Protocol):
    """Contacts and consents; each write excludes the dispatcher's claims of that client."""

    def save_contacts(
        self, practice_id: str, updates: Sequence[ContactUpdate]
    ) -> Sequence[MaskedContact]:
        """Set contact points, the last word for each client and channel."""
        ...

    def remove_contact(self, practice_id: str, client_id: str, channel: Channel) -> bool:
        """Forget a contact point; False when there is none."""
        ...

    def save_consents(self, practice_id: str, statements: Sequence[ConsentStatement]) -> datetime:
        """Append words, in this order, and say as of when. Raises NoBusinessTime."""
        ...

    def unsubscribe(self, subscription: Subscription) -> None:
        """Withdraw by one click; a no-op when the last word is no. Raises NoBusinessTime."""
        ...

    def get(self, practice_id: str, client_id: str) -> Preferences | None:
        """A client's contacts and consents; None when outreach knows no such client."""
        ...


class MessageEvent(NamedTuple):
    """A message reached another state, for those who listen."""

    practice_id: str
    message_id: str
    client_id: str
    partition: int
    play: str
    step: int
    tier_version: int
    channel: str | None
    purpose: str
    state: str
    reason: str | None
    at: datetime


class Messages(Protocol):
    """A practice's messages, and what its people may do to them."""

    def page(
        self, practice_id: str, only: MessageFilter, after: str, limit: int
    ) -> Sequence[MessageRow]:
        """Messages by message id, behind `after`."""
        ...

    def get(self, practice_id: str, message_id: str) -> MessageView | None:
        """One message whole."""
        ...

    def summary(self, practice_id: str) -> Sequence[MessageCount]:
        """All messages, counted."""
        ...

    def approve(self, practice_id: str, message_id: str) -> MessageRow | None:
        """Let one that awaits staff be decided on again. Raises WrongState, NoBusinessTime."""
        ...

    def cancel(self, practice_id: str, message_id: str) -> MessageRow | None:
        """Withdraw one before it goes. Raises WrongState, NoBusinessTime."""
        ...


class StoredPlaybook(NamedTuple):
    """A practice's plays; version 0 is the deployment's default."""

    version: int
    body: Mapping[str, Any]
    updated_at: datetime | None


class Playbooks(Protocol):
    """The playbook in force for a practice."""

    def current(self, practice_id: str) -> StoredPlaybook:
        """Its own, else the default."""
        ...

    def save(self, practice_id: str, body: Mapping[str, Any]) -> StoredPlaybook:
        """Replace it by one that has been checked; what is already planned keeps its play."""
        ...


class ChannelSetup(NamedTuple):
    """Whether a channel has a provider account, and whether anything leaves through it; `is_closed`
    when messages take other routes, for want of an account."""

    channel: Channel
    is_configured: bool
    is_sending: bool
    is_closed: bool = False


class Permits(NamedTuple):
    """What a provider account allows at this moment."""

    tokens: float
    per_second: float
    burst: float


class ChannelState(NamedTuple):
    """A channel's set-up and its last hour on the real clock, of one practice.

    A message waits for the channel that it tried last, else for its step's first.
    """

    setup: ChannelSetup
    permits: Permits | None
    attempts: int
    accepted: int
    rejected: int
    unknown: int
    waiting: int
    oldest_waiting_at: datetime | None


class Channels(Protocol):
    """How the channels do."""

    def states(self, practice_id: str) -> Sequence[ChannelState]:
        """Each channel's state."""
        ...
