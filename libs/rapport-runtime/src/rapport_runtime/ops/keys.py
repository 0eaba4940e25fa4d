"""API keys as rows: operators make, rotate, revoke and list them; each request verifies one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rapport_runtime.database import Database, execute, fetch, fetch_one
from rapport_runtime.db_errors import DatabaseError, describe
from rapport_runtime.http.api_keys import (
    Principal,
    checked_label,
    checked_practice,
    checked_scopes,
    new_key,
    parse_key,
    same_hash,
)
from rapport_runtime.http.problems import Unavailable
from rapport_runtime.logs import get_logger
from rapport_runtime.ops import audit
from rapport_runtime.ops.shared_keys import KeyLog

LONGEST_DAYS, LONGEST_OVERLAP_HOURS = 3650, 24 * 90
"""For so long a key may be made, and may it hold beside its successor; without days it never
expires."""
_NO_HASH = bytes(32)
_NOT_READ = "what became of API keys was not read for 15 minutes, so none is let in"
_FIRST = ""
log = get_logger(__name__)

_CREATE = """
    INSERT INTO api_key (id, secret_hash, practice_id, scopes, label, term, expires_at)
    VALUES (%(id)s, %(secret_hash)s, %(practice_id)s, %(scopes)s, %(label)s,
        %(valid_for)s::interval, now() + %(valid_for)s::interval)
"""
_LOCK = """
    SELECT practice_id, scopes, label, term, shared FROM api_key
    WHERE id = %(id)s AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > now())
    FOR UPDATE
"""
_END_LATER = """
    UPDATE api_key SET expires_at = least(expires_at, now() + %(overlap)s::interval)
    WHERE id = %(id)s
"""
_REVOKE = "UPDATE api_key SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL"
_ROWS = """
    SELECT id, practice_id, scopes, label, created_at, expires_at, revoked_at, last_used_at
    FROM api_key
"""
_PAGE = f"{_ROWS} WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
_ONE = f"{_ROWS} WHERE id = %(id)s"
_VERIFY = """
    SELECT id, secret_hash, practice_id, scopes, label, expires_at, shared,
        revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS holds,
        coalesce(last_used_at < now() - interval '1 minute', true) AS was_long_unused
    FROM api_key WHERE id = ANY(%(ids)s)
"""
# Whoever notes the use of the same key at the same moment is not waited for.
_NOTE_USE = """
    UPDATE api_key SET last_used_at = now() WHERE id IN (
        SELECT id FROM api_key WHERE id = ANY(%(ids)s)
          AND coalesce(last_used_at < now() - interval '1 minute', true)
        FOR UPDATE SKIP LOCKED
    )
