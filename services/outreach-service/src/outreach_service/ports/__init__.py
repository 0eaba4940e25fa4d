"""What outreach needs from outside, as protocols; bootstrap chooses the adapters.

Here are the ports of providers and of the API; `ports.store` has the unit of work of the use cases.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from outreach_service.domain.message_views import MessageCount, MessageFilter, MessageRow
from outreach_service.domain.messages import Outcome, Outgoing
from outreach_service.domain.terms import Channel

GROUP = "outreach-service"
"""The consumer group whose positions carry outreach's time."""


class Provider(Protocol):
    """The carrier of one channel's messages.

    `send` makes at most one provider call that could send, never retries by itself, and never
    raises for what a provider or a network did: that is an Outcome. Rejected means proven unsent.
    """

    async def send(self, message: Outgoing) -> Outcome:
        """Hand one message over; returns what is known of it afterwards."""


@dataclass(frozen=True)
class Token:
    """A provider's access token and when it ends (aware)."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenStoreUnavailable(Exception):
    """The tokens cannot be read, written or locked at this moment; nothing was sent."""


class TokenStore(Protocol):
    """Where workers share access tokens, so that one of them fetches and all use.

    Every method may raise TokenStoreUnavailable.
    """

    async def get(self, account: str) -> Token | None:
        """The account's token as last put, expired or not."""

    async def put(self, account: str, token: Token) -> None:
        """Replace the account's token."""

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """A lock for the worker that fetches; the others wait, then read."""


class NoBusinessTime(Exception):
    """Simulated time has not reached every partition, so nothing can be dated."""

    def __init__(self) -> None:
        super().__init__("simulated time has not reached outreach yet; ask again later")


class WrongState(Exception):
    """The message cannot be approved or cancelled in the state that it is in."""


class UnreadableContact(Exception):
    """No key opens a sealed contact detail."""


class RenderingFailed(ValueError):
    """A text that cannot be rendered; `field` is the part at fault, and no value is repeated."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class PracticeNotReady(RenderingFailed):
    """The practice's own name may not be shown, so none of its messages can go."""


@dataclass(frozen=True)
class Rendered:
    """A text as it will be sent: subject, body, and the provider's parameters."""

    subject: str
    body: str
    params: Mapping[str, str]


class Messages(Protocol):
    """A practice's messages, as its people read them."""

    def page(
        self, practice_id: str, only: MessageFilter, after: str, limit: int
    ) -> Sequence[MessageRow]:
        """Messages by message id, behind `after`."""
        ...

    def summary(self, practice_id: str) -> Sequence[MessageCount]:
        """All messages, counted."""
        ...


class ChannelSetup(NamedTuple):
    """Whether a channel has a provider account, and whether anything is sent through it. A channel
    without an account may be `is_closed`: messages then take other routes."""

    channel: Channel
    is_configured: bool
    is_sending: bool
    is_closed: bool = False


class Permits(NamedTuple):
    """What a provider account allows at this moment."""

    tokens: float
    per_second: float
    burst: float


class Closed(NamedTuple):
    """A channel is closed, because its provider refused the account (`code` says why) or several
    calls in a row. At `until`, on the real clock, one message tries it."""

    code: str
    since: datetime
    until: datetime


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
    closed: Closed | None = None


class Channels(Protocol):
    """The state of the channels."""

    def states(self, practice_id: str) -> Sequence[ChannelState]:
        """Each channel's state."""
        ...
