"""The rows of outreach in the memory of one test, and what the store makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from outreach_service.domain.care import Flag, FlagKey
from outreach_service.domain.consents import ConsentStatement, RecordedStatement, Subscription
from outreach_service.domain.contact_points import BEGINNING, Point
from outreach_service.domain.gates import Rest, SentMessage
from outreach_service.domain.generations import Client, Generations, Span
from outreach_service.domain.message_views import AttemptRow, MessageRow
from outreach_service.domain.messages import State
from outreach_service.domain.permissions import ClientWord, client_word, last_statements
from outreach_service.domain.settling import Window
from outreach_service.domain.terms import Channel, Standing
from outreach_service.ports.reads import ReadKey
from outreach_service.ports.records import (
    AttemptKey,
    BookingDelta,
    ContactKey,
    DueMessage,
    Hold,
    MessageEvent,
    MessageKey,
    PlannedMessage,
    StoredPlaybook,
)
from outreach_service.ports.settling import WindowKey

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Message:
    """A row of messages."""

    planned: PlannedMessage
    state: str
    decide_at: datetime
    changed_at: datetime
    reason: str | None = None
    channel: str | None = None
    template: str | None = None
    contact_index: str | None = None
    approved: bool = False
    attempts: int = 0
    provider_ref: str | None = None
    sent_at: datetime | None = None
    not_before: datetime = EPOCH
    lease_until: datetime | None = None
    retry_until: datetime | None = None
    lane: Channel | None = None


@dataclass
class Contact:
    """A row of contact points."""

    address: str
    name: str
    language: str
    blind_index: str
    zone: str | None = None


@dataclass(frozen=True)
class Consent:
    """A row of consents."""

    practice_id: str
    statement: ConsentStatement
    recorded_at: datetime
    recorded_by: str = "k1"

    @property
    def subscription(self) -> Subscription:
        """What the statement is on."""
        stated = self.statement
        return Subscription(self.practice_id, stated.client_id, stated.channel, stated.purpose)


@dataclass
class Account:
    """What a row of permits says of a provider's account, besides its tokens."""

    strikes: int = 0
    closed_code: str | None = None
    closed_until: datetime = EPOCH


@dataclass
class Reads:
    """How often a client's data was read on a day by a key, and when first and last."""

    count: int
    first_at: datetime
    last_at: datetime


@dataclass
class Rows:
    """All that outreach keeps; consents are in the order in which they were recorded."""

    practices: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    activity: dict[tuple[str, str], datetime] = field(default_factory=dict)
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    windows: dict[WindowKey, Window] = field(default_factory=dict)
    holds: dict[tuple[str, int, str], Hold] = field(default_factory=dict)
    bookings: dict[tuple[str, str, str], BookingDelta] = field(default_factory=dict)
    generations: dict[tuple[str, str], Generations] = field(default_factory=dict)
    playbooks: dict[str, StoredPlaybook] = field(default_factory=dict)
    contacts: dict[ContactKey, Contact] = field(default_factory=dict)
    points: dict[ContactKey, list[Point]] = field(default_factory=dict)
    rests: dict[tuple[str, str], Rest] = field(default_factory=dict)
    consents: list[Consent] = field(default_factory=list)
    client_words: dict[tuple[str, str], ClientWord] = field(default_factory=dict)
    messages: dict[MessageKey, Message] = field(default_factory=dict)
    attempts: dict[AttemptKey, AttemptRow] = field(default_factory=dict)
    permits: dict[Channel, int] = field(default_factory=lambda: dict.fromkeys(Channel, 1000))
    accounts: dict[Channel, Account] = field(
        default_factory=lambda: {channel: Account() for channel in Channel}
    )
    excused: set[AttemptKey] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    fence: datetime | None = None
    flags: dict[FlagKey, Flag] = field(default_factory=dict)
    came: dict[Client, tuple[Span, ...]] = field(default_factory=dict)
    reads: dict[tuple[str, str, ReadKey], Reads] = field(default_factory=dict)
    events: list[MessageEvent] = field(default_factory=list)


def shown_name(practice: Mapping[str, str | None]) -> str:
    """The name of a practice that messages show."""
    return str(practice.get("discreet_name") or practice["name"])


def zones_named(rows: Rows, client: tuple[str, str]) -> tuple[str, ...]:
    """The zones that a client's contact points name."""
    points = (contact for key, contact in rows.contacts.items() if key[:2] == client)
    return tuple(sorted({contact.zone for contact in points if contact.zone is not None}))


