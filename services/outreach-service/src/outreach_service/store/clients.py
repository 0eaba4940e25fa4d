"""What is known about the clients of due messages, read under their locks in few statements."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outreach_service.domain.care import UNGUARDED, FlagKind, FlagState, Guards, guards_of
from outreach_service.domain.gates import Rest, SentMessage
from outreach_service.domain.messages import COUNTED
from outreach_service.domain.terms import Channel, Purpose, Standing
from outreach_service.ports.records import ContactKey, DueMessage, Recipient, Situation
from outreach_service.store.clock import inputs_up_to
from outreach_service.store.contact_rests import RESTS_AT_NOW
from outreach_service.store.locks import lock_clients, lock_contacts
from outreach_service.store.permissions import PERMITTED
from outreach_service.store.settling import standing_of_row
from rapport_runtime.database import fetch, fetch_value

_OF = """(practice_id, client_id) IN (
        SELECT * FROM unnest(%(practices)s::text[], %(clients)s::text[]))"""
_PRACTICES = """
    SELECT practice_id, zone, discreet_name IS NOT NULL AS has_discreet_name FROM practice
    WHERE practice_id = ANY(%(practices)s)
"""
_HELD = """
    SELECT practice_id, min(stands_at) AS stands_at FROM practice_hold
    WHERE practice_id = ANY(%(practices)s) GROUP BY practice_id
"""
_CONTACTS = f"SELECT practice_id, client_id, channel, blind_index, zone FROM contact WHERE {_OF}"
_CONSENTS = f"{PERMITTED} AND {_OF}"
# A rest ends for a client whose consent to the channel counts from a later time.
_RESTS = f"""
    SELECT practice_id, client_id, channel, reason, since, until
    FROM contact JOIN contact_rest USING (practice_id, blind_index)
    WHERE {_OF} AND {RESTS_AT_NOW}
"""
_CLIENTS = f"""
    SELECT practice_id, client_id, activity_at, scheme, tier, tier_since, tier_version FROM client
    WHERE {_OF}
"""
_REBUILDING = f"SELECT practice_id, client_id FROM next_generation WHERE {_OF}"
_FLAGS = f"""
    SELECT DISTINCT practice_id, client_id, kind, state FROM care_flag
    WHERE {_OF} AND state IN ('open', 'cleared', 'ended')
"""
_BOOKINGS = f"""
    SELECT practice_id, client_id, min(starts_at) AS starts_at FROM (
        SELECT practice_id, client_id, starts_at FROM booking
        WHERE {_OF} AND starts_at > %(now)s
        GROUP BY practice_id, client_id, starts_at HAVING sum(count) > 0
    ) AS standing GROUP BY practice_id, client_id
"""
_COUNTED = "state IN ('" + "', '".join(sorted(COUNTED)) + "')"
_SENT = f"""
    SELECT practice_id, message_id, client_id, contact_index, purpose, sent_at, template
    FROM message WHERE {_COUNTED} AND sent_at > %(since)s AND {_OF}
    UNION
    SELECT practice_id, message_id, client_id, contact_index, purpose, sent_at, template
    FROM message WHERE {_COUNTED} AND sent_at > %(since)s AND (practice_id, contact_index) IN (
        SELECT * FROM unnest(%(of_contacts)s::text[], %(contacts)s::text[]))
"""
_RECIPIENTS = f"""
    SELECT practice_id, client_id, channel, sealed_address, sealed_name, language,
           coalesce(discreet_name, name) AS practice_name
    FROM contact JOIN practice USING (practice_id) WHERE {_OF}
"""
_IS_KNOWN = """
    SELECT EXISTS (
        SELECT FROM client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s)
    OR EXISTS (
        SELECT FROM contact WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s)
    OR EXISTS (
        SELECT FROM consent WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s)
"""

Pair = tuple[str, str]


@dataclass
class _ClientFacts:
    """What the statements found: zones, which have a discreet name, where held practices stand, and
    sent messages by practice, all else by client."""

    zones: dict[str, str]
    discreet: set[str]
    held: dict[str, datetime]
    contacts: dict[Pair, dict[Channel, str]] = field(default_factory=lambda: defaultdict(dict))
    client_zones: dict[Pair, set[str]] = field(default_factory=lambda: defaultdict(set))
    resting: dict[Pair, dict[Channel, Rest]] = field(default_factory=lambda: defaultdict(dict))
    consents: dict[Pair, set[tuple[Channel, Purpose]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    activity: dict[Pair, datetime] = field(default_factory=dict)
    standings: dict[Pair, Standing] = field(default_factory=dict)
    rebuilding: set[Pair] = field(default_factory=set)
    guards: dict[Pair, Guards] = field(default_factory=dict)
    bookings: dict[Pair, datetime] = field(default_factory=dict)
    sent: dict[str, dict[str, SentMessage]] = field(default_factory=lambda: defaultdict(dict))


class PostgresClients:
    """`Clients` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def lock_situations(
        self, due: Sequence[DueMessage], now: datetime, since: datetime
    ) -> Mapping[str, Situation]:
        """See `Clients.lock_situations`."""
        pairs = sorted({(each.change.practice_id, each.change.client_id) for each in due})
        lock_clients(self._tx, pairs)
        facts = _client_facts(self._tx, pairs, now, since)
        read = inputs_up_to(self._tx)
        return {each.message_id: _situation(each, facts, now, read) for each in due}

    def recipients(self, contacts: Sequence[ContactKey]) -> Mapping[ContactKey, Recipient]:
        """See `Clients.recipients`."""
        if not contacts:
            return {}
        params = {
            "practices": [key.practice_id for key in contacts],
            "clients": [key.client_id for key in contacts],
        }
        return {
            ContactKey(row.practice_id, row.client_id, Channel(row.channel)): Recipient(
                row.sealed_address, row.sealed_name, row.language, row.practice_name
            )
            for row in fetch(self._tx, _RECIPIENTS, params)
        }

    def reachable(
        self, clients: Collection[Pair]
    ) -> Mapping[Pair, Collection[tuple[Channel, Purpose]]]:
        """See `Clients.reachable`."""
        found: dict[Pair, set[tuple[Channel, Purpose]]] = defaultdict(set)
        if clients:
            params = {
                "practices": [practice for practice, _ in clients],
                "clients": [client for _, client in clients],
            }
            for row in fetch(self._tx, _CONSENTS, params):
                pair = (Channel(row.channel), Purpose(row.purpose))
                found[row.practice_id, row.client_id].add(pair)
        return found

    def is_known(self, practice_id: str, client_id: str) -> bool:
        """See `Clients.is_known`."""
        params = {"practice_id": practice_id, "client_id": client_id}
        return bool(fetch_value(self._tx, _IS_KNOWN, params))


