"""The provider sandbox checks what it is sent: signatures, templates, numbers, rates."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from outreach_service.domain.messages import (
    About,
    Accepted,
    Outcome,
    Rejected,
)
from outreach_service.domain.terms import Channel
from outreach_service.providers.acs3 import AccessKey
from outreach_service.providers.aliyun_sms import AliyunAccount, AliyunSms
from rapport_devkit.sandbox import credentials
from tests.support.servers.sandbox import Sandbox
from tests.support.servers.sandbox_providers import (
    SandboxProviders,
    a_message,
    now,
    send,
    with_providers,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("key_id", "secret", "code"),
    [
        pytest.param(credentials.ALIYUN_KEY_ID, "wrong", "SignatureDoesNotMatch", id="secret"),
        pytest.param("nobody", "wrong", "InvalidAccessKeyId.NotFound", id="key id"),
    ],
)
def test_a_wrong_signature_is_refused(
    sandbox: Sandbox, key_id: str, secret: str, code: str
) -> None:
    async def work(providers: SandboxProviders) -> Outcome:
        account = AliyunAccount(
            providers.url, AccessKey(key_id, secret), credentials.ALIYUN_SIGN_NAME
        )
        return await AliyunSms(providers.client, account, now).send(a_message(Channel.SMS))

    assert with_providers(sandbox, work) == Rejected(
        f"sms:{code}", final=False, retry_after=60, about=About.ACCOUNT
    )


def test_an_old_signature_is_refused(sandbox: Sandbox) -> None:
    outcome = send(sandbox, a_message(Channel.SMS), clock=lambda: now() - timedelta(hours=1))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "sms:InvalidTimeStamp.Expired"


@pytest.mark.parametrize(
    ("changes", "code", "about"),
    [
        pytest.param(
            {"provider_template": "SMS_9"},
            "isv.SMS_TEMPLATE_ILLEGAL",
            About.UNCLEAR,
            id="template",
        ),
        pytest.param(
            {"params": {}}, "isv.TEMPLATE_MISSING_PARAMETERS", About.UNCLEAR, id="parameter"
        ),
        pytest.param(
            {"recipient": "+862112345"}, "isv.MOBILE_NUMBER_ILLEGAL", About.PERSON, id="number"
        ),
    ],
)
def test_the_sms_sandbox_checks_what_it_is_sent(
    sandbox: Sandbox, changes: dict[str, Any], code: str, about: About
) -> None:
    outcome = send(sandbox, a_message(Channel.SMS, **changes))

    assert outcome == Rejected(f"sms:{code}", final=about is About.PERSON, about=about)


def test_faults_by_chance_repeat_by_seed(sandbox: Sandbox) -> None:
    def run() -> list[bool]:
        sandbox.fault("sms", "reject", ratio=0.5, seed=7)

        async def work(providers: SandboxProviders) -> list[Outcome]:
            numbers = (f"+86138001380{n:02}" for n in range(12))
            return [
                await providers.sms().send(a_message(Channel.SMS, recipient=n)) for n in numbers
            ]

        outcomes = with_providers(sandbox, work)
        sandbox.heal()
        return [isinstance(outcome, Accepted) for outcome in outcomes]

    first = run()
    assert run() == first
    assert len(set(first)) == 2


def test_the_sandbox_limits_a_number_and_a_rate(sandbox: Sandbox, tmp_path: Any) -> None:
    slow = Sandbox.start(tmp_path / "slow.jsonl", "--per-second", "5")
    try:
        messages = [a_message(Channel.SMS) for _ in range(60)]

        async def work(providers: SandboxProviders) -> list[Outcome]:
            return [await providers.sms().send(each) for each in messages]

        paced = Counter(getattr(o, "code", "ok") for o in with_providers(slow, work))
        limited = Counter(
            getattr(o, "code", "ok")
            for o in with_providers(
                sandbox,
                lambda providers: asyncio.gather(
                    *(
                        providers.sms().send(replace(each, recipient="+8613900139000"))
                        for each in messages
                    )
                ),
            )
        )
    finally:
        assert slow.stop() == 0

    assert paced["sms:Throttling.User"] > 0
    assert 5 <= paced["ok"] < 60
    assert limited == {"ok": 50, "sms:isv.BUSINESS_LIMIT_CONTROL": 10}
