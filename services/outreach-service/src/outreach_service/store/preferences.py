"""Contacts and consents as rows: addresses and names sealed, consents only ever added, and what
they come to."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from outreach_service.domain.consents import (
    Appended,
    ConsentStatement,
    RecordedStatement,
    Recording,
)
from outreach_service.domain.contact_points import Point
from outreach_service.domain.gates import Rest
from outreach_service.domain.permissions import ClientWord
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.contacts import PracticeHome, SealedContact, StoredContact
from outreach_service.ports.records import ContactKey, RestingPoint
from outreach_service.store.contact_rests import RESTS_AT_NOW
from outreach_service.store.locks import lock_contacts
from rapport_runtime.database import execute, execute_many, fetch, fetch_one

_SAVE_CONTACTS: Final = """
    INSERT INTO contact (practice_id, client_id, channel, sealed_address, sealed_name, language,
                         blind_index, zone, updated_at)
    SELECT %(practice_id)s, given.*, clock_timestamp()
    FROM unnest(%(clients)s::text[], %(channels)s::text[], %(addresses)s::text[],
                %(names)s::text[], %(languages)s::text[], %(indexes)s::text[],
                %(zones)s::text[]) AS given
    ON CONFLICT (practice_id, client_id, channel) DO UPDATE
    SET sealed_address = excluded.sealed_address, sealed_name = excluded.sealed_name,
        language = excluded.language, blind_index = excluded.blind_index, zone = excluded.zone,
        updated_at = excluded.updated_at
"""
_REMOVE_CONTACT: Final = """
    DELETE FROM contact
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND channel = %(channel)s
"""
_POINTS: Final = """
    SELECT client_id, channel, valid_from, blind_index, is_dated, said_from FROM contact_point
    WHERE practice_id = %(practice_id)s AND client_id = ANY(%(clients)s)
    ORDER BY client_id, channel, valid_from
"""
_ADD_POINTS: Final = """
    INSERT INTO contact_point (practice_id, client_id, channel, valid_from, blind_index, is_dated,
                               said_from)
    SELECT * FROM unnest(%(practices)s::text[], %(clients)s::text[], %(channels)s::text[],
                         %(valid_from)s::timestamptz[], %(indexes)s::text[], %(dated)s::boolean[],
                         %(said_from)s::timestamptz[])
"""
_SAVE_CONSENTS: Final = """
    INSERT INTO consent (practice_id, statement_id, stated_at, client_id, channel, purpose, granted,
                         evidence, text_version, contact_index, recorded_at, recorded_by)
    SELECT %(practice_id)s, statement_id, stated_at, client_id, channel, purpose, granted, evidence,
           text_version, contact_index, %(recorded_at)s, %(recorded_by)s
    FROM unnest(%(ids)s::text[], %(stated)s::timestamptz[], %(clients)s::text[],
                %(channels)s::text[], %(purposes)s::text[], %(granted)s::boolean[],
                %(evidence)s::text[], %(text_versions)s::text[], %(indexes)s::text[])
        WITH ORDINALITY
        AS given(statement_id, stated_at, client_id, channel, purpose, granted, evidence,
                 text_version, contact_index, place)
    ORDER BY place
    ON CONFLICT (practice_id, statement_id) DO NOTHING
    RETURNING client_id
"""
_STATEMENT: Final = """statement_id, stated_at, client_id, channel, purpose, granted, evidence,
           text_version, contact_index"""
_STATEMENTS: Final = f"""
    SELECT {_STATEMENT} FROM consent
    WHERE practice_id = %(practice_id)s AND statement_id = ANY(%(ids)s)
"""
_CONTACTS: Final = f"""
    SELECT channel, sealed_address, language, zone, reason, since, until
    FROM contact LEFT JOIN contact_rest ON
        contact_rest.practice_id = contact.practice_id
        AND contact_rest.blind_index = contact.blind_index AND {RESTS_AT_NOW}
    WHERE contact.practice_id = %(practice_id)s AND client_id = %(client_id)s ORDER BY channel