def _client_facts(
    tx: sa.Connection, pairs: Sequence[Pair], now: datetime, since: datetime
) -> _ClientFacts:
    params = {
        "practices": [practice for practice, _ in pairs],
        "clients": [client for _, client in pairs],
    }
    practices = fetch(tx, _PRACTICES, params)
    facts = _ClientFacts(
        zones={row.practice_id: row.zone for row in practices},
        discreet={row.practice_id for row in practices if row.has_discreet_name},
        held={row.practice_id: row.stands_at for row in fetch(tx, _HELD, params)},
    )
    for row in fetch(tx, _CONTACTS, params):
        channels = facts.contacts[row.practice_id, row.client_id]
        channels[Channel(row.channel)] = row.blind_index
        facts.client_zones[row.practice_id, row.client_id] |= {row.zone} - {None}
    points = _contact_points(facts)
    lock_contacts(tx, points)
    for row in fetch(tx, _RESTS, {**params, "now": now}):
        rest = Rest(row.reason, row.since, row.until)
        facts.resting[row.practice_id, row.client_id][Channel(row.channel)] = rest
    for row in fetch(tx, _CONSENTS, params):
        pair = (Channel(row.channel), Purpose(row.purpose))
        facts.consents[row.practice_id, row.client_id].add(pair)
    _add_clients(facts, fetch(tx, _CLIENTS, params))
    facts.rebuilding |= {(row.practice_id, row.client_id) for row in fetch(tx, _REBUILDING, params)}
    facts.guards |= _guards(fetch(tx, _FLAGS, params))
    for row in fetch(tx, _BOOKINGS, {**params, "now": now}):
        facts.bookings[row.practice_id, row.client_id] = row.starts_at
    contacts = {
        "of_contacts": [practice for practice, _ in points],
        "contacts": [index for _, index in points],
    }
    for row in fetch(tx, _SENT, {**params, **contacts, "since": since}):
        facts.sent[row.practice_id][row.message_id] = SentMessage(
            at=row.sent_at,
            purpose=Purpose(row.purpose),
            client_id=row.client_id,
            contact=row.contact_index,
            template=row.template,
        )
    return facts


def _add_clients(facts: _ClientFacts, rows: Iterable[Any]) -> None:
    for row in rows:
        if row.activity_at is not None:
            facts.activity[row.practice_id, row.client_id] = row.activity_at
        if row.tier is not None:
            facts.standings[row.practice_id, row.client_id] = standing_of_row(row)


def _guards(rows: Iterable[Any]) -> dict[Pair, Guards]:
    flags: dict[Pair, list[tuple[FlagKind, FlagState]]] = defaultdict(list)
    for row in rows:
        flags[row.practice_id, row.client_id].append((FlagKind(row.kind), FlagState(row.state)))
    return {pair: guards_of(each) for pair, each in flags.items()}


def _contact_points(facts: _ClientFacts) -> list[Pair]:
    found = {
        (practice, index)
        for (practice, _), channels in facts.contacts.items()
        for index in channels.values()
    }
    return sorted(found)


def _read_of(client: Pair, facts: _ClientFacts, read: datetime | None) -> datetime | None:
    """Up to when a client's activity has been read. While it is said anew, what came since then is
    not to be seen yet."""
    if read is None or client in facts.rebuilding:
        return None
    return min(read, facts.held.get(client[0], read))


def _situation(
    message: DueMessage, facts: _ClientFacts, now: datetime, read: datetime | None
) -> Situation:
    practice_id, client_id = pair = (message.change.practice_id, message.change.client_id)
    contacts = facts.contacts.get(pair, {})
    points = set(contacts.values())
    return Situation(
        now=now,
        contacts=contacts,
        consents=frozenset(facts.consents.get(pair, ())),
        zone=facts.zones.get(practice_id, ""),
        sent=tuple(
            sent
            for message_id, sent in facts.sent.get(practice_id, {}).items()
            if message_id != message.message_id
            if sent.client_id == client_id or sent.contact in points
        ),
        booking_at=facts.bookings.get(pair),
        activity_at=facts.activity.get(pair),
        inputs_up_to=_read_of(pair, facts, read),
        resting=facts.resting.get(pair, {}),
        standing=facts.standings.get(pair),
        has_discreet_name=practice_id in facts.discreet,
        client_zones=tuple(sorted(facts.client_zones.get(pair, ()))),
        guards=facts.guards.get(pair, UNGUARDED),
    )
