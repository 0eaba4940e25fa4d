"""What is known about the clients of waiting messages, read under their locks in few statements."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from outreach_service.domain.gates import DEFAULT_CAPS, SentMessage
from outreach_service.domain.messages import COUNTED, State
from outreach_service.domain.terms import (
    Change,
    Channel,
    Direction,
    Origin,
    Purpose,
    Reason,
)
from outreach_service.handlers import play_of
from outreach_service.ports import DueMessage, Situation
from outreach_service.store.clock import inputs_up_to
from outreach_service.store.locks import lock_clients, lock_contacts

LONGEST_WINDOW = max(cap.window for cap in DEFAULT_CAPS)

_OF = "(practice_id, client_id) IN (SELECT * FROM unnest(:practices ::text[], :clients ::text[]))"
_ZONES = sa.text("SELECT practice_id, zone FROM practice WHERE practice_id = ANY(:practices)")
_CONTACTS = sa.text(f"SELECT practice_id, client_id, channel, blind_index FROM contact WHERE {_OF}")
_CONSENTS = sa.text(f"""
    SELECT DISTINCT ON (practice_id, client_id, channel, purpose)
           practice_id, client_id, channel, purpose, granted
    FROM consent WHERE {_OF}
    ORDER BY practice_id, client_id, channel, purpose, id DESC
""")
_ACTIVITY = sa.text(f"SELECT practice_id, client_id, activity_at FROM client WHERE {_OF}")
_BOOKINGS = sa.text(f"""
    SELECT practice_id, client_id, min(starts_at) AS starts_at FROM (
        SELECT practice_id, client_id, starts_at FROM booking
        WHERE {_OF} AND starts_at > :now
        GROUP BY practice_id, client_id, starts_at HAVING sum(count) > 0
    ) AS standing GROUP BY practice_id, client_id
""")
_COUNTED = "state IN ('" + "', '".join(sorted(COUNTED)) + "')"
_SENT = sa.text(f"""
    SELECT practice_id, message_id, client_id, contact_index, purpose, sent_at FROM message
    WHERE {_COUNTED} AND sent_at > :since AND {_OF}
    UNION
    SELECT practice_id, message_id, client_id, contact_index, purpose, sent_at FROM message
    WHERE {_COUNTED} AND sent_at > :since AND (practice_id, contact_index) IN (
        SELECT * FROM unnest(:of_contacts ::text[], :contacts ::text[]))
""")
_RECIPIENTS = sa.text(f"""
    SELECT practice_id, client_id, channel, sealed_address, sealed_name, language,
           name AS practice_name
    FROM contact JOIN practice USING (practice_id) WHERE {_OF}
""")
_HISTORIES = sa.text("""
    SELECT message_id,
           extract(epoch FROM clock_timestamp() - min(started_at))::float AS seconds,
           coalesce(bool_or(outcome = 'unknown'), false) AS unsure
    FROM attempt
    WHERE practice_id = ANY(:practices) AND message_id = ANY(:messages) GROUP BY message_id
""")

Pair = tuple[str, str]


class Recipient(NamedTuple):
    """Whom a message goes to; address and name are sealed."""

    sealed_address: str
    sealed_name: str
    language: str
    practice_name: str


class AttemptHistory(NamedTuple):
    """What was tried before: real seconds since the first try, and whether any is unknown."""

    seconds: float
    unsure: bool


UNTRIED = AttemptHistory(0, unsure=False)


@dataclass
class _ClientFacts:
    """What the statements found, by client."""

    zones: dict[str, str]
    contacts: dict[Pair, dict[Channel, str]] = field(default_factory=lambda: defaultdict(dict))
    consents: dict[Pair, set[tuple[Channel, Purpose]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    activity: dict[Pair, datetime] = field(default_factory=dict)
    bookings: dict[Pair, datetime] = field(default_factory=dict)
    sent: dict[str, dict[str, SentMessage]] = field(default_factory=lambda: defaultdict(dict))


def load(tx: sa.Connection, rows: Sequence[sa.Row[Any]], now: datetime) -> list[DueMessage]:
    """The waiting messages with their clients' situations.

    First the locks of the clients, then those of their contact points (families share phones),
    each in the order of the keys: consents, claims and caps of one client never pass each other.
    """
    pairs = sorted({(row.practice_id, row.client_id) for row in rows})
    lock_clients(tx, pairs)
    facts = _client_facts(tx, pairs, now)
    read = inputs_up_to(tx)
    return [_due_message(row, facts, now, read) for row in rows]


def recipients(
    tx: sa.Connection, changes: Sequence[Change]
) -> dict[tuple[str, str, Channel], Recipient]:
    """The contact points of these changes' clients, and by what name their practices go."""
    if not changes:
        return {}
    of = {
        "practices": [change.practice_id for change in changes],
        "clients": [change.client_id for change in changes],
    }
    return {
        (row.practice_id, row.client_id, Channel(row.channel)): Recipient(
            row.sealed_address, row.sealed_name, row.language, row.practice_name
        )
        for row in tx.execute(_RECIPIENTS, of)
    }