"""


@dataclass(frozen=True)
class KeyRow:
    """One key as a list may show it: no secret, no hash. `last_used_at` is a minute late at most,
    and None for a key that was never used at this service."""

    id: str
    practice_id: str | None
    scopes: tuple[str, ...]
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create_key(
    tx: Connection,
    *,
    practice_id: str | None,
    scopes: Sequence[str],
    valid_for: timedelta | None = None,
    label: str = "",
) -> str:
    """Make a key and return it whole; the only time that it can be seen.

    `practice_id` None makes an operator's key, `valid_for` None one that never expires. Raises
    ValueError for a bad slug, scope or label. Which scopes there are, the caller has checked
    (`key_scopes`).
    """
    raw, parts = new_key()
    parameters = {
        "id": parts.id,
        "secret_hash": parts.secret_hash,
        "practice_id": checked_practice(practice_id),
        "scopes": list(checked_scopes(scopes)),
        "label": checked_label(label),
        "valid_for": valid_for,
    }
    execute(tx, _CREATE, parameters)
    return raw


def rotate_key(tx: Connection, key_id: str, *, overlap: timedelta) -> str:
    """Make a key that may do the same, and let the old one end when `overlap` has passed, if it
    does not end before; the new key, whole.

    A key that was made for so many days gives one for as many, from now. Raises LookupError unless
    the old one holds, ValueError for one that another service has made.
    """
    old = fetch_one(tx, _LOCK, {"id": key_id})
    if old is None:
        raise LookupError(f"no key {key_id} that still holds")
    if old.shared:
        raise ValueError(f"another service has made the key {key_id}: it is rotated there")
    execute(tx, _END_LATER, {"id": key_id, "overlap": overlap})
    return create_key(
        tx,
        practice_id=old.practice_id,
        scopes=old.scopes,
        valid_for=old.term,
        label=old.label,
    )


def revoke_key(tx: Connection, key_id: str) -> bool:
    """Revoke a key by its id; False when there is none, or it was revoked already."""
    return execute(tx, _REVOKE, {"id": key_id}) == 1


def record_act(tx: Connection, actor: str, action: audit.Action, key_id: str) -> None:
    """Write down in the audit who made, rotated or revoked a key."""
    audit.record(tx, audit.AuditEntry(actor, action, "key", key_id, reason=None))


def list_keys(tx: Connection, *, after: str = _FIRST, limit: int | None = None) -> list[KeyRow]:
    """The keys by id, after the one of the id `after`; all of them without a limit."""
    return [_row(row) for row in fetch(tx, _PAGE, {"after": after, "limit": limit})]


def one_key(tx: Connection, key_id: str) -> KeyRow | None:
    """One key, whether it holds or not; None when there is none of the id."""
    row = fetch_one(tx, _ONE, {"id": key_id})
    return None if row is None else _row(row)


class ApiKeys:
    """Verifies keys against the table with each call; `RememberedKeys` caches the answers.

    Where `log` brings the keys of another service, these hold only while it is read: who does not
    read it would not learn that a key was revoked. Nor is a key that is not known refused for good
    then, for it may stand there. The use of a key is noted at most once a minute; that it cannot be
    noted refuses nobody.
    """

    def __init__(self, database: Database, log: KeyLog | None = None) -> None:
        self._database = database
        self._log = log

    def verify(self, raw_key: str) -> Principal | None:
        """The holder, or None for a key that is malformed, unknown, revoked or expired. Raises
        `Unavailable` while nobody here can know."""
        verified = self._verified([raw_key])
        if raw_key in verified.open:
            raise Unavailable(_NOT_READ, reason="keys-not-read")
        return verified.held.get(raw_key)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        """The holders of those that hold, by key, from one transaction; a key of which nobody here
        can know is left out."""
        return self._verified(raw_keys).held

    def _verified(self, raw_keys: Collection[str]) -> "_Verified":
        asked = {raw: parts for raw in raw_keys if (parts := parse_key(raw)) is not None}
        if not asked:
            return _Verified({}, set())
        ids = list({parts.id for parts in asked.values()})
        with self._database.transaction() as tx:
            # In this order: the rows then know at least what had been read.
            is_read = self._log is None or self._log.is_read(tx)
            rows = {row.id: row for row in fetch(tx, _VERIFY, {"ids": ids})}
        verified = _Verified({}, set())
        for raw, parts in asked.items():
            row = rows.get(parts.id)
            is_same = same_hash(_NO_HASH if row is None else row.secret_hash, parts.secret_hash)
            if not is_read and (row is None or (row.shared and row.holds and is_same)):
                verified.open.add(raw)
            elif row is not None and row.holds and is_same:
                verified.held[raw] = _principal(row)
        used = [rows[each.key_id] for each in verified.held.values()]
        self._note_use([row.id for row in used if row.was_long_unused])
        return verified

    def _note_use(self, key_ids: Sequence[str]) -> None:
        if not key_ids:
            return
        try:
            with self._database.transaction(operator=True) as tx:
                execute(tx, _NOTE_USE, {"ids": list(key_ids)})
        except (*DatabaseError, PoolTimeout) as error:
            log.warning("key_use_not_noted", error=describe(error))


class _Verified(NamedTuple):
    """The holders of the keys that hold, and the keys of which nobody here can know."""

    held: dict[str, Principal]
    open: set[str]


def _principal(row: Any) -> Principal:
    scopes = frozenset(row.scopes)
    return Principal(row.id, row.practice_id, scopes, row.label, row.expires_at)


def _row(row: object) -> KeyRow:
    values = {name: getattr(row, name) for name in KeyRow.__dataclass_fields__}
    return KeyRow(**values | {"scopes": tuple(values["scopes"])})
