"""Cal.com's webhooks: bookings, of which each attendee is a client of their own.

- A move makes a new `uid`; the new booking says which one it replaces, so a chain is one booking.
- A booking of two clients is two of ours. The id of each is a hash of `uid` and key: a booking
  names one client only, and an e-mail stands in no id.
- There is no event id: it is a hash of the body, which a second delivery repeats.
- The client's key is the e-mail, in lower case; a placeholder made of a phone number is the number.
- `BOOKING_PAID` tells the price of the event type, not what was paid: the processor tells that.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport_adapters.adapter import Adapter, Headers, Told, source_event
from rapport_adapters.body import Value, parse
from rapport_adapters.errors import SignatureRefused
from rapport_adapters.settings import Secrets, SourceSettings
from rapport_adapters.signatures import only, require_hmac
from rapport_contracts.source import SourceEvent
from rapport_contracts.values import Zone

_WAY_OUT: Final = "Take the payload template of your own away from the webhook in Cal.com."
_UNSIGNED: Final = b"no-secret-provided"
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_PHONE: Final = re.compile(r"\+?(\d{7,15})@sms\.cal\.com", re.ASCII)


class Settings(SourceSettings):
    """`secrets` are the webhook's; `zone` is that of times without an offset, which only templates
    of one's own send."""

    secrets: Secrets
    zone: Zone | None = None


@dataclass(frozen=True)
class _Webhook:
    """A body with what its readers need; `booking` is the part about the booking."""

    settings: Settings
    digest: str
    trigger: str
    body: Value
    booking: Value

    def created_at(self) -> datetime:
        return self.body["createdAt"].happened(self.settings.zone)

    def uid(self) -> str:
        return self.booking["uid"].name()


def verify(headers: Headers, body: bytes, settings: Settings, _now: datetime) -> None:
    """Raise SignatureRefused unless one of the source's secrets has signed the body. The signature
    has no time: a copy that is sent years later passes, and gives the events of before."""
    signature = only(headers, "X-Cal-Signature-256")
    if signature == _UNSIGNED:
        raise SignatureRefused("missing", "the webhook has no secret: set one in Cal.com")
    require_hmac(settings.secrets, body, [signature])


def read(body: bytes, settings: Settings) -> Told:
    """The events of a webhook's body, one for each client. Raises Unreadable."""
    document = parse(body, _WAY_OUT)
    trigger = document["triggerEvent"].text()
    if trigger not in _READERS:
        return Told(nothing_because=_PASSED_OVER.get(trigger, "it says nothing of a booking"))
    booking = document["payload"] if document["payload"].is_there else document
    digest = hashlib.sha256(body).hexdigest()
    told = _READERS[trigger](_Webhook(settings, digest, trigger, document, booking))
    if isinstance(told, str):
        return Told(nothing_because=told)
    if not told:
        return Told(nothing_because="it is among the practice's own people")
    return Told(tuple(told))


def _booked(webhook: _Webhook) -> list[SourceEvent] | str:
    """A booking, a move, or a request that nobody has confirmed. A move that still has to be
    confirmed is a move: the old hour is off, and a rejection would cancel the new one."""
    booking, replaced, uid = webhook.booking, webhook.booking["rescheduleUid"], webhook.uid()
    old = replaced.name() if replaced.is_there else uid
    data = {"starts_at": booking["startTime"].begins(webhook.settings.zone), **_codes(booking)}

    def of(client: str) -> dict[str, Any]:
        return {**data, "replaces": None if old == uid else _booking_id(old, client)}

    return _for_each(webhook, _clients(webhook), _kind_of(webhook), webhook.created_at(), of)


def _kind_of(webhook: _Webhook) -> str:
    status = webhook.booking["status"]
    if webhook.trigger == "BOOKING_RESCHEDULED" or webhook.booking["rescheduleUid"].is_there:
        return "booking.rescheduled"
    is_request = webhook.trigger == "BOOKING_REQUESTED"
    if status.is_there:
        is_request = status.text().upper() != "ACCEPTED"
    return "booking.requested" if is_request else "booking.created"


def _cancelled(webhook: _Webhook) -> list[SourceEvent] | str:
    booking, at = webhook.booking, webhook.created_at()
    if booking["rescheduledToUid"].is_there:
        return "the booking was moved; the new one says from where"

    def of(client: str) -> dict[str, Any]:
        return {"cancelled_by": _canceller(webhook, client), **_codes(booking)}

    return _for_each(webhook, _clients(webhook), "booking.cancelled", at, of)


def _canceller(webhook: _Webhook, client: str) -> str | None:
    """Who cancelled a client's booking; None where that is not told, or was another client. A
    counsellor who asks for another time has cancelled this one."""
    asked = webhook.booking["requestReschedule"]
    if webhook.trigger == "BOOKING_REJECTED" or (asked.is_there and asked.flag()):
        return "counsellor"
    by = webhook.booking["cancelledBy"]
    author = _plain(by.text()) if by.is_there else None
    if author in _counsellors(webhook):
        return "counsellor"
    return "client" if author == client else None


