"""`pause`, `resume`, `pauses` and `audit` at the command line of every service (F37)."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from rapport_runtime.database import Database
from rapport_runtime.ops import audit, pauses
from rapport_runtime.ops.operators import OperatorCommand, Refused, add_reason, answer
from rapport_runtime.ops.pauses import (
    EVERY_WORKER,
    NoSuchSubject,
    NotPausable,
    PastEnd,
    Pausable,
    PauseRequest,
)

_KINDS = ("worker", "topic", "practice")
_NOW = sa.text("SELECT clock_timestamp()")


def commands(pausable: Pausable) -> Mapping[str, OperatorCommand]:
    """The commands by name, for a service where `pausable` can be paused."""
    return {
        "pause": lambda database, _key, argv: _pause(database, pausable, argv),
        "resume": _resume,
        "pauses": _in_database(_pauses, "pauses", "what is paused, since when and why"),
        "audit": _in_database(_audit, "audit", "what operators did, the oldest first"),
    }


def _pause(database: Database, pausable: Pausable, argv: Sequence[str]) -> int:
    parser = _parser("pause", "stop a worker, a topic or a practice; it takes effect in seconds")
    parser.add_argument("--hours", type=float, help="end by itself after so long; without: never")
    asked = parser.parse_args(argv)

    def say() -> list[str]:
        with database.transaction() as tx:
            ends_at = None
            if asked.hours is not None:
                now: datetime = tx.execute(_NOW).scalar_one()
                ends_at = now + timedelta(hours=asked.hours)
            try:
                changed = pauses.pause(tx, pausable, _request(asked, ends_at))
            except (NotPausable, NoSuchSubject, PastEnd) as refused:
                raise Refused(str(refused)) from refused
        return [f"{asked.kind} {asked.subject}: {'paused' if changed else 'was paused already'}"]

    return answer(say)


def _resume(database: Database, _key: bytes, argv: Sequence[str]) -> int:
    asked = _parser("resume", "let a worker, a topic or a practice go on").parse_args(argv)

    def say() -> list[str]:
        with database.transaction() as tx:
            changed = pauses.resume(tx, _request(asked, None))
        return [f"{asked.kind} {asked.subject}: {'resumed' if changed else 'was not paused'}"]

    return answer(say)


def _in_database(
    read: Callable[[sa.Connection], list[str]], name: str, help_: str
) -> OperatorCommand:
    def run(database: Database, _key: bytes, argv: Sequence[str]) -> int:
        argparse.ArgumentParser(prog=name, description=help_).parse_args(argv)

        def say() -> list[str]:
            with database.transaction() as tx:
                return read(tx)

        return answer(say)

    return run


def _pauses(tx: sa.Connection) -> list[str]:
    return [
        _cells(p.kind, p.subject, f"since {_at(p.paused_at)}", _until(p.ends_at), p.who, p.why)
        for p in pauses.in_force(tx)
    ]


def _audit(tx: sa.Connection) -> list[str]:
    lines: list[str] = []
    rows = audit.page(tx, after=0, limit=1000)
    while rows:
        lines += [
            _cells(_at(d.at), d.who, d.action, d.kind, d.subject, str(d.count), d.why or "-")
            for d in rows
        ]
        rows = audit.page(tx, after=rows[-1].id, limit=1000)
    return lines


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("subject", help=f"its id or name; of workers {EVERY_WORKER} is all")
    add_reason(parser, required=True)
    return parser


def _request(asked: argparse.Namespace, ends_at: datetime | None) -> PauseRequest:
    return PauseRequest(asked.by, asked.kind, asked.subject, asked.why, ends_at)


def _until(ends_at: datetime | None) -> str:
    return "until resumed" if ends_at is None else f"until {_at(ends_at)}"


def _at(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def _cells(*cells: str) -> str:
    return "\t".join(cells)
