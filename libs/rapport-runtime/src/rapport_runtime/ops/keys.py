"""API keys as rows: operators create, revoke and list them; each request verifies one."""

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.http.api_keys import (
    Principal,
    checked_practice,
    checked_scopes,
    new_key,
    parse_key,
    same_hash,
)
from rapport_runtime.ops.operators import print_lines

_NO_HASH = bytes(32)

_CREATE = """
    INSERT INTO api_key (id, secret_hash, practice_id, scopes, expires_at)
    VALUES (%(id)s, %(secret_hash)s, %(practice_id)s, %(scopes)s,
        now() + %(valid_for)s::interval)
"""
_REVOKE = "UPDATE api_key SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL"
_LIST = """
    SELECT id, practice_id, scopes, created_at, expires_at, revoked_at FROM api_key
    ORDER BY created_at, id
"""
_VERIFY = """
    SELECT id, secret_hash, practice_id, scopes FROM api_key
    WHERE id = ANY(%(ids)s) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""


@dataclass(frozen=True)
class KeyRow:
    """One key as a list may show it: no secret, no hash."""

    id: str
    practice_id: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def create_key(
    tx: Connection,
    *,
    practice_id: str | None,
    scopes: Sequence[str],
    valid_for: timedelta | None = None,
) -> str:
    """Make a key and return it whole; the only time that it can be seen.

    `practice_id` None makes an operator's key, `valid_for` None one that never expires. Raises
    ValueError for a bad slug or scope.
    """
    raw, parts = new_key()
    parameters = {
        "id": parts.id,
        "secret_hash": parts.secret_hash,
        "practice_id": checked_practice(practice_id),
        "scopes": list(checked_scopes(scopes)),
        "valid_for": valid_for,
    }
    execute(tx, _CREATE, parameters)
    return raw


def revoke_key(tx: Connection, key_id: str) -> bool:
    """Revoke a key by its id; False when there is none, or it was revoked already."""
    return execute(tx, _REVOKE, {"id": key_id}) == 1


def list_keys(tx: Connection) -> list[KeyRow]:
    """All keys, the oldest first."""
    return [
        KeyRow(
            id=row.id,
            practice_id=row.practice_id,
            scopes=tuple(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in fetch(tx, _LIST)
    ]


class ApiKeys:
    """Verifies keys against the table with each call; `RememberedKeys` caches the answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verify(self, raw_key: str) -> Principal | None:
        """The holder, or None for a key that is malformed, unknown, revoked or expired."""
        return self.verify_many([raw_key]).get(raw_key)

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        """The holders of those that hold, by key, from one statement."""
        asked = {raw: parts for raw in raw_keys if (parts := parse_key(raw)) is not None}
        if not asked:
            return {}
        ids = list({parts.id for parts in asked.values()})
        with self._database.transaction() as tx:
            rows = {row.id: row for row in fetch(tx, _VERIFY, {"ids": ids})}
        found: dict[str, Principal] = {}
        for raw, parts in asked.items():
            row = rows.get(parts.id)
            stored = _NO_HASH if row is None else row.secret_hash
            if same_hash(stored, parts.secret_hash) and row is not None:
                found[raw] = Principal(row.id, row.practice_id, frozenset(row.scopes))
        return found


def cli(owner_url: Callable[[], str], argv: Sequence[str]) -> int:
    """The `keys` command of a service: create, revoke, list. Returns the exit code.

    `create` prints the key and nothing else, so that `KEY=$(… keys create …)` works.
    `owner_url` gives the owner's address, since the API's role may not write keys; it is asked
    once the arguments are understood.
    """
    options = _parser().parse_args(argv)
    database = Database(owner_url(), application_name="rapport-keys")
    try:
        with database.transaction() as tx:
            lines: list[str] = options.run(tx, options)
    except (ValueError, LookupError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        database.close()
    print_lines(lines)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="keys", description="API keys of this service")
    commands = parser.add_subparsers(required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    holder = create.add_mutually_exclusive_group(required=True)
    holder.add_argument("--practice", help="the practice that the key sees")
    holder.add_argument("--operator", action="store_true", help="an operator's key")
    create.add_argument("--scopes", required=True, help="such as tiers:read,clients:write")
    create.add_argument("--days", type=int, help="days until it expires; without: never")
    create.set_defaults(run=_create)
    revoke = commands.add_parser("revoke", help="end a key; it may still pass for 2 seconds")
    revoke.add_argument("id", help="the part between rk_ and the next underscore")
    revoke.set_defaults(run=_revoke)
    commands.add_parser("list", help="all keys, without secrets").set_defaults(run=_list)
    return parser


def _create(tx: Connection, options: argparse.Namespace) -> list[str]:
    raw = create_key(
        tx,
        practice_id=options.practice,
        scopes=[scope.strip() for scope in options.scopes.split(",")],
        valid_for=None if options.days is None else timedelta(days=options.days),
    )
    return [raw]


def _revoke(tx: Connection, options: argparse.Namespace) -> list[str]:
    if not revoke_key(tx, options.id):
        raise LookupError(f"no key {options.id} that still holds")
    return [f"revoked {options.id}"]


def _list(tx: Connection, _options: argparse.Namespace) -> list[str]:
    return ["\t".join(_cells(row)) for row in list_keys(tx)]


def _cells(row: KeyRow) -> tuple[str, ...]:
    if row.revoked_at is not None:
        state = f"revoked {row.revoked_at.isoformat()}"
    elif row.expires_at is not None:
        state = f"expires {row.expires_at.isoformat()}"
    else:
        state = "holds"
    return (
        row.id,
        row.practice_id or "operator",
        ",".join(row.scopes),
        row.created_at.isoformat(),
        state,
    )
