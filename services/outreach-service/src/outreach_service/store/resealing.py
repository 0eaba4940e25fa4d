"""Contact details under the active key again, so that an older key can go."""

from typing import NamedTuple

import sqlalchemy as sa

from outreach_service.domain.terms import Channel
from outreach_service.sealing import CannotUnseal, Keyring
from outreach_service.store.preferences import address_place, name_place
from rapport_runtime.database import Database

PAGE_ROWS = 500

_PAGE = sa.text("""
    SELECT practice_id, client_id, channel, sealed_address, sealed_name FROM contact
    WHERE (practice_id, client_id, channel) > (:practice_id, :client_id, :channel)
    ORDER BY practice_id, client_id, channel LIMIT :rows
""")
# A contact that was written meanwhile is left as it is: the active key has sealed it.
_RESEAL = sa.text("""
    UPDATE contact SET sealed_address = :address, sealed_name = :name
    WHERE (practice_id, client_id, channel) = (:practice_id, :client_id, :channel)
      AND sealed_address = :sealed_address AND sealed_name = :sealed_name
""")


class Resealed(NamedTuple):
    """How many contacts were sealed again, and how many no key of ours opens."""

    sealed: int
    unreadable: int


def reseal(database: Database, keyring: Keyring) -> Resealed:
    """Seal what an older key sealed, page by page, each in a transaction; may be run again."""
    after = {"practice_id": "", "client_id": "", "channel": ""}
    sealed = unreadable = 0
    while True:
        with database.transaction() as tx:
            rows = tx.execute(_PAGE, {**after, "rows": PAGE_ROWS}).mappings().all()
            for row in rows:
                if all(map(keyring.is_current, (row["sealed_address"], row["sealed_name"]))):
                    continue
                try:
                    sealed += tx.execute(_RESEAL, _again(keyring, dict(row))).rowcount
                except CannotUnseal:
                    unreadable += 1
        if len(rows) < PAGE_ROWS:
            return Resealed(sealed, unreadable)
        after = {name: rows[-1][name] for name in after}


def _again(keyring: Keyring, row: dict[str, str]) -> dict[str, str]:
    """A contact's row with its details under the active key beside the old."""
    of = row["practice_id"], row["client_id"], Channel(row["channel"])
    address, name = address_place(*of), name_place(*of)
    return {
        **row,
        "address": keyring.seal(keyring.unseal(row["sealed_address"], address), address),
        "name": keyring.seal(keyring.unseal(row["sealed_name"], name), name),
    }
