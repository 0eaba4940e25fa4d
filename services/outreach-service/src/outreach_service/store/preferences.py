"""Contacts and consents as rows: addresses and names sealed, consents only ever added."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from outreach_service.domain.consents import (
    ConsentStatement,
    ContactUpdate,
    CurrentConsent,
    MaskedContact,
    Preferences,
    Subscription,
    masked,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.sealing import CannotUnseal, Keyring
from outreach_service.store.clock import business_time
from outreach_service.store.contact_cipher import address_place, name_place
from outreach_service.store.locks import lock_clients
from rapport_runtime.database import Database, execute, fetch, fetch_value

ONE_CLICK: Final = "one-click"
"""The evidence, and the version of the text, of a withdrawal by link."""

UNREADABLE: Final = "***"
"""Shown for an address whose key is gone."""

_SAVE_CONTACTS: Final = """
    INSERT INTO contact (practice_id, client_id, channel, sealed_address, sealed_name, language,
                         blind_index, updated_at)
    SELECT %(practice_id)s, given.*, clock_timestamp()
    FROM unnest(%(clients)s::text[], %(channels)s::text[], %(addresses)s::text[],
                %(names)s::text[], %(languages)s::text[], %(indexes)s::text[]) AS given
    ON CONFLICT (practice_id, client_id, channel) DO UPDATE
    SET sealed_address = excluded.sealed_address, sealed_name = excluded.sealed_name,
        language = excluded.language, blind_index = excluded.blind_index,
        updated_at = excluded.updated_at
"""
_REMOVE_CONTACT: Final = """
    DELETE FROM contact
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND channel = %(channel)s
"""
_SAVE_CONSENTS: Final = """
    INSERT INTO consent (practice_id, client_id, channel, purpose, granted, evidence, text_version,
                         stated_at)
    SELECT %(practice_id)s, client_id, channel, purpose, granted, evidence, text_version,
           %(stated_at)s
    FROM unnest(%(clients)s::text[], %(channels)s::text[], %(purposes)s::text[],
                %(granted)s::boolean[], %(evidence)s::text[],
                %(text_versions)s::text[])
        WITH ORDINALITY
        AS stated(client_id, channel, purpose, granted, evidence, text_version, place)
    ORDER BY place
"""
_LAST_CONSENT: Final = """
    SELECT granted FROM consent
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s AND channel = %(channel)s
      AND purpose = %(purpose)s
    ORDER BY id DESC LIMIT 1
"""
_CONTACTS: Final = """
    SELECT channel, sealed_address, language FROM contact
    WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s ORDER BY channel
"""
_LAST_CONSENTS: Final = """
    SELECT DISTINCT ON (channel, purpose) channel, purpose, granted, evidence, text_version,
           stated_at, count(*) OVER (PARTITION BY channel, purpose) AS statements
    FROM consent WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
    ORDER BY channel, purpose, id DESC
"""
_IS_KNOWN: Final = """
    SELECT true FROM client WHERE practice_id = %(practice_id)s AND client_id = %(client_id)s
