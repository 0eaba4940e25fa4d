"""Pauses: operators stop a worker, a topic or a practice until they resume it (F37).

A pause is a row of the service's own database. The loop reads these rows about once a second; the
claim of a batch and the claim of messages check them in their own transaction.
"""

import functools
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.database import execute, fetch, fetch_one, fetch_value
from rapport_runtime.ops import audit

Kind = Literal["worker", "topic", "practice"]
EVERY_WORKER = "*"
"""The subject that stops all workers of a service, including those that start later."""


class NotPausable(Exception):
    """This service cannot pause that; the message gives the reason and an alternative."""


class NoSuchSubject(Exception):
    """There is no such worker or practice, or the service does not read such a topic."""


class PastEnd(Exception):
    """The end of the pause has passed already."""


@dataclass(frozen=True)
class Pausable:
    """What a service can pause besides its workers: the topics that it reads, and practices.
    `practices` tells whether a practice is known; or it is a text: why none can be paused here."""

    topics: Sequence[str]
    practices: Callable[[Connection, str], bool] | str


@dataclass(frozen=True)
class PauseRequest:
    """A request to pause or resume `subject`; `ends_at` is for pauses only."""

    actor: str
    kind: Kind
    subject: str
    reason: str
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Pause:
    """A pause in force."""

    kind: Kind
    subject: str
    paused_at: datetime
    ends_at: datetime | None
    actor: str
    reason: str


@dataclass(frozen=True)
class PauseAnswer:
    """What came of a request to pause: whether it changed anything, and the pause in force."""

    changed: bool
    in_force: Pause


@dataclass(frozen=True)
class Stopped:
    """What one worker must not read, as of its last look."""

    worker: bool = False
    topics: frozenset[str] = frozenset()

    def stops(self, partition: TopicPartition) -> bool:
        """Whether nothing of `partition` may be read."""
        return self.worker or partition.topic in self.topics

    def summary(self) -> str:
        """For probes and logs: `ready`, `paused`, or `paused: ` and the topics."""
        if self.worker:
            return "paused"
        return f"paused: {', '.join(sorted(self.topics))}" if self.topics else "ready"


_IN_FORCE = "(ends_at IS NULL OR ends_at > clock_timestamp())"
# A worker that has left, or was killed and is forgotten after an hour, is not paused any more.
_ALL = f"""
    SELECT kind, subject, paused_at, ends_at, who AS actor, why AS reason FROM pause
    WHERE {_IN_FORCE} AND (kind <> 'worker' OR subject = '*'
        OR EXISTS (SELECT FROM worker WHERE worker_id = subject))
    ORDER BY kind, subject
"""  # noqa: S608 - the parts are constants of this file
_ONE = """
    SELECT kind, subject, paused_at, ends_at, who AS actor, why AS reason FROM pause
    WHERE kind = %(kind)s AND subject = %(subject)s
"""
_OF_WORKER = f"""
    SELECT kind, subject FROM pause
    WHERE {_IN_FORCE} AND (kind = 'topic' OR kind = 'worker' AND subject IN ('*', %(worker)s))
"""  # noqa: S608 - as above
# One that ends sooner than the pause in force changes nothing, not its reason either. An end that
# is not there is the latest of all.
_PAUSE = """
    INSERT INTO pause (kind, subject, ends_at, who, why)
    VALUES (%(kind)s, %(subject)s, %(ends_at)s, %(actor)s, %(reason)s)
    ON CONFLICT (kind, subject) DO UPDATE
    SET ends_at = excluded.ends_at, who = excluded.who, why = excluded.why,
        paused_at = CASE WHEN pause.ends_at <= clock_timestamp() THEN clock_timestamp()
            ELSE pause.paused_at END
    WHERE pause.ends_at <= clock_timestamp()
        OR coalesce(excluded.ends_at, 'infinity') > coalesce(pause.ends_at, 'infinity')
        OR excluded.ends_at IS NOT DISTINCT FROM pause.ends_at AND pause.why <> excluded.why
"""
_RESUME = f"""
    DELETE FROM pause WHERE kind = %(kind)s AND subject = %(subject)s RETURNING {_IN_FORCE}
"""  # noqa: S608 - as above
_IS_PAST = "SELECT %(ends_at)s::timestamptz <= clock_timestamp()"
_WORKERS = "SELECT worker_id FROM worker ORDER BY worker_id"


