"""What outreach needs of the world outside it, said as protocols; bootstrap decides who answers."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from outreach_service.domain.messages import Outcome, Outgoing


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


class TokenStore(Protocol):
    """Where workers share access tokens, so that one of them fetches and all use (§3.1)."""

    async def get(self, account: str) -> Token | None:
        """The account's token as last put, expired or not."""

    async def put(self, account: str, token: Token) -> None:
        """Replace the account's token."""

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Held by the one who fetches; the others wait, then read."""
