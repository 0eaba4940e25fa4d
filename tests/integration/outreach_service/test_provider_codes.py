"""What providers' codes speak of: the message, the person, the account, or nobody can tell."""

from datetime import UTC, datetime

import pytest

from outreach_service.domain.messages import About, Outcome, Rejected, Unknown
from outreach_service.domain.terms import Channel
from tests.support.servers.sandbox import Sandbox
from tests.support.servers.sandbox_providers import a_message, send

pytestmark = pytest.mark.integration


def a_person(code: str) -> Rejected:
    """Nothing arrives at this contact any more."""
    return Rejected(code, final=True, about=About.PERSON)


def an_account(code: str, seconds: float) -> Rejected:
    """The account is refused; the next try is after so many seconds."""
    return Rejected(code, final=False, retry_after=seconds, about=About.ACCOUNT)


def unclear(code: str) -> Rejected:
    """Not the message's fault, as far as anybody can tell."""
    return Rejected(code, final=False, about=About.UNCLEAR)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        pytest.param("40003", a_person("wechat:40003"), id="unknown person"),
        pytest.param("43004", a_person("wechat:43004"), id="does not follow"),
        pytest.param("43019", a_person("wechat:43019"), id="has blocked us"),
        pytest.param("43101", a_person("wechat:43101"), id="refuses us"),
        pytest.param("48002", a_person("wechat:48002"), id="refuses messages"),
        pytest.param("45002", Rejected("wechat:45002", final=True), id="a value is too long"),
        pytest.param("40037", unclear("wechat:40037"), id="the template is gone"),
        pytest.param("47003", unclear("wechat:47003"), id="a wrong argument"),
        pytest.param("99999", unclear("wechat:99999"), id="new to us"),
        pytest.param("-1", Unknown("wechat:-1"), id="busy"),
        pytest.param(
            "43117", Rejected("wechat:43117", final=False, retry_after=21600), id="too often"
        ),
        pytest.param("48004", an_account("wechat:48004", 600), id="our account"),
        pytest.param("45009", an_account("wechat:45009", 3600), id="day's quota"),
    ],
)
def test_wechat_codes(sandbox: Sandbox, code: str, outcome: Outcome) -> None:
    sandbox.fault("wechat", "reject", code=code)
    eleven_in_shanghai = datetime(2026, 3, 3, 15, tzinfo=UTC)

    assert send(sandbox, a_message(Channel.WECHAT), clock=lambda: eleven_in_shanghai) == outcome


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        pytest.param("isp.SYSTEM_ERROR", Unknown("sms:isp.SYSTEM_ERROR"), id="it does not know"),
        pytest.param(
            "isv.BUSINESS_LIMIT_CONTROL",
            Rejected("sms:isv.BUSINESS_LIMIT_CONTROL", final=False, retry_after=3600),
            id="too often",
        ),
        pytest.param(
            "isv.SMS_CONTENT_ILLEGAL",
            Rejected("sms:isv.SMS_CONTENT_ILLEGAL", final=True),
            id="the text",
        ),
        pytest.param(
            "isv.MOBILE_NUMBER_ILLEGAL", a_person("sms:isv.MOBILE_NUMBER_ILLEGAL"), id="the number"
        ),
        *(
            pytest.param(code, an_account(f"sms:{code}", seconds), id=code)
            for code, seconds in [
                ("SignatureDoesNotMatch", 60),
                ("InvalidAccessKeyId.NotFound", 60),
                ("isp.RAM_PERMISSION_DENY", 600),
                ("isv.SMS_SIGNATURE_ILLEGAL", 600),
                ("isv.ACCOUNT_ABNORMAL", 600),
                ("isv.DENY_IP_RANGE", 600),
                ("isv.OUT_OF_SERVICE", 3600),
                ("isv.AMOUNT_NOT_ENOUGH", 3600),
                ("isv.DAY_LIMIT_CONTROL", 3600),
            ]
        ),
        pytest.param(
            "isv.SMS_TEMPLATE_ILLEGAL", unclear("sms:isv.SMS_TEMPLATE_ILLEGAL"), id="the template"
        ),
        pytest.param("isv.NEW", unclear("sms:isv.NEW"), id="new to us"),
    ],
)
def test_sms_codes(sandbox: Sandbox, code: str, outcome: Outcome) -> None:
    sandbox.fault("sms", "reject", code=code)

    assert send(sandbox, a_message(Channel.SMS)) == outcome


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        pytest.param("550 5.1.1 no such user", a_person("email:550 5.1.1"), id="no mailbox"),
        pytest.param("550 5.1.10 null MX", a_person("email:550 5.1.10"), id="takes no mail"),
        pytest.param(
            "552 5.2.2 full",
            Rejected("email:552 5.2.2", final=True, retry_after=7 * 86_400, about=About.PERSON),
            id="full",
        ),
        pytest.param(
            "550 not here",
            Rejected("email:550", final=True, retry_after=30 * 86_400, about=About.PERSON),
            id="no more than the reply's number",
        ),
        pytest.param("550 5.7.1 blocked", unclear("email:550 5.7.1"), id="a rule against us"),
        pytest.param("554 who knows", unclear("email:554"), id="anything"),
        pytest.param("451 4.7.1 later", Rejected("email:451 4.7.1", final=False), id="not now"),
    ],
)
def test_what_a_relay_says_of_a_recipient(sandbox: Sandbox, reply: str, outcome: Outcome) -> None:
    sandbox.fault("email", "reject", code=reply)
    assert send(sandbox, a_message(Channel.EMAIL)) == outcome
