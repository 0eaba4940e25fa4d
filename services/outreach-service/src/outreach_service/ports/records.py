"""The records that use cases and stores exchange."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from outreach_service.domain.care import UNGUARDED, Guards
from outreach_service.domain.gates import Rest, SentMessage
from outreach_service.domain.message_views import MessageRow
from outreach_service.domain.playbook import Play
from outreach_service.domain.terms import Change, Channel, Occasion, Purpose, Standing


class ActivitySeen(NamedTuple):
    """A client did something at `at`, as one generation of the client's facts says."""

    practice_id: str
    client_id: str
    at: datetime
    generation: int = 1


class BookingDelta(NamedTuple):
    """By one activity, the number of bookings that start at `starts_at` changed by `delta`.

    `activity_id` comes from the source's event: the same fact has the same one, whatever number it
    gets in the client's sequence after a restore.
    """

    practice_id: str
    client_id: str
    activity_id: str
    starts_at: datetime
    delta: int
    generation: int = 1


class PlannedMessage(NamedTuple):
    """A message that an occasion, a tier change, asks for. `play_body` is the play's own document;
    `lane` is as in `Share`."""

    message_id: str
    occasion: Occasion
    change: Change
    partition: int
    play: Play
    play_body: Mapping[str, Any]
    step: int
    due_at: datetime
    lane: Channel | None = None


class Saying(NamedTuple):
    """A play that speaks to a client."""

    practice_id: str
    client_id: str
    play: str


class MessageEvent(NamedTuple):
    """A message reached another state, for the readers of the topic."""

    practice_id: str
    message_id: str
    client_id: str
    partition: int
    play: str
    step: int
    occasion: Occasion
    channel: str | None
    purpose: str
    state: str
    reason: str | None
    at: datetime


class MessageKey(NamedTuple):
    """A message's row."""

    practice_id: str
    message_id: str


class AttemptKey(NamedTuple):
    """An attempt's row; `number` counts a message's attempts from 1."""

    practice_id: str
    message_id: str
    number: int


class ContactKey(NamedTuple):
    """A client's contact point on a channel."""

    practice_id: str
    client_id: str
    channel: Channel


class Share(NamedTuple):
    """A part of one look at the queue: up to `most` due messages of a lane, one of each practice in
    turn, beginning with the practice that comes after the practice `after`.

    A message's lane is the channel by which it will probably go; None while nobody knows. Only the
    gates decide by which one it goes.
    """

    lane: Channel | None
    most: int
    after: str = ""


class DueMessage(NamedTuple):
    """A message whose time to be decided on has come, its row locked.

    `unsure_of` is the channel that may have carried it already: it may be repeated there, under
    its key, and nowhere else. `is_fenced`: it was due before the database was restored. `lane` is
    as in `Share`.
    """

    message_id: str
    occasion: Occasion
    change: Change
    partition: int
    play: Play
    step: int
    due_at: datetime
    approved: bool
    attempts: int
    unsure_of: Channel | None
    is_fenced: bool = False
    lane: Channel | None = None

    @property
    def key(self) -> MessageKey:
        """Its row."""
        return MessageKey(self.change.practice_id, self.message_id)

    @property
    def expires_at(self) -> datetime:
        """When it is too late for it."""
        return self.play.expires_at(self.play.steps[self.step], self.change, self.due_at)


class Hold(NamedTuple):
    """A hold of a practice, as one partition tells it: its activity is read up to `stands_at`.
    `incarnation` is that of the sender's database."""

    practice_id: str
    partition: int
    hold_id: str
    reason: str
    incarnation: str | None
    stands_at: datetime


class Situation(NamedTuple):
    """What is known about a message's client at the moment of deciding.

    `contacts` maps a channel to its contact point's blind index, `resting` those where nothing may
    go now to the reason; `zone` is "" while the practice is not known, and `has_discreet_name`
    whether it has a name that messages may show; `client_zones` are those that the client's contact
    points name; `sent` holds what went to the client or to its contact points, without the
    message itself. `inputs_up_to` is the instant up to which activity and tier changes have been
    read, or where the practice stands, if it is held. `standing` is the client's tier, `guards`
    what other systems have noted.
    """

    now: datetime
    contacts: Mapping[Channel, str]
    consents: frozenset[tuple[Channel, Purpose]]
    zone: str
    sent: tuple[SentMessage, ...]
    booking_at: datetime | None
    activity_at: datetime | None
    inputs_up_to: datetime | None
    resting: Mapping[Channel, Rest] = MappingProxyType({})
    standing: Standing | None = None
    has_discreet_name: bool = False
    client_zones: tuple[str, ...] = ()
    guards: Guards = UNGUARDED


