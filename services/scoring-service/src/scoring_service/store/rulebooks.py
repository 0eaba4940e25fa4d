"""The rulebooks that workers have used, by key and version; the last registered one is in force."""

import json
from collections.abc import Sequence
from threading import Lock, Thread
from time import monotonic
from typing import Any

import sqlalchemy as sa

from rapport_runtime.database import Database, execute, fetch, fetch_one, fetch_value
from rapport_runtime.logs import get_logger
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.rulebook_change import check_change
from scoring_service.domain.rulebook_source import InvalidRulebook, parse_rulebook

log = get_logger(__name__)

FRESH_SECONDS = 5.0
"""So long an API answers by what it has read, before it looks again."""
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('rapport.rulebook', 0))"
_REGISTER = """
    INSERT INTO rulebook (key, version, body, registered_at)
    VALUES (%(key)s, %(version)s, %(body)s::jsonb, clock_timestamp())
"""
_REGISTERED = "SELECT body FROM rulebook ORDER BY registered_at DESC"
_IN_FORCE = "SELECT key, version, body FROM rulebook ORDER BY registered_at DESC LIMIT 1"
_IS_KNOWN = "SELECT 1 FROM rulebook WHERE key = %(key)s AND version = %(version)s"
_SOMEBODY_STANDS = "SELECT 1 FROM tier_change LIMIT 1"


def register_rulebook(tx: sa.Connection, source: Any) -> Rulebook:
    """The rulebook in the JSON `source`, which is stored and in force from now on.

    Raises InvalidRulebook for one that is none; for a version that is stored with other content,
    since the history names versions; for one before the one in force; and, once anybody has been
    assessed, for one in which clients might not fit (`check_change`).
    """
    rulebook = parse_rulebook(source)
    name = {"key": rulebook.key, "version": rulebook.version}
    execute(tx, _TURN)
    last = fetch_one(tx, _IN_FORCE)
    if last is not None and last.body == source:
        return rulebook
    if fetch_value(tx, _IS_KNOWN, name):
        raise InvalidRulebook(
            "version",
            f"{rulebook.version} is known, with other content or as one before: give it a new one",
        )
    if last is not None:
        if last.key == rulebook.key and last.version > rulebook.version:
            raise InvalidRulebook("version", f"must be above {last.version}, which is in force")
        if fetch_value(tx, _SOMEBODY_STANDS):
            check_change(parse_rulebook(last.body), rulebook)
    execute(tx, _REGISTER, {**name, "body": json.dumps(source)})
    return rulebook


class RegisteredRulebooks:
    """What the API assesses by: all registered rulebooks, the one in force first.

    They are read when they are first asked for, and looked at again in a thread of its own once
    they are FRESH_SECONDS old: nobody waits for that. As long as no worker has registered any, and
    so no client has a tier, it is `own` alone.
    """

    def __init__(self, database: Database, own: Rulebook) -> None:
        self._database = database
        self._own = own
        self._known: Sequence[Rulebook] = ()
        self._read_at = 0.0
        self._one_at_a_time = Lock()
        self._closed = False

    def __call__(self) -> Sequence[Rulebook]:
        """The rulebooks. Raises what the driver raises, until they have been read once."""
        if not self._known:
            self._read()
        elif monotonic() - self._read_at > FRESH_SECONDS and self._one_at_a_time.acquire(
            blocking=False
        ):
            Thread(target=self._read_again, name="rulebooks", daemon=True).start()
        return self._known or (self._own,)

    def close(self) -> None:
        """Wait for a look that is under way, and never look again: the database may be closed."""
        if not self._closed:
            self._closed = self._one_at_a_time.acquire()

    def _read(self) -> None:
        with self._database.transaction() as tx:
            rows = fetch(tx, _REGISTERED)
        self._known = [parse_rulebook(row.body) for row in rows]
        self._read_at = monotonic()

    def _read_again(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - whatever it was, what is known stays in force
            log.warning("rulebooks_not_read", error=type(error).__name__)
            self._read_at = monotonic()
        finally:
            self._one_at_a_time.release()
