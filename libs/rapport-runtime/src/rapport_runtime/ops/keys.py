"""API keys as rows: create, revoke and list them by hand, verify them on every request."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rapport_runtime.database import Database
from rapport_runtime.http.api_keys import (
    Principal,
    checked_practice,
    checked_scopes,
    new_key,
    parse_key,
    same_hash,
)
from rapport_runtime.row_security import API_ROLE, WORKER_ROLE, Migration, grant

_NO_HASH = bytes(32)


def api_key_table(metadata: MetaData) -> Table:
    """The table `api_key`; it is read before the practice is known, so no row-level security."""
    return Table(
        "api_key",
        metadata,
        Column("id", Text, primary_key=True),
        Column("secret_hash", LargeBinary, nullable=False),
        Column("practice_id", Text),  # null: an operator's key
        Column("scopes", ARRAY(Text), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("expires_at", DateTime(timezone=True)),
        Column("revoked_at", DateTime(timezone=True)),
        CheckConstraint("octet_length(secret_hash) = 32", name="api_key_hash_is_sha256"),
        CheckConstraint("cardinality(scopes) > 0", name="api_key_can_do_something"),
    )


_KEYS = api_key_table(MetaData())


def create_api_key_table(op: Migration) -> None:
    """For a migration: make the table; the API's role may only read it, the worker's nothing."""
    _KEYS.create(op.get_bind())
    grant(op, _KEYS.name, role=API_ROLE)
    grant(op, _KEYS.name, role=WORKER_ROLE, may=())


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
    connection: Connection,
    *,
    practice_id: str | None,
    scopes: Sequence[str],
    valid_for: timedelta | None = None,
) -> str:
    """Make a key and return it whole; this is the only time that anybody can see it.

    `practice_id` None makes an operator's key. Raises ValueError for a bad slug or scope.
    """
    raw, parts = new_key()
    connection.execute(
        insert(_KEYS).values(
            id=parts.id,
            secret_hash=parts.secret_hash,
            practice_id=checked_practice(practice_id),
            scopes=list(checked_scopes(scopes)),
            expires_at=None if valid_for is None else func.now() + valid_for,
        )
    )
    return raw


def revoke_key(connection: Connection, key_id: str) -> bool:
    """Revoke a key by its id; False when there is none that still holds."""
    revoked = connection.execute(
        update(_KEYS)
        .where(_KEYS.c.id == key_id, _KEYS.c.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )
    return revoked.rowcount == 1


def list_keys(connection: Connection) -> list[KeyRow]:
    """All keys, the oldest first."""
    shown = [column for column in _KEYS.columns if column.name != "secret_hash"]
    rows = connection.execute(select(*shown).order_by(_KEYS.c.created_at, _KEYS.c.id))
    return [
        KeyRow(
            id=row.id,
            practice_id=row.practice_id,
            scopes=tuple(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    ]


class ApiKeys:
    """Verifies keys against the table, with every call; see `RememberedKeys` for who asks often."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verify(self, raw_key: str) -> Principal | None:
        """The holder, or None for a key that is malformed, unknown, revoked or expired."""
        parts = parse_key(raw_key)
        return None if parts is None else self._read(parts.id, parts.secret_hash)

    def _read(self, key_id: str, secret_hash: bytes) -> Principal | None:
        with self._database.transaction() as connection:
            row = connection.execute(
                select(_KEYS.c.secret_hash, _KEYS.c.practice_id, _KEYS.c.scopes).where(
                    _KEYS.c.id == key_id,
                    _KEYS.c.revoked_at.is_(None),
                    or_(_KEYS.c.expires_at.is_(None), _KEYS.c.expires_at > func.now()),
                )
            ).one_or_none()
        stored = _NO_HASH if row is None else bytes(row.secret_hash)
        if not same_hash(stored, secret_hash) or row is None:
            return None
        return Principal(key_id, row.practice_id, frozenset(row.scopes))


def cli(database_url: str, argv: Sequence[str]) -> int:
    """The `keys` command of a service: create, revoke, list. Returns the exit code.

    `create` prints the key and nothing else, so that `KEY=$(… keys create …)` works.
    `database_url` is the owner's: the API's role may not write keys.
    """
    asked = _parser().parse_args(argv)
    database = Database(database_url, application_name="rapport-keys")
    try:
        with database.transaction() as connection:
            lines: list[str] = asked.run(connection, asked)
    except (ValueError, LookupError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        database.close()
    sys.stdout.writelines(f"{line}\n" for line in lines)
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


def _create(connection: Connection, asked: argparse.Namespace) -> list[str]:
    raw = create_key(
        connection,
        practice_id=asked.practice,
        scopes=[scope.strip() for scope in asked.scopes.split(",")],
        valid_for=None if asked.days is None else timedelta(days=asked.days),
    )
    return [raw]


def _revoke(connection: Connection, asked: argparse.Namespace) -> list[str]:
    if not revoke_key(connection, asked.id):
        raise LookupError(f"no key {asked.id} that still holds")
    return [f"revoked {asked.id}"]


def _list(connection: Connection, _asked: argparse.Namespace) -> list[str]:
    return ["\t".join(_cells(row)) for row in list_keys(connection)]


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
