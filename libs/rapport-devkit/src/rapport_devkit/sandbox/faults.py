"""Faults on demand: which calls of which provider fail, and how; repeatable by seed."""

import asyncio
import random
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ChannelName = Literal["wechat", "sms", "email"]
Kind = Literal["timeout", "5xx", "reject", "drop_response", "token_expired", "rate_limit"]


class Fault(BaseModel):
    """A fault of the next `count` calls, or of each call with probability `ratio`.

    timeout: no answer for `hold_seconds`, nothing delivered. drop_response: delivered, and the
    connection cut before the answer. reject: refused for good, with `code` if given. token_expired:
    WeChat revokes its token. rate_limit: refused for now. 5xx: a gateway's error, not delivered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: ChannelName
    kind: Kind
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    ratio: float | None = Field(default=None, gt=0, le=1)
    seed: int = 0
    code: str | None = Field(default=None, max_length=64)
    hold_seconds: float = Field(default=30, gt=0, le=300)

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.count is None) == (self.ratio is None):
            msg = "give either count or ratio"
            raise ValueError(msg)
        if self.kind == "token_expired" and self.channel != "wechat":
            msg = "only WeChat has tokens"
            raise ValueError(msg)
        return self


class TooManyFaults(Exception):
    """More than 20 faults are on."""


class Faults:
    """The faults that are on, at most 20; the first that applies to a call decides."""

    MOST = 20

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, random.Random]] = []
        self._left: dict[int, int] = {}

    def arm(self, fault: Fault) -> None:
        """Switch a fault on. Raises TooManyFaults."""
        if len(self._armed) >= self.MOST:
            raise TooManyFaults
        chance = random.Random(fault.seed)  # noqa: S311  # nosec B311
        self._armed.append((fault, chance))
        if fault.count is not None:
            self._left[id(chance)] = fault.count

    def clear(self) -> None:
        """Switch all faults off."""
        self._armed.clear()
        self._left.clear()

    def armed(self) -> list[Fault]:
        """The faults that are on."""
        return [fault for fault, _ in self._armed]

    def strike(self, channel: ChannelName) -> Fault | None:
        """The fault that applies to this call of the channel, or None."""
        for fault, chance in list(self._armed):
            if fault.channel == channel and self._hits(fault, chance):
                return fault
        return None

    def _hits(self, fault: Fault, chance: random.Random) -> bool:
        if fault.ratio is not None:
            return chance.random() < fault.ratio
        self._left[id(chance)] -= 1
        if self._left[id(chance)] == 0:
            del self._left[id(chance)]
            self._armed.remove((fault, chance))
        return True


class CutOff(Response):
    """An answer that begins after `hold_seconds` and is never finished: the connection closes."""

    def __init__(self, hold_seconds: float = 0) -> None:
        super().__init__()
        self._hold_seconds = hold_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise one byte more than is sent; uvicorn then closes the connection."""
        await asyncio.sleep(self._hold_seconds)
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Pace:
    """A provider's limit of calls a second; 0 is no limit."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._taken = 0

    def takes(self, now: float) -> bool:
        """Whether this call, at `now` seconds of a steady clock, is within the rate."""
        if int(now) != self._second:
            self._second, self._taken = int(now), 0
        self._taken += 1
        return not self._per_second or self._taken <= self._per_second
