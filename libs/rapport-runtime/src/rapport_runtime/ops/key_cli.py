"""The command `keys`: make, rotate, revoke and list API keys, and list what they may do."""

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from rapport_runtime.database import Database
from rapport_runtime.ops.key_scopes import KnownScope, check_scopes
from rapport_runtime.ops.keys import (
    LONGEST_DAYS,
    LONGEST_OVERLAP_HOURS,
    KeyRow,
    create_key,
    list_keys,
    record_act,
    revoke_key,
    rotate_key,
)
from rapport_runtime.ops.operators import account_name, print_lines
from rapport_runtime.ops.shared_keys import PublishKey

Act = Callable[[Connection, argparse.Namespace], list[str]]


def cli(
    owner_url: Callable[[], str],
    scopes: Collection[KnownScope],
    argv: Sequence[str],
    publish: PublishKey | None = None,
) -> int:
    """The `keys` command of a service, for keys with these scopes; `publish` tells other services
    of a key that was made or ended. Returns the exit code.

    `create` and `rotate` print the key and nothing else, so that `KEY=$(… keys create …)` works.
    `owner_url` gives the owner's address, for its tables are not the worker's to write; it is asked
    once the arguments are understood.
    """
    options = _parser(scopes, publishes=publish is not None).parse_args(argv)
    if options.run is None:
        print_lines(_scope_line(scope) for scope in scopes)
        return 0
    database = Database(owner_url(), application_name="rapport-keys")
    try:
        with database.transaction() as tx:
            lines: list[str] = options.run(tx, options)
            if publish is not None:
                for key_id in _changed(tx, options, lines):
                    publish(tx, key_id)
    except (ValueError, LookupError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        database.close()
    print_lines(lines)
    return 0


def _parser(scopes: Collection[KnownScope], *, publishes: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="keys", description="API keys of this service")
    commands = parser.add_subparsers(required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    holder = create.add_mutually_exclusive_group(required=True)
    holder.add_argument("--practice", help="the practice that the key sees")
    holder.add_argument("--operator", action="store_true", help="an operator's key")
    create.add_argument(
        "--scopes", required=True, help="what it may do, with commas; `keys scopes` lists them"
    )
    create.add_argument("--label", default="", help="who uses it for what, for the list")
    create.add_argument("--days", type=int, help="days until it expires; without: never")
    create.set_defaults(run=_creating(scopes))
    rotate = commands.add_parser("rotate", help="make its successor and print it, once")
    _add_id(rotate)
    rotate.add_argument(
        "--hours",
        type=int,
        choices=range(LONGEST_OVERLAP_HOURS + 1),
        metavar="HOURS",
        default=24,
        help=f"so long the old one still holds, 24 by default, {LONGEST_OVERLAP_HOURS} at most",
    )
    rotate.set_defaults(run=_rotate)
    revoke = commands.add_parser("revoke", help="end a key; it may still pass for 2 seconds")
    _add_id(revoke)
    revoke.set_defaults(run=_revoke)
    commands.add_parser("list", help="all keys, without secrets").set_defaults(run=_list)
    if publishes:
        again = commands.add_parser("publish", help="tell other services of all keys once more")
        again.set_defaults(run=_publish)
    listed = commands.add_parser("scopes", help="what keys may do here, and whose")
    listed.set_defaults(run=None)
    return parser


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the part between rk_ and the next underscore")


def _creating(known: Collection[KnownScope]) -> Act:
    def create(tx: Connection, options: argparse.Namespace) -> list[str]:
        scopes = [scope.strip() for scope in options.scopes.split(",")]
        check_scopes(scopes, options.practice, known)
        days = options.days
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise ValueError(f"--days is from 1 to {LONGEST_DAYS}")
        made = create_key(
            tx,
            practice_id=options.practice,
            scopes=scopes,
            valid_for=None if days is None else timedelta(days=days),
            label=options.label,
        )
        record_act(tx, _actor(), "create", _id(made))
        return [made]

    return create


def _rotate(tx: Connection, options: argparse.Namespace) -> list[str]:
    made = rotate_key(tx, options.id, overlap=timedelta(hours=options.hours))
    record_act(tx, _actor(), "rotate", options.id)
    record_act(tx, _actor(), "create", _id(made))
    return [made]


def _revoke(tx: Connection, options: argparse.Namespace) -> list[str]:
    if not revoke_key(tx, options.id):
        raise LookupError(f"no key {options.id} that still holds")
    record_act(tx, _actor(), "revoke", options.id)
    return [f"revoked {options.id}"]


def _list(tx: Connection, _options: argparse.Namespace) -> list[str]:
    rows = sorted(list_keys(tx), key=lambda row: (row.created_at, row.id))
    return ["\t".join(_cells(row)) for row in rows]


def _cells(row: KeyRow) -> tuple[str, ...]:
    if row.revoked_at is not None:
        state = f"revoked {row.revoked_at.isoformat()}"
    elif row.expires_at is not None:
        state = f"expires {row.expires_at.isoformat()}"
    else:
        state = "holds"
    used = "never used" if row.last_used_at is None else f"used {row.last_used_at.isoformat()}"
    return (
        row.id,
        row.practice_id or "operator",
        ",".join(row.scopes),
        row.created_at.isoformat(),
        state,
        used,
        row.label,
    )


def _publish(tx: Connection, _options: argparse.Namespace) -> list[str]:
    return [f"{len(list_keys(tx))} keys"]


def _changed(tx: Connection, options: argparse.Namespace, lines: Sequence[str]) -> list[str]:
    """The ids of the keys of which others are to be told."""
    if options.run is _publish:
        return [row.id for row in list_keys(tx)]
    made = [_id(line) for line in lines if line.startswith("rk_")]
    named = [options.id] if "id" in options else []
    return [*named, *made]


def _actor() -> str:
    """Who acts, for the audit; a container's account has no name of a person."""
    return account_name() or "the command keys"


def _id(raw: str) -> str:
    return raw.split("_")[1]


def _scope_line(scope: KnownScope) -> str:
    return f"{scope.name}\t{scope.holder}\t{scope.permits}"
