"""Each provider over loopback against the sandbox: what it sends, and what it makes of faults."""

import asyncio
import logging
import socket
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from outreach_service.domain.messages import (
    About,
    Accepted,
    Outcome,
    Rejected,
    Unknown,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import Token
from outreach_service.providers.console import SENDING_IS_OFF, ConsoleProvider
from outreach_service.providers.wechat import WeChat, WeChatAccount
from rapport_devkit.sandbox import credentials
from tests.support.doubles.log_lines import captured_lines
from tests.support.doubles.memory_tokens import MemoryTokens
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.servers.sandbox import Sandbox
from tests.support.servers.sandbox_providers import (
    CHANNELS,
    HURRY,
    OPENID,
    RECIPIENTS,
    SandboxProviders,
    a_message,
    arrived,
    now,
    send,
    with_providers,
)

pytestmark = pytest.mark.integration


RECEIVED = RECIPIENTS | {Channel.SMS: "8613800138000"}
"""To whom each provider delivers, as it writes it."""


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_message_arrives_once_and_whole(sandbox: Sandbox, channel: Channel) -> None:
    message = a_message(channel)
    outcome = send(sandbox, message)

    assert isinstance(outcome, Accepted)
    (delivery,) = arrived(sandbox, message)
    assert delivery["provider_ref"] in outcome.provider_ref
    assert delivery["recipient"] == RECEIVED[channel]
    assert delivery["params"] == dict(message.params)
    if channel is Channel.EMAIL:
        assert delivery["subject"] == message.subject
        assert delivery["body"] == message.body
        assert delivery["headers"]["List-Unsubscribe"] == f"<{message.unsubscribe_url}>"


FAULTS = [
    ("timeout", Unknown, 0),
    ("drop_response", Unknown, 1),
    ("reject", Rejected, 0),
    ("rate_limit", Rejected, 0),
]
"""Kind, what every channel must make of it, and how often the message arrived."""


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("kind", "outcome", "deliveries"), FAULTS)
def test_faults(
    sandbox: Sandbox, channel: Channel, kind: str, outcome: type, deliveries: int
) -> None:
    message = a_message(channel)
    sandbox.fault(channel, kind, hold_seconds=2 * HURRY)
    found = send(sandbox, message, patience=HURRY)

    if (channel, kind) == (Channel.WECHAT, "rate_limit"):
        assert found == Unknown("wechat:45011")  # WeChat may have sent it: as good as busy
    else:
        assert isinstance(found, outcome)
    if isinstance(found, Rejected):
        assert found.final == (kind == "reject")
    assert len(arrived(sandbox, message)) == deliveries


@pytest.mark.parametrize("channel", [Channel.WECHAT, Channel.SMS])
def test_a_gateways_error_says_nothing_of_the_message(sandbox: Sandbox, channel: Channel) -> None:
    sandbox.fault(channel, "5xx")

    assert send(sandbox, a_message(channel)) == Unknown(f"{channel}:HTTP 503")


def test_a_relay_that_is_out_of_order_ends_no_message(sandbox: Sandbox) -> None:
    sandbox.fault("email", "5xx")

    assert send(sandbox, a_message(Channel.EMAIL)) == Rejected(
        "email:554 5.3.0", final=False, about=About.UNCLEAR
    )