def rest_of(rows: Rows, key: ContactKey, now: datetime | None) -> Rest | None:
    """The rest of a contact that holds at `now`."""
    contact = rows.contacts.get(key)
    rest = rows.rests.get((key.practice_id, contact.blind_index)) if contact else None
    if rest is None or (rest.until is not None and now is not None and rest.until <= now):
        return None
    later = any(
        each.granted_at > rest.since
        for each in rows.client_words.get(key[:2], ClientWord([], [])).permissions
        if contact is not None and each.blind_index == contact.blind_index
    )
    return None if later else rest


def consented(rows: Rows) -> set[Subscription]:
    """The subscriptions whose last statement grants consent, at whatever contact point."""
    return {
        Subscription(*client, last.statement.channel, last.statement.purpose)
        for client in {each.subscription[:2] for each in rows.consents}
        for last in last_statements(stated(rows, *client))
        if last.statement.granted
    }


def stated(rows: Rows, practice_id: str, client_id: str) -> list[RecordedStatement]:
    """All that a client stated."""
    return [
        RecordedStatement(each.statement, each.recorded_at, each.recorded_by)
        for each in rows.consents
        if each.subscription[:2] == (practice_id, client_id)
    ]


def permitted(rows: Rows) -> set[Subscription]:
    """The subscriptions with a consent that holds at the contact point that the client has."""
    return {
        Subscription(*key, each.purpose)
        for key, contact in rows.contacts.items()
        for each in rows.client_words.get(key[:2], ClientWord([], [])).permissions
        if (each.channel, each.blind_index) == (key.channel, contact.blind_index)
        and not any(
            (other.blind_index, other.purpose) == (each.blind_index, each.purpose)
            and other.at >= each.granted_at
            for (practice_id, _), of_client in rows.client_words.items()
            if practice_id == key.practice_id
            for other in of_client.opt_outs
        )
    }


def put_contact(rows: Rows, key: ContactKey, contact: Contact) -> None:
    """Set a contact point that was the client's since ever, as if no other had been."""
    rows.contacts[key] = contact
    rows.points[key] = [Point(BEGINNING, contact.blind_index, is_dated=False)]
    derive_client_word(rows, key.practice_id, key.client_id)


def put_consent(rows: Rows, consent: Consent) -> None:
    """Add a statement."""
    rows.consents.append(consent)
    derive_client_word(rows, consent.practice_id, consent.statement.client_id)


def derive_client_word(rows: Rows, practice_id: str, client_id: str) -> None:
    """Work out what a client's statements come to."""
    points = {
        key.channel: history
        for key, history in rows.points.items()
        if key[:2] == (practice_id, client_id)
    }
    found = client_word(points, stated(rows, practice_id, client_id))
    rows.client_words[practice_id, client_id] = found


def attempts_of(rows: Rows, key: MessageKey) -> list[AttemptRow]:
    """A message's attempts, by number."""
    found = [each for tried, each in rows.attempts.items() if tried[:2] == key]
    return sorted(found, key=lambda each: each.number)


def due_message(row: Message, fence: datetime | None) -> DueMessage:
    """The message, for the gates; `fence` is the last restore's."""
    planned = row.planned
    unsure_of = Channel(row.channel) if row.state == State.UNKNOWN and row.channel else None
    return DueMessage(
        message_id=planned.message_id,
        occasion=planned.occasion,
        change=planned.change,
        partition=planned.partition,
        play=planned.play,
        step=planned.step,
        due_at=planned.due_at,
        approved=row.approved,
        attempts=row.attempts,
        unsure_of=unsure_of,
        is_fenced=fence is not None and planned.due_at <= fence,
        lane=row.lane,
    )


def sent_message(row: Message) -> SentMessage:
    """The message, as caps count it."""
    assert row.sent_at is not None
    assert row.contact_index is not None
    assert row.template is not None
    return SentMessage(
        at=row.sent_at,
        purpose=row.planned.play.purpose,
        client_id=row.planned.change.client_id,
        contact=row.contact_index,
        template=row.template,
    )


def message_row(row: Message) -> MessageRow:
    """The message, for people."""
    planned = row.planned
    return MessageRow(
        message_id=planned.message_id,
        client_id=planned.change.client_id,
        play=planned.play.key,
        step=planned.step,
        occasion=planned.occasion,
        purpose=str(planned.play.purpose),
        mode=planned.play.mode.value,
        state=row.state,
        reason=row.reason,
        channel=row.channel,
        approved=row.approved,
        attempts=row.attempts,
        due_at=planned.due_at,
        decide_at=row.decide_at,
        expires_at=planned.play.expires_at(
            planned.play.steps[planned.step], planned.change, planned.due_at
        ),
        sent_at=row.sent_at,
        changed_at=row.changed_at,
    )