"""
_HOME: Final = "SELECT region, zone FROM practice WHERE practice_id = %(practice_id)s"
_REST: Final = """
    INSERT INTO contact_rest (practice_id, blind_index, reason, since, until)
    VALUES (%(practice_id)s, %(blind_index)s, %(reason)s, %(since)s, %(until)s)
    ON CONFLICT (practice_id, blind_index) DO UPDATE
    SET reason = excluded.reason, since = excluded.since, until = excluded.until
"""
_ALL_STATEMENTS: Final = f"""
    SELECT {_STATEMENT}, recorded_at, recorded_by FROM consent
    WHERE practice_id = %(practice_id)s AND client_id = ANY(%(clients)s) ORDER BY id
"""
_OF_CLIENTS: Final = "WHERE practice_id = %(practice_id)s AND client_id = ANY(%(clients)s)"
_FORGET_PERMISSIONS: Final = f"DELETE FROM permission {_OF_CLIENTS}"
_FORGET_OPT_OUTS: Final = f"DELETE FROM opt_out {_OF_CLIENTS}"
_SAVE_PERMISSIONS: Final = """
    INSERT INTO permission (practice_id, client_id, channel, purpose, blind_index, granted_at)
    SELECT %(practice_id)s, given.*
    FROM unnest(%(clients)s::text[], %(channels)s::text[], %(purposes)s::text[],
                %(indexes)s::text[], %(times)s::timestamptz[]) AS given
"""
_SAVE_OPT_OUTS: Final = """
    INSERT INTO opt_out (practice_id, client_id, blind_index, purpose, withdrawn_at)
    SELECT %(practice_id)s, given.*
    FROM unnest(%(clients)s::text[], %(indexes)s::text[], %(purposes)s::text[],
                %(times)s::timestamptz[]) AS given
"""


class PostgresContacts:
    """`Contacts` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def save(self, practice_id: str, contacts: Sequence[SealedContact]) -> None:
        """See `Contacts.save`."""
        columns = {
            "practice_id": practice_id,
            "clients": [each.client_id for each in contacts],
            "channels": [each.channel.value for each in contacts],
            "addresses": [each.address for each in contacts],
            "names": [each.name for each in contacts],
            "languages": [each.language for each in contacts],
            "indexes": [each.blind_index for each in contacts],
            "zones": [each.zone for each in contacts],
        }
        execute(self._tx, _SAVE_CONTACTS, columns)

    def remove(self, key: ContactKey) -> bool:
        """See `Contacts.remove`."""
        params = {**key._asdict(), "channel": key.channel.value}
        return execute(self._tx, _REMOVE_CONTACT, params) == 1

    def points(
        self, practice_id: str, client_ids: Collection[str]
    ) -> Mapping[ContactKey, list[Point]]:
        """See `Contacts.points`."""
        found: dict[ContactKey, list[Point]] = defaultdict(list)
        params = {"practice_id": practice_id, "clients": sorted(set(client_ids))}
        for row in fetch(self._tx, _POINTS, params):
            key = ContactKey(practice_id, row.client_id, Channel(row.channel))
            point = Point(row.valid_from, row.blind_index, row.is_dated, row.said_from)
            found[key].append(point)
        return found

    def add_points(self, points: Sequence[tuple[ContactKey, Point]]) -> None:
        """See `Contacts.add_points`."""
        columns = {
            "practices": [key.practice_id for key, _ in points],
            "clients": [key.client_id for key, _ in points],
            "channels": [key.channel.value for key, _ in points],
            "valid_from": [point.valid_from for _, point in points],
            "indexes": [point.blind_index for _, point in points],
            "dated": [point.is_dated for _, point in points],
            "said_from": [point.said_from for _, point in points],
        }
        execute(self._tx, _ADD_POINTS, columns)

    def of_client(
        self, practice_id: str, client_id: str, now: datetime | None
    ) -> list[StoredContact]:
        """See `Contacts.of_client`."""
        params = {"practice_id": practice_id, "client_id": client_id, "now": now}
        return [
            StoredContact(
                ContactKey(practice_id, client_id, Channel(row.channel)),
                row.sealed_address,
                row.language,
                Rest(row.reason, row.since, row.until) if row.reason is not None else None,
                row.zone,
            )
            for row in fetch(self._tx, _CONTACTS, params)
        ]

    def home(self, practice_id: str) -> PracticeHome | None:
        """See `Contacts.home`."""
        row = fetch_one(self._tx, _HOME, {"practice_id": practice_id})
        return None if row is None else PracticeHome(row.region, row.zone)

    def rest(self, points: Sequence[RestingPoint]) -> None:
        """See `Contacts.rest`."""
        rows = {
            (point.practice_id, point.blind_index): {
                "practice_id": point.practice_id,
                "blind_index": point.blind_index,
                **point.rest._asdict(),
            }
            for point in points
        }
        if rows:
            execute_many(self._tx, _REST, [row for _, row in sorted(rows.items())])


