"""Where messages go: numbers keep their country, addresses and headers stand readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_service.contacts import normalise
from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.messages import About, Accepted, Rejected
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.providers import smtp
from outreach_service.unsubscribe import unsubscribe_key, unsubscribe_url
from tests.support.servers.sandbox import Sandbox
from tests.support.servers.sandbox_providers import (
    a_message,
    arrived,
    now,
    send,
    with_providers,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("letters", [1, 36, 37, 150, 700, 859])
def test_a_long_way_out_stands_readable_on_the_wire(sandbox: Sandbox, letters: int) -> None:
    """The sandbox shows the header as its raw bytes have it, and refuses one that is encoded."""
    url = "https://rapport.invalid/v1/unsubscribe/" + "A" * letters
    message = a_message(Channel.EMAIL, purpose=Purpose.MARKETING, unsubscribe_url=url)
    assert isinstance(send(sandbox, message), Accepted)
    assert arrived(sandbox, message)[0]["headers"]["List-Unsubscribe"] == f"<{url}>"


@given(letters=st.integers(1, 859), name=st.text(max_size=60), subject=st.text(max_size=150))
def test_a_way_out_of_any_length_stands_whole_in_one_line_of_the_raw_bytes(
    letters: int, name: str, subject: str
) -> None:
    """As a mail program reads it, without knowing of Python's folding."""
    url = "https://rapport.invalid/v1/unsubscribe/" + "A" * letters
    message = a_message(
        Channel.EMAIL, unsubscribe_url=url, subject=" ".join(subject.split()), body=name
    )
    account = smtp.SmtpAccount("relay", 25, "care@harbour.example", "海港")
    raw = smtp._composed(message, smtp._address(message.recipient), account, now())
    head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert f"List-Unsubscribe: <{url}>".encode() in head
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


def test_the_longest_way_out_that_we_make_fits_into_a_header() -> None:
    """An address of 200 characters, and the longest ids that the tables of contracts allow."""
    key = unsubscribe_key("aW5kZXgtaW5kZXgtaW5kZXgtaW5kZXgtaW5kZXgtMTI=")
    longest = WayOut(Subscription("p" * 64, "c" * 64, Channel.EMAIL, Purpose.MARKETING), "a" * 64)
    url = unsubscribe_url(f"https://{'x' * 184}.example", key, longest)
    assert smtp._one_click(url).startswith(b"List-Unsubscribe: <https://")


def test_the_sandbox_refuses_a_way_out_that_nobody_can_read(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As EmailMessage folds it: an encoded word."""
    monkeypatch.setattr(smtp, "_one_click", lambda _: b"List-Unsubscribe: =?utf-8?q?=3Ch?=\r\n")
    message = a_message(Channel.EMAIL, purpose=Purpose.MARKETING, unsubscribe_url="x")
    assert send(sandbox, message) == Rejected("email:554 5.6.0", final=True)
    assert arrived(sandbox, message) == []


def test_an_address_of_another_script_goes_in_its_ascii_form(sandbox: Sandbox) -> None:
    message = a_message(Channel.EMAIL, recipient=normalise(Channel.EMAIL, "x@例え.jp"))
    assert isinstance(send(sandbox, message), Accepted)
    (delivery,) = arrived(sandbox, message)
    assert delivery["recipient"] == delivery["headers"]["To"] == "x@xn--r8jz45g.jp"
    assert delivery["headers"]["From"] == "海港 <hello@harbour.example.net>"


@pytest.mark.parametrize("recipient", ["x@例え.jp", "=?utf-8?q?x?=@example.net"])
def test_an_address_that_not_every_relay_takes_goes_to_none(
    sandbox: Sandbox, recipient: str
) -> None:
    message = a_message(Channel.EMAIL, recipient=recipient)
    assert send(sandbox, message) == Rejected("email:malformed", final=True, about=About.PERSON)
    assert arrived(sandbox, message) == []


@pytest.mark.parametrize("number", ["+13862581234", "+14155552671", "+4915123456789"])
@pytest.mark.parametrize("serves", [{"CN"}, {"CN", "US"}])
def test_a_number_abroad_is_never_sent_as_one_of_the_mainland(
    sandbox: Sandbox, number: str, serves: set[str]
) -> None:
    """A national number of the mainland and one of North America look the same there."""
    message = a_message(Channel.SMS, recipient=number)
    outcome = with_providers(
        sandbox, lambda providers: providers.sms(frozenset(serves)).send(message)
    )
    assert isinstance(outcome, Rejected)
    assert outcome.about is About.PERSON
    assert outcome.code.startswith("sms:country-not-served:")
    assert arrived(sandbox, message) == []


def test_a_country_that_the_account_serves_gets_its_number_whole(sandbox: Sandbox) -> None:
    message = a_message(Channel.SMS, recipient="+85261234567")
    work = frozenset({"CN", "HK"})
    outcome = with_providers(sandbox, lambda providers: providers.sms(work).send(message))
    assert isinstance(outcome, Accepted)
    assert arrived(sandbox, message)[0]["recipient"] == "85261234567"