@pytest.mark.parametrize("channel", CHANNELS)
def test_nobody_there_means_nothing_was_sent(sandbox: Sandbox, channel: Channel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = {"url": f"http://127.0.0.1:{port}", "smtp_port": port}
    outcome = send(sandbox, a_message(channel), **nowhere)

    assert isinstance(outcome, Rejected)
    assert not outcome.final


def test_wechat_drops_a_repeat_after_a_lost_answer(sandbox: Sandbox) -> None:
    message = a_message(Channel.WECHAT)
    sandbox.fault("wechat", "drop_response")

    assert isinstance(send(sandbox, message), Unknown)
    assert isinstance(send(sandbox, message), Accepted)
    assert len(arrived(sandbox, message)) == 1


def test_sms_does_not_which_is_why_nobody_repeats_it(sandbox: Sandbox) -> None:
    message = a_message(Channel.SMS)
    sandbox.fault("sms", "drop_response")

    assert isinstance(send(sandbox, message), Unknown)
    assert isinstance(send(sandbox, message), Accepted)
    assert len(arrived(sandbox, message)) == 2


def test_a_revoked_token_is_fetched_again_once(sandbox: Sandbox) -> None:
    sandbox.fault("wechat", "token_expired")
    once = a_message(Channel.WECHAT)
    assert isinstance(send(sandbox, once), Accepted)

    sandbox.fault("wechat", "token_expired", count=2)
    twice = a_message(Channel.WECHAT)
    assert send(sandbox, twice) == Rejected("wechat:42001", final=False, about=About.ACCOUNT)
    assert (len(arrived(sandbox, once)), len(arrived(sandbox, twice))) == (1, 0)


class CountingTokens(MemoryTokens):
    """Counts the tokens that were fetched, and the reads of the store."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0
        self.reads = 0

    async def get(self, account: str) -> Token | None:
        self.reads += 1
        return await super().get(account)

    async def put(self, account: str, token: Token) -> None:
        self.fetched += 1
        await super().put(account, token)


def test_many_senders_fetch_one_token(sandbox: Sandbox) -> None:
    tokens = CountingTokens()
    messages = [a_message(Channel.WECHAT) for _ in range(30)]

    async def work(providers: SandboxProviders) -> list[Outcome]:
        stale = Token("stale", now() + timedelta(hours=1))
        await MemoryTokens.put(tokens, credentials.WECHAT_APPID, stale)
        return await asyncio.gather(*(providers.wechat().send(each) for each in messages))

    outcomes = with_providers(sandbox, work, tokens=tokens)

    assert [outcome for outcome in outcomes if not isinstance(outcome, Accepted)] == []
    assert tokens.fetched == 1


def test_the_store_is_not_asked_again_for_a_token_that_works(sandbox: Sandbox) -> None:
    """Nor does a sender insist on one that another worker has replaced."""
    tokens = CountingTokens()

    async def work(providers: SandboxProviders) -> tuple[list[Outcome], int]:
        provider = providers.wechat()
        first = await provider.send(a_message(Channel.WECHAT))
        reads = tokens.reads
        second = await provider.send(a_message(Channel.WECHAT))
        again = tokens.reads - reads
        sandbox.fault("wechat", "token_expired")
        third = await provider.send(a_message(Channel.WECHAT))
        return [first, second, third], again

    outcomes, again = with_providers(sandbox, work, tokens=tokens)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 3
    assert (again, tokens.fetched) == (0, 2)


def test_no_token_means_nothing_was_sent(sandbox: Sandbox) -> None:
    async def work(providers: SandboxProviders) -> Outcome:
        account = WeChatAccount(providers.url, credentials.WECHAT_APPID, "wrong")
        provider = WeChat(providers.client, account, providers.tokens, now)
        return await provider.send(a_message(Channel.WECHAT))

    assert with_providers(sandbox, work) == Rejected(
        "wechat:token:40125", final=False, about=About.ACCOUNT
    )


@pytest.mark.parametrize("purpose", Purpose)
def test_mail_of_every_purpose_can_be_left_with_one_click(
    sandbox: Sandbox, purpose: Purpose
) -> None:
    url = "https://rapport.invalid/u/0f0f"
    message = a_message(Channel.EMAIL, purpose=purpose, unsubscribe_url=url)
    assert isinstance(send(sandbox, message), Accepted)

    headers = arrived(sandbox, message)[0]["headers"]
    assert headers["List-Unsubscribe"] == f"<{url}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    without = replace(message, unsubscribe_url=None)
    assert send(sandbox, without) == Rejected("email:no-unsubscribe-url", final=True)


def test_marketing_never_reaches_wechat(sandbox: Sandbox) -> None:
    message = a_message(Channel.WECHAT, purpose=Purpose.MARKETING)

    assert isinstance(send(sandbox, message), Rejected)
    assert arrived(sandbox, message) == []


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        pytest.param({"subject": "Hello\r\nBcc: canary@example.net"}, About.MESSAGE, id="subject"),
        pytest.param(
            {"recipient": "a@example.net\r\nBcc: canary@example.net"}, About.PERSON, id="recipient"
        ),
    ],
)
def test_no_header_is_smuggled_in(sandbox: Sandbox, changes: dict[str, Any], about: About) -> None:
    message = a_message(Channel.EMAIL, **changes)

    assert send(sandbox, message) == Rejected("email:malformed", final=True, about=about)
    assert arrived(sandbox, message) == []


def test_logs_hold_no_token_number_or_text(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for channel in CHANNELS:
        send(sandbox, a_message(channel))
    with captured_lines() as lines:
        asyncio.run(ConsoleProvider().send(a_message(Channel.SMS)))

    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    told += str(lines)
    assert lines
    for canary in ("13800138000", "access_token", "canary@", OPENID, "林", "感谢"):
        assert canary not in told


def test_nothing_is_sent_while_sending_is_off() -> None:
    message = a_message(Channel.SMS)

    with captured_lines() as lines:
        outcome = asyncio.run(ConsoleProvider().send(message))
    assert outcome == Rejected(SENDING_IS_OFF, final=True)
    assert lines == [
        {
            "event": "message_withheld",
            "message_id": message.message_id,
            "channel": "sms",
            "purpose": str(message.purpose),
            "log_level": "info",
        }
    ]


def test_the_double_keeps_what_it_is_given_and_says_what_it_was_told() -> None:
    double = RecordingProvider([Unknown("lost")])
    messages = [a_message(Channel.SMS), a_message(Channel.EMAIL)]
    outcomes = [asyncio.run(double.send(message)) for message in messages]

    assert outcomes == [Unknown("lost"), Accepted("recorded-2")]
    assert double.sent == messages


def test_many_mails_at_once_all_arrive_once(sandbox: Sandbox) -> None:
    messages = [a_message(Channel.EMAIL) for _ in range(40)]

    async def work(providers: SandboxProviders) -> list[Outcome]:
        provider = providers.email()
        return await asyncio.gather(*(provider.send(each) for each in messages))

    outcomes = with_providers(sandbox, work)
    found = Counter(each["message_id"] for each in sandbox.deliveries())

    assert Counter(type(outcome) for outcome in outcomes) == {Accepted: 40}
    assert {found[each.message_id] for each in messages} == {1}
    counted = httpx.get(f"{sandbox.http_url}/deliveries/count").json()
    assert counted["total"] == len(sandbox.deliveries())