class PostgresConsents:
    """`Consents` within one transaction."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx

    def append(
        self, practice_id: str, statements: Sequence[ConsentStatement], recording: Recording
    ) -> Appended:
        """See `Consents.append`."""
        columns = {
            "practice_id": practice_id,
            "recorded_at": recording.at,
            "recorded_by": recording.by,
            "ids": [each.id for each in statements],
            "stated": [each.stated_at for each in statements],
            "clients": [each.client_id for each in statements],
            "channels": [each.channel.value for each in statements],
            "purposes": [each.purpose.value for each in statements],
            "granted": [each.granted for each in statements],
            "evidence": [each.evidence for each in statements],
            "text_versions": [each.text_version for each in statements],
            "indexes": [each.contact_index for each in statements],
        }
        new = fetch(self._tx, _SAVE_CONSENTS, columns)
        stored = fetch(self._tx, _STATEMENTS, {"practice_id": practice_id, "ids": columns["ids"]})
        return Appended(
            {row.statement_id: _statement(row) for row in stored}, {row.client_id for row in new}
        )

    def statements(
        self, practice_id: str, client_ids: Collection[str]
    ) -> Mapping[str, list[RecordedStatement]]:
        """See `Consents.statements`."""
        found: dict[str, list[RecordedStatement]] = defaultdict(list)
        params = {"practice_id": practice_id, "clients": sorted(set(client_ids))}
        for row in fetch(self._tx, _ALL_STATEMENTS, params):
            recorded = RecordedStatement(_statement(row), row.recorded_at, row.recorded_by)
            found[row.client_id].append(recorded)
        return found

    def save_client_words(self, practice_id: str, words: Mapping[str, ClientWord]) -> None:
        """See `Consents.save_client_words`."""
        allowed = [(client, one) for client, each in words.items() for one in each.permissions]
        refused = [(client, one) for client, each in words.items() for one in each.opt_outs]
        lock_contacts(self._tx, [(practice_id, each.blind_index) for _, each in refused])
        clients = {"practice_id": practice_id, "clients": sorted(words)}
        execute(self._tx, _FORGET_PERMISSIONS, clients)
        execute(self._tx, _FORGET_OPT_OUTS, clients)
        permissions = {
            "practice_id": practice_id,
            "clients": [client for client, _ in allowed],
            "channels": [each.channel.value for _, each in allowed],
            "purposes": [each.purpose.value for _, each in allowed],
            "indexes": [each.blind_index for _, each in allowed],
            "times": [each.granted_at for _, each in allowed],
        }
        execute(self._tx, _SAVE_PERMISSIONS, permissions)
        opt_outs = {
            "practice_id": practice_id,
            "clients": [client for client, _ in refused],
            "purposes": [each.purpose.value for _, each in refused],
            "indexes": [each.blind_index for _, each in refused],
            "times": [each.at for _, each in refused],
        }
        execute(self._tx, _SAVE_OPT_OUTS, opt_outs)


def _statement(row: Any) -> ConsentStatement:
    return ConsentStatement(
        id=row.statement_id,
        stated_at=row.stated_at,
        client_id=row.client_id,
        channel=Channel(row.channel),
        purpose=Purpose(row.purpose),
        granted=row.granted,
        evidence=row.evidence,
        text_version=row.text_version,
        contact_index=row.contact_index,
    )
