"""The life of one message: its states, what may happen to it, what a provider's answer means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from outreach_service.domain.gates import (
    AWAITING_APPROVAL,
    EXPIRED,
    RESTORED,
    TEXT_WAITS,
    Decision,
    Defer,
    Send,
)
from outreach_service.domain.terms import Channel, Purpose


class State(StrEnum):
    """The state of a message."""

    DRAFTED = "drafted"  # saved, not yet decided on
    SCHEDULED = "scheduled"  # due, or waiting for its due time or a retry
    DEFERRED = "deferred"  # a gate put it off
    SENDING = "sending"  # claimed; a provider may have it at any moment
    AWAITING_STAFF = "awaiting_staff"  # a person must approve it
    ACCEPTED = "accepted"  # the provider has it
    DELIVERED = "delivered"  # the provider reports its arrival
    BOUNCED = "bounced"  # the provider reports that it did not arrive
    FAILED = "failed"  # proven not to have been sent, and given up
    SUPPRESSED = "suppressed"  # a gate refused it for good
    CANCELLED = "cancelled"  # withdrawn before it went
    EXPIRED = "expired"  # too late to make sense
    UNKNOWN = "unknown"  # it may have been sent; never retried blindly


class Event(StrEnum):
    """What may happen to a message: our decisions, the provider's answers, later receipts."""

    SCHEDULE = "schedule"
    DEFER = "defer"
    ASK_STAFF = "ask_staff"
    CLAIM = "claim"
    RETRY = "retry"
    ACCEPT = "accept"
    FAIL = "fail"
    LOSE = "lose"
    DELIVER = "deliver"
    BOUNCE = "bounce"
    SUPPRESS = "suppress"
    CANCEL = "cancel"
    EXPIRE = "expire"


WAITING = frozenset({State.DRAFTED, State.SCHEDULED, State.DEFERRED, State.AWAITING_STAFF})
"""States in which no provider can be sending the message."""

COUNTED = frozenset({State.SENDING, State.ACCEPTED, State.DELIVERED, State.BOUNCED, State.UNKNOWN})
"""What frequency caps count: everything that may have reached a person (I5)."""

_FROM_WAITING = {
    Event.SCHEDULE: State.SCHEDULED,
    Event.DEFER: State.DEFERRED,
    Event.ASK_STAFF: State.AWAITING_STAFF,
    Event.CLAIM: State.SENDING,
    Event.SUPPRESS: State.SUPPRESSED,
    Event.CANCEL: State.CANCELLED,
    Event.EXPIRE: State.EXPIRED,
}
_FROM_SENDING = {
    Event.RETRY: State.SCHEDULED,  # proven unsent, or released before the call
    Event.ACCEPT: State.ACCEPTED,
    Event.FAIL: State.FAILED,
    Event.LOSE: State.UNKNOWN,
    Event.DELIVER: State.DELIVERED,  # the receipt overtook the answer
    Event.BOUNCE: State.BOUNCED,
}
_WITH_PROVIDER = {
    Event.ACCEPT: State.ACCEPTED,
    Event.LOSE: State.ACCEPTED,  # the answer is recorded; that a worker lost it changes nothing
    Event.DELIVER: State.DELIVERED,
    Event.BOUNCE: State.BOUNCED,
}
_TABLE: Mapping[State, Mapping[Event, State]] = MappingProxyType(
    {
        State.DRAFTED: _FROM_WAITING,
        State.SCHEDULED: _FROM_WAITING,
        State.DEFERRED: _FROM_WAITING,
        State.AWAITING_STAFF: {
            event: state for event, state in _FROM_WAITING.items() if event is not Event.CLAIM
        },
        State.SENDING: _FROM_SENDING,
        State.ACCEPTED: _WITH_PROVIDER,
        State.UNKNOWN: {
            Event.LOSE: State.UNKNOWN,
            Event.RETRY: State.SCHEDULED,  # only where the provider drops a repeat by its key
            Event.ACCEPT: State.ACCEPTED,  # found by asking the provider
            Event.FAIL: State.FAILED,  # likewise
            Event.DELIVER: State.DELIVERED,
            Event.BOUNCE: State.BOUNCED,
        },
        State.DELIVERED: {
            Event.ACCEPT: State.DELIVERED,
            Event.LOSE: State.DELIVERED,
            Event.DELIVER: State.DELIVERED,
            Event.BOUNCE: State.BOUNCED,  # the next hop took it back
        },
        State.BOUNCED: {
            Event.ACCEPT: State.BOUNCED,
            Event.LOSE: State.BOUNCED,
            Event.DELIVER: State.BOUNCED,  # an older receipt, overtaken
            Event.BOUNCE: State.BOUNCED,
        },
        State.FAILED: {Event.FAIL: State.FAILED, Event.DELIVER: State.DELIVERED},
        State.SUPPRESSED: {Event.SUPPRESS: State.SUPPRESSED, Event.CANCEL: State.SUPPRESSED},
        State.CANCELLED: {Event.CANCEL: State.CANCELLED, Event.EXPIRE: State.CANCELLED},
        State.EXPIRED: {Event.EXPIRE: State.EXPIRED, Event.CANCEL: State.EXPIRED},
    }
)


