"""Unclear answers of providers: what may have been sent never counts as unsent."""

import asyncio
import socketserver
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest

from outreach_service.domain.messages import (
    About,
    Accepted,
    Outcome,
    Outgoing,
    Rejected,
    Unknown,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.providers.acs3 import AccessKey
from outreach_service.providers.aliyun_sms import AliyunAccount, AliyunSms
from outreach_service.providers.smtp import Smtp, SmtpAccount
from outreach_service.providers.wechat import NO_TOKEN_FOR, WeChat, WeChatAccount
from tests.support.doubles.memory_tokens import MemoryTokens

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_message(channel: Channel, recipient: str) -> Outgoing:
    return Outgoing(
        message_id="0" * 32,
        channel=channel,
        purpose=Purpose.CARE,
        recipient=recipient,
        body="Hello",
        subject="Hello",
        provider_template="SMS_100001",
        unsubscribe_url="https://harbour.example/u/1",
    )


def by_sms(status: int, body: dict[str, Any], **headers: str) -> Outcome:
    """The outcome that we read from Alibaba Cloud's answer."""
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}

    async def send() -> Outcome:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers=sent))
        async with httpx.AsyncClient(transport=transport) as client:
            account = AliyunAccount("http://sms.test", AccessKey("id", "secret"), "Harbour")
            sms = AliyunSms(client, account, lambda: NOON)
            return await sms.send(a_message(Channel.SMS, "+8613800138000"))

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        pytest.param(
            400,
            {"Code": "SignatureNonceUsed"},
            Unknown("sms:SignatureNonceUsed"),
            id="this call was seen before, so something on its way has repeated it",
        ),
        pytest.param(200, {}, Unknown("sms:HTTP 200"), id="no code"),
        pytest.param(403, {"error": "no"}, Unknown("sms:HTTP 403"), id="somebody else's answer"),
        pytest.param(200, {"Code": None}, Unknown("sms:HTTP 200"), id="no code at all"),
        pytest.param(
            429,
            {},
            Rejected("sms:HTTP 429", final=False, retry_after=1.0, about=About.ACCOUNT),
            id="not let in",
        ),
        pytest.param(
            400,
            {"Code": "isv.X"},
            Rejected("sms:isv.X", final=False, about=About.UNCLEAR),
            id="refused, nobody knows why",
        ),
    ],
)
def test_an_sms_answer(status: int, body: dict[str, Any], outcome: Outcome) -> None:
    assert by_sms(status, body) == outcome


@pytest.mark.parametrize(
    ("header", "wait"), [("9" * 400, 86_400.0), ("²", 1.0), ("-1", 1.0), ("120", 120.0)]
)
def test_no_wait_is_longer_than_a_day_or_no_number(header: str, wait: float) -> None:
    outcome = by_sms(429, {"Code": "Throttling"}, retry_after=header)
    throttled = Rejected("sms:Throttling", final=False, retry_after=wait, about=About.ACCOUNT)
    assert outcome == throttled


@pytest.mark.parametrize("seconds", [10**12, 0, -1, "soon"])
def test_no_lifetime_of_a_token_ends_more_than_its_use(seconds: object) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("stable_token"):
            return httpx.Response(200, json={"access_token": "t", "expires_in": seconds})
        return httpx.Response(200, json={"errcode": 0, "msgid": 7})

    async def send() -> Outcome:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            account = WeChatAccount("http://wechat.test", "wx1", "secret")
            wechat = WeChat(client, account, MemoryTokens(), lambda: NOON)
            return await wechat.send(a_message(Channel.WECHAT, "openid-0000000000000000000001"))

    outcome = asyncio.run(send())
    assert outcome == (
        Accepted("7")
        if seconds == 10**12
        else Rejected("wechat:token:None", final=False, about=About.UNCLEAR)
    )


class Relay(socketserver.StreamRequestHandler):
    """A relay that offers no extension; it answers MAIL with `sender` and DATA with `last`."""

    sender, last = b"250 fine\r\n", b"250 taken\r\n"
    commands: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 relay\r\n")
        while line := self.rfile.readline():
            self.commands.append(line[:4].upper())
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
                self.wfile.write(self.last)
            elif line.upper().startswith(b"MAIL"):
                self.wfile.write(self.sender)
            else:
                self.wfile.write(b"250 relay\r\n")


def by_email(relay: type[Relay], **account: Any) -> Outcome:
    """The outcome that we read from a relay's answers."""
    with socketserver.TCPServer(("127.0.0.1", 0), relay) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        known = SmtpAccount("127.0.0.1", server.server_address[1], "a@b.example", **account)
        smtp = Smtp(replace(known, timeout_seconds=5), lambda: NOON)
        outcome = asyncio.run(smtp.send(a_message(Channel.EMAIL, "a@b.example")))
        thread.join()
    return outcome


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        pytest.param(b"250 \xc4\xe3\xba\xc3\r\n", Accepted, id="taken, in another encoding"),
        pytest.param(b"hello there\r\n", Unknown, id="no SMTP"),
        pytest.param(b"x" * 5_000 + b"\r\n", Unknown, id="no SMTP, and long"),
        pytest.param(b"251 passed on\r\n", Unknown, id="a yes that nobody expects"),
        pytest.param(b"451 later\r\n", Rejected, id="not now"),
        pytest.param(b"554 no\r\n", Rejected, id="no"),
    ],
)
def test_an_answer_to_the_whole_message(last: bytes, outcome: type[Outcome]) -> None:
    assert isinstance(by_email(type("Saying", (Relay,), {"last": last})), outcome)


@pytest.mark.parametrize("sender", [b"530 log in first\r\n", b"550 not you\r\n"])
def test_what_a_relay_has_against_our_account_ends_no_message(sender: bytes) -> None:
    outcome = by_email(type("Refusing", (Relay,), {"sender": sender}))
    assert isinstance(outcome, Rejected)
    assert (outcome.final, outcome.about) == (False, About.ACCOUNT)


def test_a_relay_without_tls_gets_nothing_where_tls_is_asked_for() -> None:
    commands: list[bytes] = []
    outcome = by_email(type("Plain", (Relay,), {"commands": commands}), start_tls=True)
    assert isinstance(outcome, Rejected)
    assert not outcome.final
    assert commands
    assert b"MAIL" not in commands


def test_a_token_that_was_not_given_is_not_asked_for_again_for_a_while() -> None:
    """Of many messages at once one waits for WeChat's refusal; the others reuse it."""
    requested_at: list[datetime] = []
    clock = [NOON]

    def refuse(_request: httpx.Request) -> httpx.Response:
        requested_at.append(clock[0])
        return httpx.Response(200, json={"errcode": 40125})

    async def send(count: int, wechat: Callable[[httpx.AsyncClient], WeChat]) -> list[Outcome]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
            provider = wechat(client)
            first = await asyncio.gather(*(provider.send(message) for _ in range(count)))
            clock[0] += NO_TOKEN_FOR + timedelta(seconds=1)
            return [*first, await provider.send(message)]

    message = a_message(Channel.WECHAT, "openid-0000000000000000000001")
    account = WeChatAccount("http://wechat.test", "wx1", "secret")
    outcomes = asyncio.run(
        send(20, lambda client: WeChat(client, account, MemoryTokens(), lambda: clock[0]))
    )
    refused = Rejected("wechat:token:40125", final=False, about=About.ACCOUNT)
    assert set(outcomes) == {refused}
    assert requested_at == [NOON, NOON + NO_TOKEN_FOR + timedelta(seconds=1)]
