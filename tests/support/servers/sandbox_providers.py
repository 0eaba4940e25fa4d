"""The providers as one test uses them: against the sandbox, over one HTTP client."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from outreach_service.domain.messages import Outcome, Outgoing
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import Provider
from outreach_service.providers.acs3 import AccessKey
from outreach_service.providers.aliyun_sms import AliyunAccount, AliyunSms
from outreach_service.providers.smtp import Smtp, SmtpAccount
from outreach_service.providers.web import Timeouts, http_client
from outreach_service.providers.wechat import WeChat, WeChatAccount
from rapport_devkit.sandbox import credentials
from tests.support.doubles.memory_tokens import MemoryTokens
from tests.support.servers.sandbox import Sandbox

T = TypeVar("T")

PATIENCE = 15.0
HURRY = 1.0
"""Seconds to wait for an answer: the usual limit, and the limit where the test lets none come."""
CHANNELS = [Channel.WECHAT, Channel.SMS, Channel.EMAIL]
OPENID = "oABCD-efgh_0123456789abcdefg"
RECIPIENTS = {
    Channel.WECHAT: OPENID,
    Channel.SMS: "+8613800138000",
    Channel.EMAIL: "canary@example.net",
}
TEMPLATES = {Channel.WECHAT: "RapportWelcomeZh", Channel.SMS: "SMS_100001", Channel.EMAIL: ""}
PARAMS = {
    Channel.WECHAT: {"thing1": "林小满", "thing2": "海港", "thing3": "感谢您的到来"},
    Channel.SMS: {"name": "林 小满&=+~*'()"},
    Channel.EMAIL: {},
}
WAY_OUT = "https://rapport.invalid/u/0f0f"


def now() -> datetime:
    return datetime.now(UTC)


def a_message(channel: Channel, **changes: Any) -> Outgoing:
    known = Outgoing(
        message_id=secrets.token_hex(16),
        channel=channel,
        purpose=Purpose.CARE,
        recipient=RECIPIENTS[channel],
        subject="感谢您的到来",
        body="林小满，您好：\n.\n感谢您的到来。\n",
        provider_template=TEMPLATES[channel],
        params=PARAMS[channel],
        unsubscribe_url=WAY_OUT if channel is Channel.EMAIL else None,
    )
    return replace(known, **changes)


@dataclass(frozen=True)
class SandboxProviders:
    """The providers of one test, sharing one HTTP client."""

    client: httpx.AsyncClient
    url: str
    smtp_port: int
    tokens: MemoryTokens
    clock: Callable[[], datetime] = now
    patience: float = PATIENCE

    def wechat(self) -> WeChat:
        account = WeChatAccount(self.url, credentials.WECHAT_APPID, credentials.WECHAT_SECRET)
        return WeChat(self.client, account, self.tokens, self.clock)

    def sms(self, serves: frozenset[str] = frozenset({"CN"})) -> AliyunSms:
        key = AccessKey(credentials.ALIYUN_KEY_ID, credentials.ALIYUN_KEY_SECRET)
        account = AliyunAccount(self.url, key, credentials.ALIYUN_SIGN_NAME, serves)
        return AliyunSms(self.client, account, self.clock)

    def email(self) -> Smtp:
        account = SmtpAccount(
            host="127.0.0.1",
            port=self.smtp_port,
            sender_address="hello@harbour.example.net",
            sender_name="海港",
            timeout_seconds=self.patience,
        )
        return Smtp(account, self.clock)

    def provider(self, channel: Channel) -> Provider:
        makers: dict[Channel, Callable[[], Provider]] = {
            Channel.WECHAT: self.wechat,
            Channel.SMS: self.sms,
            Channel.EMAIL: self.email,
        }
        return makers[channel]()


def with_providers(
    sandbox: Sandbox, work: Callable[[SandboxProviders], Awaitable[T]], **more: Any
) -> T:
    async def run() -> T:
        patience = more.get("patience", PATIENCE)
        async with http_client(Timeouts(connect=patience, answer=patience)) as client:
            providers = SandboxProviders(
                client, sandbox.http_url, sandbox.smtp_port, MemoryTokens()
            )
            return await work(replace(providers, **more))

    return asyncio.run(run())


def send(sandbox: Sandbox, message: Outgoing, **more: Any) -> Outcome:
    return with_providers(
        sandbox, lambda providers: providers.provider(message.channel).send(message), **more
    )


def arrived(sandbox: Sandbox, message: Outgoing) -> list[dict[str, Any]]:
    return [each for each in sandbox.deliveries() if each["message_id"] == message.message_id]
