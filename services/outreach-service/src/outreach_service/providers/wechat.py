"""WeChat template messages: a shared token, one call, and a key by which WeChat drops a repeat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeGuard
from zoneinfo import ZoneInfo

import httpx

from outreach_service.domain.messages import (
    About,
    Accepted,
    Outcome,
    Outgoing,
    Rejected,
    Unknown,
)
from outreach_service.domain.terms import Purpose
from outreach_service.ports import Token, TokenStore, TokenStoreUnavailable
from outreach_service.providers.web import Answer, NoAnswer, NotSent, ask

BAD_TOKEN = frozenset({40001, 40014, 42001})
"""The token ended or was replaced: fetch one, try once more, never loop (R19)."""

BUSY = frozenset({-1, 45011})
"""Busy, or over the minute's quota: repeat with the same key within 8 minutes, else unknown."""

OF_THE_ACCOUNT: Mapping[int, float] = MappingProxyType(
    {
        40013: 60.0,  # the account's id
        40125: 60.0,  # its secret
        40164: 600.0,  # our address is not listed
        48001: 600.0,
        48004: 600.0,
        50002: 600.0,
        61004: 600.0,
    }
)
"""Codes that speak of the account, and the seconds until the next try. They prove that nothing was
sent."""

OF_THE_PERSON = frozenset({40003, 43004, 43019, 43101, 46004, 48002, 50005})
"""Unknown here, not following or no longer, blocked, or refusing us: the openid rests for good."""

OF_THE_MESSAGE: Mapping[int, float | None] = MappingProxyType(
    {
        43117: 6 * 3600.0,  # too often to this person, an undocumented limit
        45002: None,  # a value is too long
        45015: None,  # outside the time in which the person may be written to
        45047: None,
    }
)
"""Codes that speak of this message, and the seconds to wait; None ends the message.

A code in none of these lists, such as that of a template which is gone (40037, 47003), is of the
set-up or new to us: the message waits, and several in a row close the channel."""

NO_TOKEN_FOR = timedelta(seconds=10)
"""How long no token is requested after WeChat refused one: otherwise each of many messages would
wait in turn for a request of its own, minutes after the gates had let it through."""

LONGEST_TOKEN = 7_200
"""Seconds; WeChat's own limit, which caps the lifetime in an answer."""

DAILY_QUOTA = 45009
_SHANGHAI = "Asia/Shanghai"


@dataclass(frozen=True)
class WeChatAccount:
    """The API's address and the official account that sends."""

    base_url: str
    appid: str
    secret: str = field(repr=False)


class _NoToken(Exception):
    """WeChat gave no token, so no message was sent. The argument is the code to record; `about`
    tells whether WeChat has refused the account, or nobody knows why."""

    def __init__(self, code: str, about: About) -> None:
        super().__init__(code)
        self.about = about


def _until_midnight(now: datetime) -> float:
    """Seconds until the daily quota begins anew, at 00:00 in Shanghai."""
    local = now.astimezone(ZoneInfo(_SHANGHAI))
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - local).total_seconds()


def _outcome(answer: Answer, now: datetime) -> Outcome:
    code = answer.body.get("errcode")
    if code == 0:
        return Accepted(str(answer.body.get("msgid", "")))
    if not isinstance(code, int):
        return Unknown(f"wechat:HTTP {answer.status}")
    if code in BUSY:
        return Unknown(f"wechat:{code}")
    if code == DAILY_QUOTA:
        wait = _until_midnight(now)
        return Rejected(f"wechat:{code}", final=False, retry_after=wait, about=About.ACCOUNT)
    return _rejected(code)


def _rejected(code: int) -> Rejected:
    """What a code means that proves that nothing was sent."""
    if code in OF_THE_PERSON:
        return Rejected(f"wechat:{code}", final=True, about=About.PERSON)
    if code in OF_THE_MESSAGE:
        wait = OF_THE_MESSAGE[code]
        return Rejected(f"wechat:{code}", final=wait is None, retry_after=wait)
    if code in BAD_TOKEN:  # of a token that was new a moment ago
        return Rejected(f"wechat:{code}", final=False, about=About.ACCOUNT)
    wait = OF_THE_ACCOUNT.get(code)
    about = About.UNCLEAR if wait is None else About.ACCOUNT
    return Rejected(f"wechat:{code}", final=False, retry_after=wait, about=about)