def _ended(webhook: _Webhook) -> list[SourceEvent] | str:
    """The hour is over: nobody says that anybody came. Its own `createdAt` may be the booking's."""
    booking = webhook.booking
    if booking["status"].is_there and booking["status"].text().upper() != "ACCEPTED":
        return "the hour was not to take place"
    over = booking["endTime"].happened(webhook.settings.zone)
    data = {"assumed": True, **_codes(booking)}
    return _for_each(webhook, _clients(webhook), "booking.completed", over, lambda _: data)


def _came_or_not(webhook: _Webhook) -> list[SourceEvent]:
    """Each attendee whose mark was set, or taken off."""
    uid, at = webhook.booking["bookingUid"].name(), webhook.created_at()
    marked = webhook.booking["attendees"].each()
    marks = dict.fromkeys((_key(each["email"]), each["noShow"].flag()) for each in marked)
    return [
        source_event(
            "booking.no_show" if is_absent else "booking.completed",
            webhook.settings,
            id=f"{webhook.digest}/{ordinal}",
            time=at,
            subject=client,
            data={"booking_id": _booking_id(uid, client)},
        )
        for ordinal, (client, is_absent) in enumerate(marks, start=1)
    ]


def _for_each(
    webhook: _Webhook,
    clients: list[str],
    kind: str,
    time: datetime,
    of: Callable[[str], dict[str, Any]],
) -> list[SourceEvent]:
    uid = webhook.uid()
    return [
        source_event(
            kind,
            webhook.settings,
            id=f"{webhook.digest}/{ordinal}",
            time=time,
            subject=client,
            data={"booking_id": _booking_id(uid, client), **of(client)},
        )
        for ordinal, client in enumerate(clients, start=1)
    ]


def _clients(webhook: _Webhook) -> list[str]:
    """The key of each attendee, once, without the practice's own people."""
    attendees = webhook.booking["attendees"]
    keys = dict.fromkeys(_key(each["email"]) for each in attendees.each())
    if not keys:
        raise attendees.unreadable("names nobody")
    own = _counsellors(webhook)
    return [key for key in keys if key not in own]


def _counsellors(webhook: _Webhook) -> frozenset[str]:
    booking = webhook.booking
    members = booking["team"]["members"]
    emails = [
        booking["organizer"]["email"],
        booking["user"]["email"],
        booking["userPrimaryEmail"],
        *(each["email"] for each in (members.each() if members.is_there else [])),
    ]
    return frozenset(_key(email) for email in emails if email.is_there)


def _codes(booking: Value) -> dict[str, str]:
    """The numbers of counsellor and service; their names may say what a client comes for."""
    organizer = booking["organizer"]["id"]
    counsellor = organizer if organizer.is_there else booking["userId"]
    codes = {"counsellor_id": counsellor, "service_code": booking["eventTypeId"]}
    return {name: str(code.number()) for name, code in codes.items() if code.is_there}


def _key(email: Value) -> str:
    """The personal key of an address."""
    plain = _plain(email.text())
    if plain is None:
        raise email.unreadable("is no e-mail address")
    return plain


def _plain(email: str) -> str | None:
    """An address in one spelling, or the number of which a placeholder is made; None for what is
    neither."""
    plain = unicodedata.normalize("NFC", email.strip()).lower()
    phone = _PHONE.fullmatch(plain)
    if phone:
        return f"+{phone[1]}"
    return plain if _EMAIL.fullmatch(plain) else None


def _booking_id(uid: str, client: str) -> str:
    return hashlib.sha256(f"{uid}\0{client}".encode()).hexdigest()


_READERS: Final[Mapping[str, Callable[[_Webhook], list[SourceEvent] | str]]] = {
    "BOOKING_CREATED": _booked,
    "BOOKING_RESCHEDULED": _booked,
    "BOOKING_REQUESTED": _booked,
    "BOOKING_CANCELLED": _cancelled,
    "BOOKING_REJECTED": _cancelled,
    "BOOKING_NO_SHOW_UPDATED": _came_or_not,
    "MEETING_ENDED": _ended,
}
_PASSED_OVER: Final[Mapping[str, str]] = {
    "BOOKING_PAID": "the payment system tells what was paid",
    "BOOKING_PAYMENT_INITIATED": "nothing was paid yet",
    "AFTER_GUESTS_CAL_VIDEO_NO_SHOW": "who was in the video call proves nothing; mark no-shows",
    "AFTER_HOSTS_CAL_VIDEO_NO_SHOW": "who was in the video call proves nothing; mark no-shows",
}

ADAPTER: Final = Adapter(Settings, verify, read)