def paused(kind: Kind, subject: str) -> str:
    """An SQL condition: whether the subject that the SQL expression `subject` names is paused
    now. For statements that must obey a pause in their own transaction."""
    return (
        f"EXISTS (SELECT FROM pause WHERE pause.kind = '{kind}'"
        f" AND pause.subject = {subject}"
        " AND (pause.ends_at IS NULL OR pause.ends_at > clock_timestamp()))"
    )


def this_worker() -> str:
    """The id of this process in the table `worker`, by which it can be paused: host, PID and a
    random part, since a container that restarts has the same host and PID."""
    return f"{socket.gethostname()}-{os.getpid()}-{_this_start()}"


@functools.cache
def _this_start() -> str:
    return secrets.token_hex(3)


def in_force(tx: Connection) -> list[Pause]:
    """All pauses of this service, by kind and subject."""
    return [Pause(**row._asdict()) for row in fetch(tx, _ALL)]


def stopped(tx: Connection) -> Stopped:
    """What this worker must not read now."""
    rows = fetch(tx, _OF_WORKER, {"worker": this_worker()})
    return Stopped(
        worker=any(row.kind == "worker" for row in rows),
        topics=frozenset(row.subject for row in rows if row.kind == "topic"),
    )


def pause(tx: Connection, pausable: Pausable, request: PauseRequest) -> PauseAnswer:
    """Pause. A later end replaces the old, and so does another reason for the same end; a pause
    in force is never shortened.

    Raises NotPausable, NoSuchSubject, PastEnd.
    """
    _check(tx, pausable, request)
    if request.ends_at is not None and fetch_value(tx, _IS_PAST, {"ends_at": request.ends_at}):
        raise PastEnd("`until` has passed already")
    changed = execute(tx, _PAUSE, vars(request)) == 1
    if changed:
        _record(tx, "pause", request)
    row = fetch_one(tx, _ONE, vars(request))
    return PauseAnswer(changed, Pause(**row._asdict()))


def resume(tx: Connection, pausable: Pausable, request: PauseRequest) -> bool:
    """End the pause; False when there was none, which is no error.

    Raises NotPausable or NoSuchSubject when there was none and could not be. What has gone since
    it was paused can be resumed.
    """
    was_in_force = bool(fetch_value(tx, _RESUME, vars(request)))
    if was_in_force:
        _record(tx, "resume", request)
    else:
        _check(tx, pausable, request)
    return was_in_force


def _check(tx: Connection, pausable: Pausable, request: PauseRequest) -> None:
    if request.kind == "practice":
        if isinstance(pausable.practices, str):
            raise NotPausable(pausable.practices)
        if not pausable.practices(tx, request.subject):
            raise NoSuchSubject("no such practice is known here")
    if request.kind == "topic" and request.subject not in pausable.topics:
        raise NoSuchSubject(f"this service reads {', '.join(pausable.topics)}")
    if request.kind == "worker" and request.subject != EVERY_WORKER:
        known = [row.worker_id for row in fetch(tx, _WORKERS)]
        if request.subject not in known:
            raise NoSuchSubject(f"workers are: {', '.join(known) or 'none'}; * is all of them")


def _record(tx: Connection, action: audit.Action, request: PauseRequest) -> None:
    entry = audit.AuditEntry(
        request.actor,
        action,
        request.kind,
        request.subject,
        request.reason,
        ends_at=request.ends_at,
    )
    audit.record(tx, entry)
