"""E-mail by SMTP: plain text, one connection a message, the same Message-ID at each attempt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, formataddr

import aiosmtplib

from outreach_service.domain.messages import Accepted, Outcome, Outgoing, Rejected, Unknown
from outreach_service.domain.terms import Purpose


@dataclass(frozen=True)
class SmtpAccount:
    """The relay, the sender and the login. With `start_tls` a relay without TLS gets no message."""

    host: str
    port: int
    sender_address: str
    sender_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    use_tls: bool = False
    start_tls: bool = False
    timeout_seconds: float = 30


def _composed(message: Outgoing, account: SmtpAccount, at: datetime) -> bytes:
    """The e-mail's bytes. Raises ValueError when a header would hold a line break.

    It is plain text, so that reading it loads nothing from outside (L19). Marketing carries the
    one-click headers of RFC 8058 (L22).
    """
    mail = EmailMessage(policy=SMTP_POLICY)
    domain = account.sender_address.rpartition("@")[2]
    mail["From"] = formataddr((account.sender_name, account.sender_address))
    mail["To"] = message.recipient
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message.message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message.purpose is Purpose.MARKETING:
        mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.body, cte="base64")
    return mail.as_bytes()


def _refused(code: int) -> Rejected:
    """4xx may be accepted later, 5xx will not (RFC 5321, section 4.2.1)."""
    return Rejected(f"email:{code}", final=code >= 500)


class Smtp:
    """Sends e-mail through one relay. `clock` returns the real time, aware, for the Date header."""

    def __init__(self, account: SmtpAccount, clock: Callable[[], datetime]) -> None:
        self._account = account
        self._clock = clock

    async def send(self, message: Outgoing) -> Outcome:
        """One SMTP transaction.

        Lost before DATA: nothing was sent. Lost after it: the relay may have it (RFC 1047).
        """
        if message.purpose is Purpose.MARKETING and not message.unsubscribe_url:
            return Rejected("email:no-unsubscribe-url", final=True)
        try:
            raw = _composed(message, self._account, self._clock())
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
            await client.connect()
            await client.mail(self._account.sender_address, encoding="utf-8")
            await client.rcpt(message.recipient, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as refused:
            return _refused(refused.code)
        except aiosmtplib.SMTPResponseException as refused:
            # The relay, the account or the sender is at fault, not this message.
            return Rejected(f"email:{refused.code}", final=False)
        except (aiosmtplib.SMTPException, OSError) as problem:
            return Rejected(f"email:{type(problem).__name__}", final=False)
        return None

    async def _hand_over(self, client: aiosmtplib.SMTP, raw: bytes) -> Outcome:
        """Send DATA. Only a clear refusal means that nothing was sent: a relay whose answer cannot
        be read, or is unexpected, may have taken the message."""
        try:
            answer = await client.data(raw)
        except aiosmtplib.SMTPResponseException as answered:
            code = answered.code
            return _refused(code) if 400 <= code < 600 else Unknown(f"email:{code}")
        except (aiosmtplib.SMTPException, OSError) as problem:
            return Unknown(f"email:{type(problem).__name__}")
        return Accepted(answer.message)
