"""E-mail by SMTP: plain text, one connection a message, the same Message-ID at each attempt."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from types import MappingProxyType

import aiosmtplib

from outreach_service.domain.messages import (
    About,
    Accepted,
    Outcome,
    Outgoing,
    Rejected,
    Unknown,
)


@dataclass(frozen=True)
class SmtpAccount:
    """The relay, the sender and the login. With `start_tls` a relay without TLS gets no message.

    `timeout_seconds` is for all that is agreed before the message, and again for the message.
    """

    host: str
    port: int
    sender_address: str
    sender_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    use_tls: bool = False
    start_tls: bool = False
    timeout_seconds: float = 30


_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
"""An address that stands whole within one line of a header (RFC 5322 allows 998 characters)."""


def _address(recipient: str) -> Address:
    """The recipient for the header. Raises ValueError for what is no ASCII address."""
    if not recipient.isascii():
        raise ValueError("not every relay takes it")
    return Address(addr_spec=recipient)


def _composed(message: Outgoing, to: Address, account: SmtpAccount, at: datetime) -> bytes:
    """The e-mail's bytes. Raises ValueError when a header would hold a line break.

    It is plain text, so that reading it loads nothing from outside (L19), and carries the one-click
    headers of RFC 8058 (L22).
    """
    mail = EmailMessage(policy=SMTP_POLICY)
    sender = Address(account.sender_name, addr_spec=account.sender_address)
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message.message_id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body, cte="base64")
    return _one_click(message.unsubscribe_url or "") + mail.as_bytes()


def _one_click(url: str) -> bytes:
    """The headers of the one-click way out, as they stand on the wire. EmailMessage would fold a
    long address as text, into encoded words in which no mail program finds it."""
    if not _URL.fullmatch(url):
        raise ValueError("no address that a header can hold")
    lines = f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return lines.encode("ascii")


_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_WEEK = 7 * 86_400.0
_MONTH = 30 * 86_400.0
_OF_THE_MAILBOX: Mapping[str, float | None] = MappingProxyType(
    {
        "5.1.1": None,  # no such mailbox
        "5.1.2": None,  # no such domain
        "5.1.3": None,
        "5.1.6": None,  # moved, without a new address
        "5.1.10": None,  # the domain takes no mail
        "5.2.1": _MONTH,  # switched off
        "5.2.2": _WEEK,  # full
    }
)
"""Enhanced codes (RFC 3463) that speak of the mailbox, and the seconds for which it rests; None is
for good."""

_MAILBOX_REPLIES = frozenset({550, 551, 553})
"""What RFC 5321 has for a mailbox in answer to RCPT; without an enhanced code it may be a rule of
the relay as well, so the address rests for a while."""


def _refused(answered: aiosmtplib.SMTPResponseException, *, of_recipient: bool) -> Rejected:
    """What a relay says to a recipient, or to the whole message: 4xx may be accepted later.

    A 5xx speaks of the mailbox, of the content (5.6), or of what nobody can tell: then the message
    waits, since a relay that refuses our account says the like to every message.
    """
    found = _ENHANCED.match(answered.message)
    enhanced = found.group() if found else ""
    code = f"email:{answered.code} {enhanced}".rstrip()
    if answered.code < 500:
        return Rejected(code, final=False)
    if enhanced in _OF_THE_MAILBOX:
        rests = _OF_THE_MAILBOX[enhanced]
        return Rejected(code, final=True, retry_after=rests, about=About.PERSON)
    if of_recipient and not enhanced and answered.code in _MAILBOX_REPLIES:
        return Rejected(code, final=True, retry_after=_MONTH, about=About.PERSON)
    if enhanced.startswith("5.6.") or enhanced == "5.3.4":
        return Rejected(code, final=True)
    return Rejected(code, final=False, about=About.UNCLEAR)


class Smtp:
    """Sends e-mail through one relay. `clock` returns the real time, aware, for the Date header."""

    def __init__(self, account: SmtpAccount, clock: Callable[[], datetime]) -> None:
        self._account = account
        self._clock = clock

    async def send(self, message: Outgoing) -> Outcome:
        """One SMTP transaction.

        Lost before DATA: nothing was sent. Lost after it: the relay may have it (RFC 1047).
        """
        if not message.unsubscribe_url:
            return Rejected("email:no-unsubscribe-url", final=True)
        try:
            to = _address(message.recipient)
        except ValueError:
            return Rejected("email:malformed", final=True, about=About.PERSON)
        try:
            raw = _composed(message, to, self._account, self._clock())
        except (ValueError, UnicodeError):
            return Rejected("email:malformed", final=True)
        client = aiosmtplib.SMTP(
            hostname=self._account.host,
            port=self._account.port,
            timeout=self._account.timeout_seconds,
            use_tls=self._account.use_tls,
            start_tls=self._account.start_tls,
            username=self._account.username,
            password=self._account.password,
        )
        try:
            refusal = await self._prepare(client, message)
            return refusal or await self._hand_over(client, raw)
        finally:
            client.close()

    async def _prepare(self, client: aiosmtplib.SMTP, message: Outgoing) -> Rejected | None:
        """Connect and agree on sender and recipient; after a failure here nothing was sent."""
        try:
            async with asyncio.timeout(self._account.timeout_seconds):
                await client.connect()
                await client.mail(self._account.sender_address)
                await client.rcpt(message.recipient)
        except aiosmtplib.SMTPRecipientRefused as refused:
            return _refused(refused, of_recipient=True)
        except aiosmtplib.SMTPResponseException as refused:
            # The relay, the account or the sender is at fault, not this message.
            about = About.ACCOUNT if refused.code >= 500 else About.UNCLEAR
            return Rejected(f"email:{refused.code}", final=False, about=about)
        except (aiosmtplib.SMTPException, OSError) as problem:  # a time-out is an OSError
            return Rejected(f"email:{type(problem).__name__}", final=False, about=About.UNCLEAR)
        return None

    async def _hand_over(self, client: aiosmtplib.SMTP, raw: bytes) -> Outcome:
        """Send DATA. Only a clear refusal means that nothing was sent: a relay whose answer cannot
        be read, or is unexpected, may have taken the message."""
        try:
            async with asyncio.timeout(self._account.timeout_seconds):
                answer = await client.data(raw)
        except aiosmtplib.SMTPResponseException as answered:
            if 400 <= answered.code < 600:
                return _refused(answered, of_recipient=False)
            return Unknown(f"email:{answered.code}")
        except (aiosmtplib.SMTPException, OSError) as problem:
            return Unknown(f"email:{type(problem).__name__}")
        return Accepted(answer.message)