def histories(tx: sa.Connection, tried: Sequence[DueMessage]) -> dict[str, AttemptHistory]:
    """What was tried before, by message id, of messages that have been tried."""
    if not tried:
        return {}
    asked = {
        "practices": list({waiting.change.practice_id for waiting in tried}),
        "messages": [waiting.message_id for waiting in tried],
    }
    rows = tx.execute(_HISTORIES, asked)
    return {row.message_id: AttemptHistory(row.seconds, row.unsure) for row in rows}


def _client_facts(tx: sa.Connection, pairs: Sequence[Pair], now: datetime) -> _ClientFacts:
    practices = [practice for practice, _ in pairs]
    of = {"practices": practices, "clients": [client for _, client in pairs]}
    facts = _ClientFacts({row.practice_id: row.zone for row in tx.execute(_ZONES, of)})
    for row in tx.execute(_CONTACTS, of):
        channels = facts.contacts[row.practice_id, row.client_id]
        channels[Channel(row.channel)] = row.blind_index
    points = _points(facts)
    lock_contacts(tx, points)
    for row in tx.execute(_CONSENTS, of):
        if row.granted:
            pair = (Channel(row.channel), Purpose(row.purpose))
            facts.consents[row.practice_id, row.client_id].add(pair)
    for row in tx.execute(_ACTIVITY, of):
        facts.activity[row.practice_id, row.client_id] = row.activity_at
    for row in tx.execute(_BOOKINGS, {**of, "now": now}):
        facts.bookings[row.practice_id, row.client_id] = row.starts_at
    contacts = {
        "of_contacts": [practice for practice, _ in points],
        "contacts": [index for _, index in points],
    }
    for row in tx.execute(_SENT, {**of, **contacts, "since": now - LONGEST_WINDOW}):
        facts.sent[row.practice_id][row.message_id] = SentMessage(
            at=row.sent_at,
            purpose=Purpose(row.purpose),
            client_id=row.client_id,
            contact=row.contact_index,
        )
    return facts


def _points(facts: _ClientFacts) -> list[Pair]:
    found: Iterable[Pair] = (
        (practice, index)
        for (practice, _), channels in facts.contacts.items()
        for index in channels.values()
    )
    return sorted(set(found))


def _due_message(
    row: sa.Row[Any], facts: _ClientFacts, now: datetime, read: datetime | None
) -> DueMessage:
    pair = (row.practice_id, row.client_id)
    return DueMessage(
        message_id=row.message_id,
        change=_change(row),
        partition=row.partition,
        play=play_of(row.play_body).plays[0],
        step=row.step,
        due_at=row.due_at,
        approved=row.approved,
        attempts=row.attempts,
        situation=Situation(
            now=now,
            contacts=facts.contacts.get(pair, {}),
            consents=frozenset(facts.consents.get(pair, ())),
            zone=facts.zones.get(row.practice_id, ""),
            sent=_sent_of(row, facts),
            booking_at=facts.bookings.get(pair),
            activity_at=facts.activity.get(pair),
            inputs_up_to=read,
        ),
        unsure_of=Channel(row.channel) if row.state == State.UNKNOWN else None,
    )


def _sent_of(row: sa.Row[Any], facts: _ClientFacts) -> tuple[SentMessage, ...]:
    """Sends that a cap of this message may count: its client's, and those to its contact points;
    itself, when it is repeated, not."""
    points = set(facts.contacts.get((row.practice_id, row.client_id), {}).values())
    return tuple(
        sent
        for message_id, sent in facts.sent.get(row.practice_id, {}).items()
        if message_id != row.message_id
        if sent.client_id == row.client_id or sent.contact in points
    )


def _change(row: sa.Row[Any]) -> Change:
    said = row.change
    return Change(
        practice_id=row.practice_id,
        client_id=row.client_id,
        version=row.tier_version,
        from_tier=said["from_tier"],
        to_tier=said["to_tier"],
        direction=Direction(said["direction"]),
        reason=Reason(said["reason"]),
        origin=Origin(said["origin"]),
        effective_at=datetime.fromisoformat(said["effective_at"]),
    )
