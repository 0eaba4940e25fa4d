"""E-mail by SMTP: plain text, one connection a message, one Message-ID however often tried."""

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
    """Where and as whom to send. With `start_tls` a server that does not offer it gets nothing."""

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
    """The e-mail as it travels. Raises ValueError when a header would hold a line break.

    Plain text only, so nothing is loaded from anywhere when it is read (RELIABILITY L19). Marketing
    carries the one-click headers of RFC 8058 (L22).
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
    """4xx may pass later, 5xx will not (RFC 5321 §4.2.1)."""
    return Rejected(f"email:{code}", final=code >= 500)


class Smtp:
    """Sends e-mail through one relay. `clock` says the real time, aware, for the Date header."""

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
        """Connect and agree on sender and recipient; whatever goes wrong here, nothing was sent."""
        try:
            await client.connect()
            await client.mail(self._account.sender_address, encoding="utf-8")
            await client.rcpt(message.recipient, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as refused:
            return _refused(refused.code)
        except aiosmtplib.SMTPResponseException as refused:
            # The relay's or the account's fault, its sender's too; not this message's.
            return Rejected(f"email:{refused.code}", final=False)
        except (aiosmtplib.SMTPException, OSError) as problem:
            return Rejected(f"email:{type(problem).__name__}", final=False)
        return None

    async def _hand_over(self, client: aiosmtplib.SMTP, raw: bytes) -> Outcome:
        """After DATA only an answer that says no is a refusal: one that nobody can read, or that
        says something else, may come from a relay that has it."""
        try:
            answer = await client.data(raw)
        except aiosmtplib.SMTPResponseException as said:
            return _refused(said.code) if 400 <= said.code < 600 else Unknown(f"email:{said.code}")
        except (aiosmtplib.SMTPException, OSError) as problem:
            return Unknown(f"email:{type(problem).__name__}")
        return Accepted(answer.message)
