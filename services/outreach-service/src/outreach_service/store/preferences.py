"""Contacts and consents as rows: addresses and names sealed, words only ever added."""

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
from outreach_service.sealing import CannotUnseal, Keyring, Place
from outreach_service.store.clock import business_time
from outreach_service.store.locks import lock_clients
from rapport_runtime.database import Database

ONE_CLICK: Final = "one-click"
"""The evidence, and the version of the text, of a withdrawal by link."""

UNREADABLE: Final = "***"
"""Shown for an address whose key is gone."""

_SAVE_CONTACTS: Final = sa.text("""
    INSERT INTO contact (practice_id, client_id, channel, sealed_address, sealed_name, language,
                         blind_index, updated_at)
    SELECT :practice_id, said.*, clock_timestamp()
    FROM unnest(CAST(:clients AS text[]), CAST(:channels AS text[]), CAST(:addresses AS text[]),
                CAST(:names AS text[]), CAST(:languages AS text[]),
                CAST(:indexes AS text[])) AS said
    ON CONFLICT (practice_id, client_id, channel) DO UPDATE
    SET sealed_address = excluded.sealed_address, sealed_name = excluded.sealed_name,
        language = excluded.language, blind_index = excluded.blind_index,
        updated_at = excluded.updated_at
""")
_REMOVE_CONTACT: Final = sa.text("""
    DELETE FROM contact
    WHERE practice_id = :practice_id AND client_id = :client_id AND channel = :channel
""")
_SAVE_CONSENTS: Final = sa.text("""
    INSERT INTO consent (practice_id, client_id, channel, purpose, granted, evidence, text_version,
                         stated_at)
    SELECT :practice_id, client_id, channel, purpose, granted, evidence, text_version, :stated_at
    FROM unnest(CAST(:clients AS text[]), CAST(:channels AS text[]), CAST(:purposes AS text[]),
                CAST(:granted AS boolean[]), CAST(:evidence AS text[]),
                CAST(:text_versions AS text[]))
        WITH ORDINALITY
        AS said(client_id, channel, purpose, granted, evidence, text_version, place)
    ORDER BY place
""")
_LAST_WORD: Final = sa.text("""
    SELECT granted FROM consent
    WHERE practice_id = :practice_id AND client_id = :client_id AND channel = :channel
      AND purpose = :purpose
    ORDER BY id DESC LIMIT 1
""")
_CONTACTS: Final = sa.text("""
    SELECT channel, sealed_address, language FROM contact
    WHERE practice_id = :practice_id AND client_id = :client_id ORDER BY channel
""")
_WORDS: Final = sa.text("""
    SELECT DISTINCT ON (channel, purpose) channel, purpose, granted, evidence, text_version,
           stated_at, count(*) OVER (PARTITION BY channel, purpose) AS statements
    FROM consent WHERE practice_id = :practice_id AND client_id = :client_id
    ORDER BY channel, purpose, id DESC
""")
_HEARD_OF: Final = sa.text(
    "SELECT 1 FROM client WHERE practice_id = :practice_id AND client_id = :client_id"
)


def address_place(practice_id: str, client_id: str, channel: Channel) -> Place:
    """Where a sealed address belongs."""
    return Place(practice_id, client_id, f"contact.{channel}")


def name_place(practice_id: str, client_id: str, channel: Channel) -> Place:
    """Where a sealed name belongs."""
    return Place(practice_id, client_id, f"name.{channel}")


class PostgresPreferences:
    """`PreferenceStore` from the API's side of row-level security.

    Every write takes the clients' locks first in its transaction, as the dispatcher's claim does:
    what is claimed after a withdrawal's commit has seen it (RELIABILITY L1, R25).
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
            tx.execute(_SAVE_CONTACTS, self._contact_rows(practice_id, last))
        return [
            MaskedContact(
                one.client_id, one.channel, masked(one.channel, one.address), one.language
            )
            for one in updates
        ]

    def remove_contact(self, practice_id: str, client_id: str, channel: Channel) -> bool:
        """See `PreferenceStore.remove_contact`."""
        asked = {"practice_id": practice_id, "client_id": client_id, "channel": channel.value}
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, client_id)])
            return tx.execute(_REMOVE_CONTACT, asked).rowcount == 1

    def save_consents(self, practice_id: str, statements: Sequence[ConsentStatement]) -> datetime:
        """See `PreferenceStore.save_consents`."""
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, one.client_id) for one in statements])
            return self._append(tx, practice_id, statements)

    def unsubscribe(self, subscription: Subscription) -> None:
        """See `PreferenceStore.unsubscribe`."""
        practice_id, client_id, channel, purpose = subscription
        asked = {
            "practice_id": practice_id,
            "client_id": client_id,
            "channel": channel.value,
            "purpose": purpose.value,
        }
        no = ConsentStatement(
            client_id, channel, purpose, granted=False, evidence=ONE_CLICK, text_version=ONE_CLICK
        )
        with self._database.transaction(practice_id) as tx:
            lock_clients(tx, [(practice_id, client_id)])
            if tx.execute(_LAST_WORD, asked).scalar() is not False:
                self._append(tx, practice_id, [no])

    def get(self, practice_id: str, client_id: str) -> Preferences | None:
        """See `PreferenceStore.get`."""
        asked = {"practice_id": practice_id, "client_id": client_id}
        with self._database.transaction(practice_id) as tx:
            contacts = tx.execute(_CONTACTS, asked).fetchall()
            words = tx.execute(_WORDS, asked).fetchall()
            is_known = contacts or words or tx.execute(_HEARD_OF, asked).first() is not None
        if not is_known:
            return None
        return Preferences(
            [self._masked(practice_id, client_id, row) for row in contacts],
            [_word(client_id, row) for row in words],
        )

    def _append(
        self, tx: sa.Connection, practice_id: str, statements: Sequence[ConsentStatement]
    ) -> datetime:
        stated_at = business_time(tx, simulated=self._simulated)
        rows = {
            "practice_id": practice_id,
            "stated_at": stated_at,
            "clients": [one.client_id for one in statements],
            "channels": [one.channel.value for one in statements],
            "purposes": [one.purpose.value for one in statements],
            "granted": [one.granted for one in statements],
            "evidence": [one.evidence for one in statements],
            "text_versions": [one.text_version for one in statements],
        }
        tx.execute(_SAVE_CONSENTS, rows)
        return stated_at

    def _contact_rows(self, practice_id: str, updates: Sequence[ContactUpdate]) -> dict[str, Any]:
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

    def _masked(self, practice_id: str, client_id: str, row: sa.Row[Any]) -> MaskedContact:
        channel = Channel(row.channel)
        try:
            place = address_place(practice_id, client_id, channel)
            shown = masked(channel, self._keyring.unseal(row.sealed_address, place))
        except CannotUnseal:
            shown = UNREADABLE
        return MaskedContact(client_id, channel, shown, row.language)


def _word(client_id: str, row: sa.Row[Any]) -> CurrentConsent:
    statement = ConsentStatement(
        client_id,
        Channel(row.channel),
        Purpose(row.purpose),
        row.granted,
        row.evidence,
        row.text_version,
    )
    return CurrentConsent(statement, row.stated_at, row.statements)