@dataclass(frozen=True)
class Recipient:
    """The client to whom a message goes; address and name are sealed. `practice_name` is as in
    `ClaimedMessage`."""

    sealed_address: str
    sealed_name: str
    language: str
    practice_name: str


class AttemptHistory(NamedTuple):
    """A message's earlier attempts: the real seconds since the first began, whether the outcome of
    any is unknown, and how many were refused for no fault of the message."""

    seconds: float
    unsure: bool
    excused: int = 0


class NewAttempt(NamedTuple):
    """A message that is claimed: it goes to `contact_index` now, by this channel and template."""

    practice_id: str
    message_id: str
    number: int
    channel: str
    template: str
    contact_index: str


class StateChange(NamedTuple):
    """Another state for a waiting message, and when the gates decide next."""

    practice_id: str
    message_id: str
    state: str
    reason: str
    decide_at: datetime


class LaneChange(NamedTuple):
    """A message that waits for another channel than was thought."""

    practice_id: str
    message_id: str
    lane: str


@dataclass(frozen=True, kw_only=True)
class ClaimedMessage:
    """A message that this worker, and no other, may hand to a provider once.

    `attempt` counts from 1; `first_try_seconds` is the real time since the first began;
    `unsure` tells whether an earlier one's outcome is unknown, `excused` how many were refused for
    no fault of the message; `approved` whether a person has let it go. `practice_name` is the
    practice's discreet name, if it has one. `contact_index` finds the contact point of `address`.
    What is personal stays out of its `repr`.
    """

    practice_id: str
    message_id: str
    client_id: str
    channel: Channel
    purpose: Purpose
    template: str
    address: str = field(repr=False)
    contact_index: str = field(repr=False)
    name: str = field(repr=False)
    language: str
    practice_name: str
    attempt: int
    first_try_seconds: float
    unsure: bool
    excused: int = 0
    approved: bool = False

    @property
    def key(self) -> AttemptKey:
        """The attempt that it stands for."""
        return AttemptKey(self.practice_id, self.message_id, self.attempt)


class LostAttempt(NamedTuple):
    """An attempt whose worker died between request and result.

    `attempt`, `first_try_seconds`, `unsure` and `excused` are as in `ClaimedMessage`.
    """

    practice_id: str
    message_id: str
    client_id: str
    channel: Channel
    purpose: Purpose
    attempt: int
    first_try_seconds: float
    unsure: bool
    excused: int = 0

    @property
    def key(self) -> AttemptKey:
        """Its row."""
        return AttemptKey(self.practice_id, self.message_id, self.attempt)


class TriedMessage(NamedTuple):
    """A message with one of its attempts, its row locked; `outcome` is the attempt's, None while
    nothing is known of it. `contact_index` is where the last attempt went."""

    practice_id: str
    message_id: str
    number: int
    client_id: str
    partition: int
    play: str
    step: int
    occasion: Occasion
    purpose: str
    channel: str
    state: str
    sent_at: datetime
    attempts: int
    outcome: str | None
    contact_index: str | None


class FinishedAttempt(NamedTuple):
    """What came of an attempt. `is_excused`: it was refused for no fault of the message."""

    practice_id: str
    message_id: str
    number: int
    outcome: str
    code: str | None
    is_excused: bool = False


class RestingPoint(NamedTuple):
    """From now on a contact point rests."""

    practice_id: str
    blind_index: str
    rest: Rest


class Strike(NamedTuple):
    """A channel's provider refused a call for no fault of a message. `closes`: it was clear about
    the account; otherwise only several in a row close the channel. It is closed for `seconds`."""

    channel: Channel
    code: str
    closes: bool
    seconds: float


class AppliedOutcome(NamedTuple):
    """What an attempt's outcome makes of its message at `at`.

    No attempt follows within `wait_seconds` from now. `keyed_seconds`, from the first attempt on,
    is how long a message of unknown outcome may be repeated; None for one that may not.
    """

    practice_id: str
    message_id: str
    state: str
    reason: str | None
    provider_ref: str | None
    at: datetime
    wait_seconds: float
    keyed_seconds: float | None


class StoredMessage(NamedTuple):
    """A message as the API sees it, with the cause and the play that its row keeps; both are None
    once a purge has removed them."""

    practice_id: str
    partition: int
    row: MessageRow
    change: Mapping[str, Any] | None
    play: Play | None
    template: str | None


class StoredPlaybook(NamedTuple):
    """A practice's plays; version 0 is the deployment's default, which was never updated."""

    version: int
    body: Mapping[str, Any]
    updated_at: datetime | None
