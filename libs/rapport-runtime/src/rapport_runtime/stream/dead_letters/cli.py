"""`letters list | count | show | replay | drop` at the command line of every service (F37)."""

import argparse
from typing import Any

from rapport_runtime.database import Database
from rapport_runtime.ops.operators import OperatorCommand, Refused, Secrets, actor, add_reason
from rapport_runtime.stream.dead_letters.routes import letter_shape
from rapport_runtime.stream.dead_letters.sealed import CannotOpen, opened
from rapport_runtime.stream.dead_letters.store import (
    Actor,
    DeadLetterFilter,
    DeadLetterStore,
    ReplayPolicy,
)

_STATES = ("held", "queued", "replayed", "dropped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="letters", description="dead letters of this service")
    commands = parser.add_subparsers(required=True)
    listed = commands.add_parser("list", help="which, where and why; the oldest first")
    listed.add_argument("--state", choices=_STATES)
    _add_filter(listed)
    listed.add_argument("--limit", type=int, default=100)
    listed.set_defaults(run=_list)
    counted = commands.add_parser("count", help="how many, by practice and reason; most first")
    counted.add_argument("--state", choices=_STATES, default="held")
    _add_filter(counted)
    counted.add_argument("--limit", type=int, default=100)
    counted.set_defaults(run=_count)
    show = commands.add_parser("show", help="one letter, redacted")
    show.add_argument("id", type=int)
    show.set_defaults(run=_show)
    replay = commands.add_parser("replay", help="one by its id, or --count of those held")
    replay.add_argument("id", type=int, nargs="?")
    _add_filter(replay)
    replay.add_argument("--count", type=int, help="at most so many")
    replay.add_argument("--order", choices=("oldest", "newest"), default="oldest")
    replay.add_argument("--stop-after", type=int, help="give up when so many are held again")
    replay.add_argument("--dry-run", action="store_true", help="only say how many")
    add_reason(replay, required=False)
    replay.set_defaults(run=_replay)
    drop = commands.add_parser("drop", help="decide that one is never to be handled")
    drop.add_argument("id", type=int)
    add_reason(drop, required=False)
    drop.set_defaults(run=_drop)
    return parser


def _add_filter(parser: argparse.ArgumentParser) -> None:
    for part in ("reason", "topic", "field", "practice"):
        parser.add_argument(f"--{part}")


def _filter(options: argparse.Namespace) -> DeadLetterFilter:
    return DeadLetterFilter(
        state=getattr(options, "state", None),
        reason=options.reason,
        topic=options.topic,
        field=options.field,
        practice=options.practice,
    )


def _actor(options: argparse.Namespace) -> Actor:
    """Who gives a command that only reads is not asked."""
    acts = hasattr(options, "by") and not getattr(options, "dry_run", False)
    name = actor(options) if acts else ""
    return Actor(name=name, all_practices=True, reason=getattr(options, "why", None))


def _list(store: DeadLetterStore, options: argparse.Namespace) -> list[str]:
    rows = store.page(_actor(options), _filter(options), after=0, limit=options.limit)
    return [_line(row) for row in rows]


def _count(store: DeadLetterStore, options: argparse.Namespace) -> list[str]:
    rows = store.tally(_actor(options), _filter(options), limit=options.limit)
    return [f"{row.letters}\t{row.named_practice or '-'}\t{row.reason}" for row in rows]


def _show(store: DeadLetterStore, options: argparse.Namespace) -> list[str]:
    row = store.get(_actor(options), options.id)
    if row is None:
        raise Refused(f"no letter {options.id}")
    try:
        content = opened(options.secrets.record_keyring, row)
    except CannotOpen as error:
        raise Refused(str(error)) from error
    return [letter_shape(row, content, options.secrets.cursor_key).model_dump_json(indent=2)]


def _replay(store: DeadLetterStore, options: argparse.Namespace) -> list[str]:
    if (options.id is None) == (options.count is None):
        raise Refused("name one letter by its id, or say --count")
    if options.id is not None:
        return [_decided(store.queue(_actor(options), options.id), options.id, "was dropped")]
    if options.count < 1 or (options.stop_after or 1) < 1:
        raise Refused("--count and --stop-after are at least 1")
    policy = ReplayPolicy(count=options.count, order=options.order, stop_after=options.stop_after)
    if options.dry_run:
        return [f"{store.count(_actor(options), _filter(options), policy)} would be queued"]
    return [f"{store.queue_many(_actor(options), _filter(options), policy)} queued"]


def _drop(store: DeadLetterStore, options: argparse.Namespace) -> list[str]:
    return [_decided(store.drop(_actor(options), options.id), options.id, "was replayed")]


def _decided(row: Any, letter_id: int, obstacle: str) -> str:
    if row is None:
        raise Refused(f"no letter {letter_id}, or it {obstacle}")
    return _line(row)


def _line(row: Any) -> str:
    where = f"{row.topic}/{row.partition}@{row.record_offset}"
    return "\t".join(
        (
            str(row.id),
            row.state,
            where,
            row.named_practice or "-",
            row.reason,
            row.field or "-",
            row.detail,
        )
    )


def _letters(database: Database, secrets: Secrets, options: argparse.Namespace) -> list[str]:
    options.secrets = secrets
    lines: list[str] = options.run(DeadLetterStore(database), options)
    return lines


letters = OperatorCommand(_parser(), _letters)
"""The command `letters`, with the worker's role: the letters of all practices."""