class ImpossibleTransition(ValueError):
    """An event that cannot happen to a message in its state."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a message that is {state} cannot {event}")


def advance(state: State, event: Event) -> State:
    """The state after `event`; the table has duplicates and late receipts too.

    Raises ImpossibleTransition.
    """
    try:
        return _TABLE[state][event]
    except KeyError:
        raise ImpossibleTransition(state, event) from None


_FOR_STAFF = frozenset({AWAITING_APPROVAL, RESTORED, TEXT_WAITS})


def event_of(decision: Decision) -> Event:
    """What a gate's decision does to a message."""
    if isinstance(decision, Send):
        return Event.CLAIM
    if isinstance(decision, Defer):
        cause = decision.reason.partition(": ")[0]
        return Event.ASK_STAFF if cause in _FOR_STAFF else Event.DEFER
    return Event.EXPIRE if decision.reason == EXPIRED else Event.SUPPRESS


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One message, rendered, on its way to a provider; what is personal stays out of its `repr`.

    `message_id` is 32 hex digits and the key under which a provider may recognise a repeat.
    `recipient` is E.164, an address or an openid; `provider_template` and `params` are for
    providers that hold the text themselves; `unsubscribe_url` is set for e-mail.
    """

    message_id: str
    channel: Channel
    purpose: Purpose
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    subject: str = field(default="", repr=False)
    provider_template: str = ""
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    unsubscribe_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Accepted:
    """The provider has the message; `provider_ref` is its own name for it."""

    provider_ref: str


class About(StrEnum):
    """Of what a rejection speaks, and so for what it counts."""

    MESSAGE = "message"  # this message as it is, or this moment
    PERSON = "person"  # the contact point: nothing arrives there
    ACCOUNT = "account"  # the sender's account: nothing goes by this channel
    UNCLEAR = "unclear"  # the provider or our set-up, perhaps: nobody can tell from one answer


NOT_OF_THE_MESSAGE = frozenset({About.ACCOUNT, About.UNCLEAR})
"""A message waits for as long as it makes sense, and is never given up for these."""


@dataclass(frozen=True)
class Rejected:
    """Proven: nothing was sent. `final` when another try can only get the same answer.

    `code` is the channel and the provider's code. `retry_after` is the least wait in seconds; of a
    person it is how long the contact point rests, and None is for good.
    """

    code: str
    final: bool
    retry_after: float | None = None
    about: About = About.MESSAGE


@dataclass(frozen=True)
class Unknown:
    """It may have been sent and it may not; `why` is the channel and what happened."""

    why: str


Outcome = Accepted | Rejected | Unknown


@dataclass(frozen=True)
class RetryAt:
    """Try again in `seconds`, on the real clock, with the same message id."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Proven not to have been sent, and not worth another try."""


