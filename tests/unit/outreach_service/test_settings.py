"""Settings with which nothing goes: links that lead nowhere, senders that tell too much."""

import base64
import re
from datetime import UTC, datetime

import pytest

from outreach_service.bootstrap import _smtp_account
from outreach_service.domain.messages import Outgoing
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.providers import smtp
from outreach_service.settings import OutreachSettings
from rapport_runtime.settings import SettingsError

KEY = base64.b64encode(bytes(32)).decode()
GIVEN = {
    "DATABASE_URL": "postgresql://outreach_worker:x@db/outreach?sslmode=verify-full",
    "KAFKA_BOOTSTRAP_SERVERS": "broker:9093",
    "KAFKA_SECURITY_PROTOCOL": "SSL",
    "CONTACT_KEYS": f'{{"k1": "{KEY}"}}',
    "CONTACT_ACTIVE_KEY": "k1",
    "CONTACT_INDEX_KEY": KEY,
    "SENDING": "on",
    "SMTP_HOST": "relay.example",
    "SMTP_SENDER": "care@practice.example",
    "PUBLIC_URL": "https://care.practice.example",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GIVEN.items():
        monkeypatch.setenv(f"RAPPORT_{name}", value)
    return monkeypatch


@pytest.mark.parametrize(
    "url",
    [
        "https://care.practice.example",
        "https://care.practice.example/",
        "https://care.practice.example:8443/rapport",
        "HTTPS://Care.Practice.Example",
        "https://xn--r8jz45g.jp",
        "https://[2a00:1450:4001:81b::200e]",
        "https://8.8.8.8",
    ],
)
def test_links_may_lead_to_an_address_of_the_world_by_https(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("RAPPORT_PUBLIC_URL", url)
    assert OutreachSettings.from_environment().public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://care.practice.example",
        "http://127.0.0.1:8000",
        "https://127.0.0.1:8003",
        "https://localhost",
        "https://outreach.localhost",
        "https://outreach",
        "https://outreach.internal.",
        "https://10.0.0.7",
        "https://192.168.1.7",
        "https://[::1]",
        "https://[fd00::7]",
        "https://0.0.0.0",
        "https://2130706433",
        "https://user:word@care.practice.example",
        "https://care.practice.example?next=1",
        "https://care.practice.example/#top",
        "https://care.practice.example/ x",
        "https://care.practice.example\r\nBcc: x",
        "https://例え.jp",
        "https://care.practice.example:99999",
        "https://",
        "care.practice.example",
        "",
        f"https://care.practice.example/{'x' * 200}",
    ],
)
def test_no_process_sends_with_a_way_out_that_leads_nowhere(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("RAPPORT_PUBLIC_URL", url)
    with pytest.raises(SettingsError, match=re.compile("PUBLIC_URL", re.IGNORECASE)):
        OutreachSettings.from_environment()


def test_without_an_address_of_its_own_no_process_sends(environment: pytest.MonkeyPatch) -> None:
    """The default is right for development alone."""
    environment.delenv("RAPPORT_PUBLIC_URL")
    with pytest.raises(SettingsError, match="RAPPORT_PUBLIC_URL"):
        OutreachSettings.from_environment()


@pytest.mark.parametrize("given", [{"SENDING": "off"}, {"ENVIRONMENT": "development"}])
def test_where_nothing_goes_to_people_any_address_will_do(
    environment: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    environment.setenv("RAPPORT_PUBLIC_URL", "http://127.0.0.1:8000")
    for name, value in given.items():
        environment.setenv(f"RAPPORT_{name}", value)
    assert OutreachSettings.from_environment().public_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_SENDER_NAME", "Lakeside Depression & Anxiety Counselling"),
        ("SMTP_SENDER", "care@depression-clinic.example"),
        ("SMTP_SENDER", "therapy@harbour.example"),
        ("ALIYUN_SIGN_NAME", "海港心理"),
        ("PUBLIC_URL", "https://anxiety.harbour.example"),
        ("PUBLIC_URL", "https://xn--15ty46b.example"),
        ("SMTP_SENDER", "care@心理.example"),
    ],
)
def test_no_process_sends_by_a_sender_that_tells_what_clients_come_for(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(f"RAPPORT_{name}", value)
    with pytest.raises(SettingsError, match=f"RAPPORT_{name} has .* what clients come for"):
        OutreachSettings.from_environment()
    environment.setenv("RAPPORT_SENDING", "off")
    assert OutreachSettings.from_environment()


def test_a_sender_of_another_script_stands_in_ascii_in_every_header(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("RAPPORT_SMTP_SENDER", "care@例え.JP")
    account = _smtp_account(OutreachSettings.from_environment())
    message = Outgoing(
        message_id="m",
        channel=Channel.EMAIL,
        purpose=Purpose.CARE,
        recipient="ada@example.net",
        body="Hello",
        subject="Hello",
        unsubscribe_url="https://care.practice.example/v1/unsubscribe/t",
    )
    at = datetime(2026, 3, 2, tzinfo=UTC)
    raw = smtp._composed(message, smtp._address(message.recipient), account, at)
    head = raw.decode("ascii").partition("\r\n\r\n")[0].split("\r\n")
    assert account.sender_address == "care@xn--r8jz45g.jp"
    assert {"From: care@xn--r8jz45g.jp", "Message-ID: <m@xn--r8jz45g.jp>"} <= set(head)
    assert not any("=?" in line for line in head)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_SENDER", "海港@harbour.example"),
        ("SMTP_SENDER", "=?utf-8?q?care?=@harbour.example"),
        ("SMTP_SENDER", "Harbour <care@harbour.example>"),
        ("SMTP_SENDER_NAME", "=?utf-8?q?c=75re?="),
        ("SMTP_SENDER_NAME", "The Harbour=?UTF-8?B?Y3VyZQ==?="),
        ("SMTP_SENDER_NAME", "Harbour\nBcc: x"),
    ],
)
def test_a_sender_that_reads_otherwise_elsewhere_is_refused_by_name(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(f"RAPPORT_{name}", value)
    with pytest.raises(SettingsError, match=f"RAPPORT_{name}") as refused:
        OutreachSettings.from_environment()
    assert value not in str(refused.value)
