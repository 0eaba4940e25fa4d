"""An SMTP server that accepts every message that mail programs can read, and forwards none."""

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import compat32, default
from weakref import WeakKeyDictionary

from aiosmtpd.smtp import SMTP, Envelope, Session

from rapport_devkit.sandbox.deliveries import Arrival, DeliveryLog
from rapport_devkit.sandbox.faults import Fault, Faults

_KEPT_HEADERS = ("From", "To", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")

_IN_CLEAR = ("Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")
"""Headers that are no text: no mail program decodes an encoded word in them (RFC 2047, 5)."""
_OF_ADDRESSES = ("From", "To")

_AT_RECIPIENT = {"reject": "550 5.1.1 no such mailbox", "rate_limit": "451 4.7.1 try again later"}


class Sink:
    """aiosmtpd's handler: accepts, or fails as the armed fault requires, and records deliveries."""

    def __init__(self, log: DeliveryLog, faults: Faults) -> None:
        self._log = log
        self._faults = faults
        self._drawn: WeakKeyDictionary[Session, Fault] = WeakKeyDictionary()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names it
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Choose the fault of a message; one of a later stage is applied at DATA."""
        fault = self._faults.strike("email")
        if fault is not None and fault.kind in _AT_RECIPIENT:
            return fault.code or _AT_RECIPIENT[fault.kind]
        if fault is not None:
            self._drawn[session] = fault
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd names it
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Deliver, unless the message's fault loses it."""
        fault = self._drawn.pop(session, None)
        kind = fault.kind if fault is not None else None
        if fault is not None and kind == "timeout":
            await asyncio.sleep(fault.hold_seconds)
            return "451 4.4.1 took too long"
        if fault is not None and kind == "5xx":
            return fault.code or "554 5.3.0 out of order"
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        unreadable = _unreadable_header(raw)
        if unreadable is not None:
            return f"554 5.6.0 nobody can read {unreadable}"
        delivered = self._deliver(envelope, raw)
        if kind == "drop_response" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return f"250 2.0.0 queued as {delivered}"

    def _deliver(self, envelope: Envelope, raw: bytes) -> str:
        mail = message_from_bytes(raw, policy=default)
        body = mail.get_body(("plain",)) if isinstance(mail, EmailMessage) else None
        delivery = self._log.add(
            Arrival(
                channel="email",
                message_id=str(mail["Message-ID"]).strip("<>").partition("@")[0],
                recipient=", ".join(envelope.rcpt_tos),
                subject=str(mail["Subject"]),
                body=body.get_content().replace("\r\n", "\n") if body is not None else "",
                headers={name: str(mail[name]) for name in _KEPT_HEADERS if name in mail}
                | _as_sent(raw),
            )
        )
        return delivery.provider_ref


def _as_sent(raw: bytes) -> dict[str, str]:
    """The headers that are read as they stand on the wire, unfolded."""
    headers = BytesHeaderParser(policy=compat32).parsebytes(raw)
    return {name: "".join(str(headers[name]).splitlines()) for name in _IN_CLEAR if name in headers}


def _unreadable_header(raw: bytes) -> str | None:
    """The name of a header in which a mail program does not find what it looks for: an encoded
    word where an address or an id stands, or bytes that are no ASCII."""
    head = raw.partition(b"\r\n\r\n")[0]
    if not head.isascii():
        return "the headers"
    headers = BytesHeaderParser(policy=compat32).parsebytes(raw)
    for name in (*_IN_CLEAR, *_OF_ADDRESSES):
        value = str(headers.get(name, ""))
        word = value.rpartition("<")[2] if name in _OF_ADDRESSES else value
        if "=?" in word:
            return name
    return None


async def serve_smtp(sink: Sink, host: str, port: int) -> asyncio.Server:
    """Listen for SMTP; like many relays it takes ASCII addresses alone. The host name is fixed,
    because aiosmtpd would look it up by DNS."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(sink, hostname="sandbox.invalid", enable_SMTPUTF8=False, loop=loop),
        host,
        port,
    )