@dataclass(frozen=True, kw_only=True)
class Tries:
    """The tries so far, this one included.

    `seconds` is the real time since the first try began; `unknown` whether the outcome of an
    EARLIER try is unknown; `excused` counts the earlier ones that were refused for no fault of the
    message.
    """

    count: int
    seconds: float
    unknown: bool
    excused: int = 0


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a channel retries: waits grow from `first_seconds` twofold, up to `longest_seconds`.

    `same_key_seconds`: for how long after the first try the provider is trusted to drop a repeat
    that carries the same key; 0 for a provider that never does. `closed_seconds`: for how long the
    channel is closed after the account was refused, where the provider names no time.
    """

    most: Mapping[Purpose, int]
    first_seconds: float
    longest_seconds: float
    same_key_seconds: float = 0
    closed_seconds: float = 60


_LONGEST_DOUBLING = 30
_MOST = MappingProxyType({Purpose.SERVICE: 8, Purpose.CARE: 6, Purpose.MARKETING: 4})

DEFAULT_RETRIES: Mapping[Channel, RetryPolicy] = MappingProxyType(
    {
        Channel.WECHAT: RetryPolicy(
            most=_MOST, first_seconds=15, longest_seconds=3600, same_key_seconds=480
        ),
        Channel.SMS: RetryPolicy(most=_MOST, first_seconds=60, longest_seconds=3600),
        Channel.EMAIL: RetryPolicy(most=_MOST, first_seconds=1800, longest_seconds=14400),
    }
)
"""WeChat drops a repeat for 10 minutes, of which 8 are used; after an SMTP 4xx
the first wait is 30 minutes."""

SANDBOX_RETRIES: Mapping[Channel, RetryPolicy] = MappingProxyType(
    {
        Channel.WECHAT: RetryPolicy(
            most=_MOST,
            first_seconds=0.2,
            longest_seconds=5,
            same_key_seconds=480,
            closed_seconds=0.5,
        ),
        Channel.SMS: RetryPolicy(
            most=_MOST, first_seconds=0.2, longest_seconds=5, closed_seconds=0.5
        ),
        Channel.EMAIL: RetryPolicy(
            most=_MOST, first_seconds=0.2, longest_seconds=5, closed_seconds=0.5
        ),
    }
)
"""The same with short waits, for development and tests."""


def retry_decision(
    tries: Tries, outcome: Rejected | Unknown, purpose: Purpose, policy: RetryPolicy
) -> RetryAt | GiveUp | Unknown:
    """Whether to try again after a try that was not accepted (R16).

    Once a try's outcome is unknown, a further one is allowed only while the provider drops repeats
    by key; after that the message is Unknown, whatever later tries brought. After a final rejection
    there is no further try; after another one there is, after the longer of the policy's wait and
    its own. A rejection for no fault of the message does not count, and is never the last.
    """
    unsure = tries.unknown or isinstance(outcome, Unknown)
    end = Unknown(outcome.why if isinstance(outcome, Unknown) else outcome.code)
    last = GiveUp() if not unsure else end
    if isinstance(outcome, Rejected) and outcome.final:
        return last
    is_excused = isinstance(outcome, Rejected) and outcome.about in NOT_OF_THE_MESSAGE
    if not is_excused and tries.count - tries.excused >= policy.most[purpose]:
        return last
    doubling = 2.0 ** min(tries.count - 1, _LONGEST_DOUBLING)
    wait = min(policy.first_seconds * doubling, policy.longest_seconds)
    if isinstance(outcome, Rejected) and outcome.about is About.ACCOUNT:
        wait = policy.closed_seconds  # the channel is closed: no message needs a pause of its own
    if isinstance(outcome, Rejected) and outcome.retry_after is not None:
        wait = max(wait, outcome.retry_after)
    if unsure and tries.seconds + wait > policy.same_key_seconds:
        return last
    return RetryAt(wait)
