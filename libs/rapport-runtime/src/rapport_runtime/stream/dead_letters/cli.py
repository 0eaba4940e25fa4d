"""`letters list | show | replay | drop` at the command line of every service (F37)."""

import argparse
from collections.abc import Sequence
from typing import Any

from rapport_runtime.database import Database
from rapport_runtime.ops.operators import Refused, add_reason, answer
from rapport_runtime.stream.dead_letters.routes import letter_shape
from rapport_runtime.stream.dead_letters.store import (
    Actor,
    DeadLetterFilter,
    DeadLetterStore,
    ReplayPolicy,
)

_STATES = ("held", "queued", "replayed", "dropped")


def letters(database: Database, secret: bytes, argv: Sequence[str]) -> int:
    """The `letters` command, on a worker's role: the letters of all practices. Returns the exit
    code."""
    asked = _parser().parse_args(argv)
    asked.secret = secret
    return answer(lambda: asked.run(DeadLetterStore(database), asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="letters", description="dead letters of this service")
    commands = parser.add_subparsers(required=True)
    listed = commands.add_parser("list", help="which, where and why; the oldest first")
    listed.add_argument("--state", choices=_STATES)
    _add_filter(listed)
    listed.add_argument("--limit", type=int, default=100)
    listed.set_defaults(run=_list)
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


def _filter(asked: argparse.Namespace) -> DeadLetterFilter:
    return DeadLetterFilter(
        state=getattr(asked, "state", None),
        reason=asked.reason,
        topic=asked.topic,
        field=asked.field,
        practice=asked.practice,
    )


def _who(asked: argparse.Namespace) -> Actor:
    by, why = getattr(asked, "by", ""), getattr(asked, "why", None)
    return Actor(who=by, everyones=True, why=why)


def _list(box: DeadLetterStore, asked: argparse.Namespace) -> list[str]:
    rows = box.page(_who(asked), _filter(asked), after=0, limit=asked.limit)
    return [_line(row) for row in rows]


def _show(box: DeadLetterStore, asked: argparse.Namespace) -> list[str]:
    row = box.letter(_who(asked), asked.id)
    if row is None:
        raise Refused(f"no letter {asked.id}")
    return [letter_shape(row, asked.secret).model_dump_json(indent=2)]


def _replay(box: DeadLetterStore, asked: argparse.Namespace) -> list[str]:
    if (asked.id is None) == (asked.count is None):
        raise Refused("name one letter by its id, or say --count")
    if asked.id is not None:
        return [_decided(box.queue(_who(asked), asked.id), asked.id, "was dropped")]
    if asked.count < 1 or (asked.stop_after or 1) < 1:
        raise Refused("--count and --stop-after are at least 1")
    policy = ReplayPolicy(count=asked.count, order=asked.order, stop_after=asked.stop_after)
    if asked.dry_run:
        return [f"{box.count(_who(asked), _filter(asked), policy)} would be queued"]
    return [f"{box.queue_many(_who(asked), _filter(asked), policy)} queued"]


def _drop(box: DeadLetterStore, asked: argparse.Namespace) -> list[str]:
    return [_decided(box.drop(_who(asked), asked.id), asked.id, "was replayed")]


def _decided(row: Any, letter_id: int, otherwise: str) -> str:
    if row is None:
        raise Refused(f"no letter {letter_id}, or it {otherwise}")
    return _line(row)


def _line(row: Any) -> str:
    where = f"{row.topic}/{row.partition}@{row.record_offset}"
    return "\t".join(
        (
            str(row.id),
            row.state,
            where,
            row.practice_id or "-",
            row.reason,
            row.field or "-",
            row.detail,
        )
    )