class WeChat:
    """Sends template messages of one official account.

    `tokens` is shared by all workers; `clock` returns the real time, aware.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        account: WeChatAccount,
        tokens: TokenStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._account = account
        self._tokens = tokens
        self._clock = clock
        self._remembered: Token | None = None
        self._refused_until = clock()
        self._refusal = _NoToken("", About.UNCLEAR)

    async def send(self, message: Outgoing) -> Outcome:
        """One call, and a second only when WeChat refused the token of the first."""
        if message.purpose is Purpose.MARKETING:
            return Rejected("wechat:marketing-not-permitted", final=True)
        try:
            token = await self._token(refused=None)
            answer = await self._post(message, token)
            if answer.body.get("errcode") in BAD_TOKEN:
                token = await self._token(refused=token)
                answer = await self._post(message, token)
        except _NoToken as problem:
            return Rejected(f"wechat:token:{problem}", final=False, about=problem.about)
        except TokenStoreUnavailable:  # before the call, or between a refused one and its repeat
            return Rejected("wechat:token:store-away", final=False, about=About.UNCLEAR)
        except NotSent as problem:
            return Rejected(f"wechat:{problem}", final=False, about=About.UNCLEAR)
        except NoAnswer as problem:
            return Unknown(f"wechat:{problem}")
        return _outcome(answer, self._clock())

    async def _post(self, message: Outgoing, token: str) -> Answer:
        request = self._client.build_request(
            "POST",
            f"{self._account.base_url}/cgi-bin/message/template/send",
            params={"access_token": token},
            json={
                "touser": message.recipient,
                "template_id": message.provider_template,
                "client_msg_id": message.message_id,
                "data": {name: {"value": text} for name, text in message.params.items()},
            },
        )
        return await ask(self._client, request)

    def _usable(self, token: Token | None, refused: str | None) -> TypeGuard[Token]:
        return token is not None and token.value != refused and token.expires_at > self._clock()

    async def _token(self, *, refused: str | None) -> str:
        """A token that is not the refused one; among all workers only one requests it.

        The store is not read before each message: a token that WeChat has replaced meanwhile is
        noticed when WeChat refuses it.
        """
        if self._usable(self._remembered, refused):
            return self._remembered.value
        self._remembered = token = await self._stored(refused) or await self._renewed(refused)
        return token.value

    async def _stored(self, refused: str | None) -> Token | None:
        known = await self._tokens.get(self._account.appid)
        return known if self._usable(known, refused) else None

    async def _renewed(self, refused: str | None) -> Token:
        """A new token, requested by the worker that holds the lock. A worker that waited for the
        lock finds the token in the store, or learns at once that there is none."""
        async with self._tokens.lock(self._account.appid):
            known = await self._stored(refused)
            if known is not None:
                return known
            if self._clock() < self._refused_until:
                raise _NoToken(str(self._refusal), self._refusal.about)
            try:
                fresh = await self._fetch()
            except _NoToken as problem:
                self._refusal = problem
                self._refused_until = self._clock() + NO_TOKEN_FOR
                raise
            await self._tokens.put(self._account.appid, fresh)
        return fresh

    async def _fetch(self) -> Token:
        """Request a stable token, which WeChat itself renews 5 minutes before its end."""
        requested_at = self._clock()
        request = self._client.build_request(
            "POST",
            f"{self._account.base_url}/cgi-bin/stable_token",
            json={
                "grant_type": "client_credential",
                "appid": self._account.appid,
                "secret": self._account.secret,
                "force_refresh": False,
            },
        )
        try:
            answer = await ask(self._client, request)
        except (NotSent, NoAnswer) as problem:
            raise _NoToken(str(problem), About.UNCLEAR) from None
        value, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
        if not isinstance(value, str) or not isinstance(seconds, int) or seconds < 1:
            code = answer.body.get("errcode")
            is_clear = isinstance(code, int) and code not in BUSY
            raise _NoToken(str(code), About.ACCOUNT if is_clear else About.UNCLEAR)
        return Token(value, requested_at + timedelta(seconds=min(seconds, LONGEST_TOKEN)))