"""


class PostgresPreferences:
    """`PreferenceStore` from the API's side of row-level security.

    Every write takes the clients' locks first in its transaction, as the dispatcher's claim does:
    what is claimed after a withdrawal's commit has seen it (L1, R25).
    """

    def __init__(self, database: Database, keyring: Keyring, *, simulated: bool) -> None:
        self._database = database
        self._keyring = keyring
        self._simulated = simulated

    def save_contacts(
        self, practice_id: str, updates: Sequence[ContactUpdate]
    ) -> Sequence[MaskedContact]:
        """See `PreferenceStore.save_contacts`."""
        last = list({(one.client_id, one.channel): one for one in updates}.values())
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, one.client_id) for one in last])
            execute(tx, _SAVE_CONTACTS, self._contact_columns(practice_id, last))
        return [
            MaskedContact(
                one.client_id, one.channel, masked(one.channel, one.address), one.language
            )
            for one in updates
        ]

    def remove_contact(self, practice_id: str, client_id: str, channel: Channel) -> bool:
        """See `PreferenceStore.remove_contact`."""
        params = {"practice_id": practice_id, "client_id": client_id, "channel": channel.value}
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, client_id)])
            return execute(tx, _REMOVE_CONTACT, params) == 1

    def save_consents(self, practice_id: str, statements: Sequence[ConsentStatement]) -> datetime:
        """See `PreferenceStore.save_consents`."""
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, one.client_id) for one in statements])
            return self._append(tx, practice_id, statements)

    def unsubscribe(self, subscription: Subscription) -> None:
        """See `PreferenceStore.unsubscribe`."""
        practice_id, client_id, channel, purpose = subscription
        params = {
            "practice_id": practice_id,
            "client_id": client_id,
            "channel": channel.value,
            "purpose": purpose.value,
        }
        withdrawal = ConsentStatement(
            client_id, channel, purpose, granted=False, evidence=ONE_CLICK, text_version=ONE_CLICK
        )
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, client_id)])
            if fetch_value(tx, _LAST_CONSENT, params) is not False:
                self._append(tx, practice_id, [withdrawal])

    def get(self, practice_id: str, client_id: str) -> Preferences | None:
        """See `PreferenceStore.get`."""
        params = {"practice_id": practice_id, "client_id": client_id}
        with self._database.transaction(practice_id) as tx:
            contacts = fetch(tx, _CONTACTS, params)
            consents = fetch(tx, _LAST_CONSENTS, params)
            is_known = contacts or consents or fetch_value(tx, _IS_KNOWN, params)
        if not is_known:
            return None
        return Preferences(
            [self._masked(practice_id, client_id, row) for row in contacts],
            [_current_consent(client_id, row) for row in consents],
        )

    def _append(
        self, tx: sa.Connection, practice_id: str, statements: Sequence[ConsentStatement]
    ) -> datetime:
        stated_at = business_time(tx, simulated=self._simulated)
        columns = {
            "practice_id": practice_id,
            "stated_at": stated_at,
            "clients": [one.client_id for one in statements],
            "channels": [one.channel.value for one in statements],
            "purposes": [one.purpose.value for one in statements],
            "granted": [one.granted for one in statements],
            "evidence": [one.evidence for one in statements],
            "text_versions": [one.text_version for one in statements],
        }
        execute(tx, _SAVE_CONSENTS, columns)
        return stated_at

    def _contact_columns(
        self, practice_id: str, updates: Sequence[ContactUpdate]
    ) -> dict[str, Any]:
        seal = self._keyring.seal
        index = self._keyring.blind_index
        return {
            "practice_id": practice_id,
            "clients": [one.client_id for one in updates],
            "channels": [one.channel.value for one in updates],
            "addresses": [
                seal(one.address, address_place(practice_id, one.client_id, one.channel))
                for one in updates
            ],
            "names": [
                seal(one.name, name_place(practice_id, one.client_id, one.channel))
                for one in updates
            ],
            "languages": [one.language for one in updates],
            "indexes": [index(practice_id, one.channel.value, one.address) for one in updates],
        }

    def _masked(self, practice_id: str, client_id: str, row: Any) -> MaskedContact:
        channel = Channel(row.channel)
        try:
            place = address_place(practice_id, client_id, channel)
            shown = masked(channel, self._keyring.unseal(row.sealed_address, place))
        except CannotUnseal:
            shown = UNREADABLE
        return MaskedContact(client_id, channel, shown, row.language)


def _current_consent(client_id: str, row: Any) -> CurrentConsent:
    statement = ConsentStatement(
        client_id,
        Channel(row.channel),
        Purpose(row.purpose),
        row.granted,
        row.evidence,
        row.text_version,
    )
    return CurrentConsent(statement, row.stated_at, row.statements)
