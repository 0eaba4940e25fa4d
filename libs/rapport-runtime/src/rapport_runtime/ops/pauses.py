"""What operators have stopped: a worker, a topic or a practice, until they let it go on (F37).

A pause is a row of the service's own database. Who must obey looks at it there: the loop about
once a second, the claim of a batch and the claim of messages in their own transaction.
"""

import functools
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.ops import audit

Kind = Literal["worker", "topic", "practice"]
EVERY_WORKER = "*"
"""The subject that stops all workers of a service, those too that start later."""


class NotPausable(Exception):
    """This service cannot pause that; the message says why, and what can be done instead."""


class NoSuchSubject(Exception):
    """There is no such worker or practice, or the service does not read such a topic."""


class PastEnd(Exception):
    """A pause cannot end before it has begun."""


@dataclass(frozen=True)
class Pausable:
    """What a service can be told to pause, besides its workers: topics that it reads, and
    practices: whether it knows one, or why none can be paused here."""

    topics: Sequence[str]
    practices: Callable[[sa.Connection, str], bool] | str


@dataclass(frozen=True)
class PauseRequest:
    """Somebody's request to pause or resume `subject`, and why; `ends_at` is for pauses."""

    who: str
    kind: Kind
    subject: str
    why: str
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Pause:
    """A pause in force."""

    kind: Kind
    subject: str
    paused_at: datetime
    ends_at: datetime | None
    who: str
    why: str


@dataclass(frozen=True)
class Stopped:
    """What one worker has to leave alone, as last looked at."""

    worker: bool = False
    topics: frozenset[str] = frozenset()

    def stops(self, partition: TopicPartition) -> bool:
        """Whether nothing of `partition` may be read."""
        return self.worker or partition.topic in self.topics

    def said(self) -> str:
        """One word for probes: ready, or what is paused."""
        if self.worker:
            return "paused"
        return f"paused: {', '.join(sorted(self.topics))}" if self.topics else "ready"


_IN_FORCE = "(ends_at IS NULL OR ends_at > clock_timestamp())"
# A worker that has left, or was killed and is forgotten after an hour, is not paused any more.
_ALL = sa.text(f"""
    SELECT kind, subject, paused_at, ends_at, who, why FROM pause
    WHERE {_IN_FORCE} AND (kind <> 'worker' OR subject = '*'
        OR EXISTS (SELECT FROM worker WHERE worker_id = subject))
    ORDER BY kind, subject
""")  # noqa: S608 - the parts are constants of this file
_OF_WORKER = sa.text(f"""
    SELECT kind, subject FROM pause
    WHERE {_IN_FORCE} AND (kind = 'topic' OR kind = 'worker' AND subject IN ('*', :worker))
""")  # noqa: S608 - as above
_PAUSE = sa.text("""
    INSERT INTO pause (kind, subject, ends_at, who, why)
    VALUES (:kind, :subject, :ends_at, :who, :why)
    ON CONFLICT (kind, subject) DO UPDATE
    SET ends_at = excluded.ends_at, who = excluded.who, why = excluded.why,
        paused_at = CASE WHEN pause.ends_at <= clock_timestamp() THEN clock_timestamp()
            ELSE pause.paused_at END
    WHERE pause.ends_at IS DISTINCT FROM excluded.ends_at OR pause.why <> excluded.why
""")
_RESUME = sa.text(f"""
    DELETE FROM pause WHERE kind = :kind AND subject = :subject RETURNING {_IN_FORCE}
""")  # noqa: S608 - as above
_IS_PAST = sa.text("SELECT CAST(:ends_at AS timestamptz) <= clock_timestamp()")
_WORKERS = sa.text("SELECT worker_id FROM worker ORDER BY worker_id")


def paused(kind: Kind, subject: str) -> str:
    """An SQL condition for statements that must obey: whether what the SQL expression `subject`
    names is paused at this moment."""
    return (
        f"EXISTS (SELECT FROM pause WHERE pause.kind = '{kind}'"
        f" AND pause.subject = {subject}"
        " AND (pause.ends_at IS NULL OR pause.ends_at > clock_timestamp()))"
    )


def this_worker() -> str:
    """The id under which this process says that it lives, and can be paused: host, PID and its
    start, since a container that starts again has the same host and PID."""
    return f"{socket.gethostname()}-{os.getpid()}-{_this_start()}"


@functools.cache
def _this_start() -> str:
    return secrets.token_hex(3)


def in_force(tx: sa.Connection) -> list[Pause]:
    """All pauses of this service, by kind and subject."""
    return [Pause(*row) for row in tx.execute(_ALL)]


def stopped(tx: sa.Connection) -> Stopped:
    """What this worker has to leave alone now."""
    rows = tx.execute(_OF_WORKER, {"worker": this_worker()}).all()
    return Stopped(
        worker=any(row.kind == "worker" for row in rows),
        topics=frozenset(row.subject for row in rows if row.kind == "topic"),
    )


def pause(tx: sa.Connection, pausable: Pausable, request: PauseRequest) -> bool:
    """Pause; False when the same pause is in force already. A new end or reason replaces the old.

    Raises NotPausable, NoSuchSubject, PastEnd.
    """
    _check(tx, pausable, request)
    if (
        request.ends_at is not None
        and tx.execute(_IS_PAST, {"ends_at": request.ends_at}).scalar_one()
    ):
        raise PastEnd("`until` has passed already")
    changed = tx.execute(_PAUSE, _row(request)).rowcount == 1
    if changed:
        _note(tx, "pause", request)
    return changed


def resume(tx: sa.Connection, request: PauseRequest) -> bool:
    """Let go on; False when it was not paused, which is no error."""
    was_in_force = tx.execute(_RESUME, {"kind": request.kind, "subject": request.subject}).scalar()
    if was_in_force:
        _note(tx, "resume", request)
    return bool(was_in_force)


def _check(tx: sa.Connection, pausable: Pausable, request: PauseRequest) -> None:
    if request.kind == "practice":
        if isinstance(pausable.practices, str):
            raise NotPausable(pausable.practices)
        if not pausable.practices(tx, request.subject):
            raise NoSuchSubject("no such practice is known here")
    if request.kind == "topic" and request.subject not in pausable.topics:
        raise NoSuchSubject(f"this service reads {', '.join(pausable.topics)}")
    if request.kind == "worker" and request.subject != EVERY_WORKER:
        known = tx.execute(_WORKERS).scalars().all()
        if request.subject not in known:
            raise NoSuchSubject(f"workers are: {', '.join(known) or 'none'}; * is all of them")


def _row(request: PauseRequest) -> dict[str, object]:
    return {
        "kind": request.kind,
        "subject": request.subject,
        "ends_at": request.ends_at,
        "who": request.who,
        "why": request.why,
    }


def _note(tx: sa.Connection, action: audit.Action, request: PauseRequest) -> None:
    entry = audit.AuditEntry(
        request.who, action, request.kind, request.subject, request.why, ends_at=request.ends_at
    )
    audit.record(tx, entry)
