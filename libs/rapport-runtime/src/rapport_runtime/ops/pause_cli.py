"""`pause`, `resume`, `pauses` and `audit` at the command line of every service (F37)."""

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rapport_runtime.database import Database, real_time
from rapport_runtime.ops import audit, pauses
from rapport_runtime.ops.operators import OperatorCommand, Refused, Secrets, actor, add_reason
from rapport_runtime.ops.pauses import (
    EVERY_WORKER,
    NoSuchSubject,
    NotPausable,
    PastEnd,
    Pausable,
    PauseAnswer,
    PauseRequest,
)

_KINDS = ("worker", "topic", "practice")


def commands(pausable: Pausable) -> Mapping[str, OperatorCommand]:
    """The commands by name, for a service where `pausable` can be paused."""
    return {
        "pause": _pause(pausable),
        "resume": _resume(pausable),
        "pauses": _reading(_pauses, "pauses", "what is paused, since when and why"),
        "audit": _reading(_audit, "audit", "what operators did, the oldest first"),
    }


def _pause(pausable: Pausable) -> OperatorCommand:
    parser = _parser("pause", "stop a worker, a topic or a practice; it takes effect in seconds")
    parser.add_argument("--hours", type=float, help="end by itself after so long; without: never")

    def act(database: Database, _secrets: Secrets, options: argparse.Namespace) -> list[str]:
        with database.transaction() as tx:
            ends_at = None
            if options.hours is not None:
                ends_at = real_time(tx) + timedelta(hours=options.hours)
            try:
                answer = pauses.pause(tx, pausable, _request(options, ends_at))
            except (NotPausable, NoSuchSubject, PastEnd) as refused:
                raise Refused(str(refused)) from refused
        return [f"{options.kind} {options.subject}: {_paused(answer, ends_at)}"]

    return OperatorCommand(parser, act)


def _paused(answer: PauseAnswer, wanted: datetime | None) -> str:
    if answer.changed:
        return "paused"
    pause = answer.in_force
    if pause.ends_at == wanted:
        return "was paused already"
    return (
        f"stays paused {_until(pause.ends_at)} by {pause.actor} ({pause.reason}):"
        " a pause is never shortened; to end it earlier, resume it"
    )


def _resume(pausable: Pausable) -> OperatorCommand:
    parser = _parser("resume", "let a worker, a topic or a practice go on")

    def act(database: Database, _secrets: Secrets, options: argparse.Namespace) -> list[str]:
        with database.transaction() as tx:
            try:
                changed = pauses.resume(tx, pausable, _request(options, None))
            except (NotPausable, NoSuchSubject) as refused:
                raise Refused(str(refused)) from refused
        return [f"{options.kind} {options.subject}: {'resumed' if changed else 'was not paused'}"]

    return OperatorCommand(parser, act)


def _reading(read: Callable[[Connection], list[str]], name: str, help_: str) -> OperatorCommand:
    def act(database: Database, _secrets: Secrets, _options: argparse.Namespace) -> list[str]:
        with database.transaction() as tx:
            return read(tx)

    return OperatorCommand(argparse.ArgumentParser(prog=name, description=help_), act)


def _pauses(tx: Connection) -> list[str]:
    return [
        _cells(p.kind, p.subject, f"since {_at(p.paused_at)}", _until(p.ends_at), p.actor, p.reason)
        for p in pauses.in_force(tx)
    ]


def _audit(tx: Connection) -> list[str]:
    lines: list[str] = []
    rows = audit.page(tx, after=0, limit=1000)
    while rows:
        lines += [
            _cells(
                _at(row.at),
                row.actor,
                row.action,
                row.kind,
                row.subject,
                str(row.count),
                row.reason or "-",
            )
            for row in rows
        ]
        rows = audit.page(tx, after=rows[-1].id, limit=1000)
    return lines


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("subject", help=f"its id or name; of workers {EVERY_WORKER} is all")
    add_reason(parser, required=True)
    return parser


def _request(options: argparse.Namespace, ends_at: datetime | None) -> PauseRequest:
    return PauseRequest(actor(options), options.kind, options.subject, options.why, ends_at)


def _until(ends_at: datetime | None) -> str:
    return "until resumed" if ends_at is None else f"until {_at(ends_at)}"


def _at(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def _cells(*cells: str) -> str:
    return "\t".join(cells)
