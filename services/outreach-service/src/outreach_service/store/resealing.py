"""Seal contact details again with the active key, so that an older key can be removed."""

from typing import Any, NamedTuple

from outreach_service.domain.terms import Channel
from outreach_service.sealing import ContactKeyring
from outreach_service.store.contact_cipher import address_place, name_place
from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.sealing import CannotUnseal

PAGE_ROWS = 500

_PAGE = """
    SELECT practice_id, client_id, channel, sealed_address, sealed_name FROM contact
    WHERE (practice_id, client_id, channel) > (%(practice_id)s, %(client_id)s, %(channel)s)
    ORDER BY practice_id, client_id, channel LIMIT %(rows)s
"""
# A contact that was written meanwhile is left as it is: the active key has sealed it.
_RESEAL = """
    UPDATE contact SET sealed_address = %(address)s, sealed_name = %(name)s
    WHERE (practice_id, client_id, channel) = (%(practice_id)s, %(client_id)s, %(channel)s)
      AND sealed_address = %(sealed_address)s AND sealed_name = %(sealed_name)s
"""


class Resealed(NamedTuple):
    """How many contacts were sealed again, and how many no key of ours opens."""

    sealed: int
    unreadable: int


def reseal(database: Database, keyring: ContactKeyring) -> Resealed:
    """Seal with the active key what an older key sealed, page by page, each page in a transaction;
    may be run again."""
    after = {"practice_id": "", "client_id": "", "channel": ""}
    sealed = unreadable = 0
    while True:
        with database.transaction() as tx:
            rows = fetch(tx, _PAGE, {**after, "rows": PAGE_ROWS})
            for row in rows:
                if all(map(keyring.is_current, (row.sealed_address, row.sealed_name))):
                    continue
                try:
                    sealed += execute(tx, _RESEAL, _resealed(keyring, row))
                except CannotUnseal:
                    unreadable += 1
        if len(rows) < PAGE_ROWS:
            return Resealed(sealed, unreadable)
        after = {name: getattr(rows[-1], name) for name in after}


def _resealed(keyring: ContactKeyring, row: Any) -> dict[str, str]:
    """A contact's row with its details under the active key beside the old."""
    key = row.practice_id, row.client_id, Channel(row.channel)
    address, name = address_place(*key), name_place(*key)
    return {
        **row._asdict(),
        "address": keyring.seal(keyring.unseal(row.sealed_address, address), address),
        "name": keyring.seal(keyring.unseal(row.sealed_name, name), name),
    }
