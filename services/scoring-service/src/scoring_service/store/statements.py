"""Scoring's single statements: practices, rulebooks, zones served, sweeps to do."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rapport_runtime.database import fetch

_SAVE_PRACTICE = sa.text("""
    INSERT INTO practice (practice_id, name, zone, currency)
    VALUES (:practice_id, :name, :zone, :currency)
    ON CONFLICT (practice_id) DO UPDATE
    SET name = excluded.name, zone = excluded.zone, currency = excluded.currency
""")
_ZONES = sa.text("SELECT DISTINCT zone FROM client WHERE partition = :partition")
_AWAIT_FIRST = sa.text("""
    UPDATE client SET review_at = :watermark
    WHERE partition = :partition AND assessed_on IS NULL AND review_at IS NULL
""")
_LOCK = sa.text("""
    SELECT partition, processed_through FROM consumer_position
    WHERE consumer_group = :group AND topic = :topic AND partition = ANY(:partitions)
      AND processed_through IS NOT NULL AND swept_through IS DISTINCT FROM processed_through
    ORDER BY partition FOR UPDATE SKIP LOCKED
""")
_SWEPT = sa.text("""
    UPDATE consumer_position p SET swept_through = greatest(p.swept_through, swept.until)
    FROM unnest(:partitions ::int[], :instants ::timestamptz[]) AS swept(partition, until)
    WHERE p.consumer_group = :group AND p.topic = :topic AND p.partition = swept.partition
""")
_SWEPT_THROUGH = """
    SELECT partition, swept_through FROM consumer_position
    WHERE consumer_group = %s AND topic = %s AND partition = ANY(%s::int[])
      AND swept_through IS NOT NULL
"""
_REGISTER = sa.text("""
    INSERT INTO rulebook (key, version, body) VALUES (:key, :version, CAST(:body AS jsonb))
    ON CONFLICT DO NOTHING
""")
_REGISTERED = sa.text("SELECT body FROM rulebook WHERE key = :key AND version = :version")


@dataclass(frozen=True)
class SweepProgress:
    """The group and topic whose positions carry scoring's business time."""

    group: str
    topic: str

    @property
    def _names(self) -> dict[str, str]:
        return {"group": self.group, "topic": self.topic}

    def lock_unswept(self, tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        """Of these partitions those whose watermark has passed on while their sweep has not, with
        the instant up to which to sweep, their positions locked; without those whose row another
        worker has. While a row is held no batch of its partition can commit."""
        rows = tx.execute(_LOCK, {**self._names, "partitions": list(partitions)})
        return {row.partition: row.processed_through for row in rows}

    def mark_swept(self, tx: sa.Connection, until: Mapping[int, datetime]) -> None:
        """Say up to when time has been let pass for all clients of each partition."""
        columns = {"partitions": list(until), "instants": list(until.values())}
        tx.execute(_SWEPT, {**self._names, **columns})

    def swept_through(self, tx: sa.Connection, partitions: Iterable[int]) -> Mapping[int, datetime]:
        """How far each partition is swept; the watermark that may be passed on."""
        return dict(fetch(tx, _SWEPT_THROUGH, (self.group, self.topic, list(partitions))))


def save_practice(tx: sa.Connection, practice: Mapping[str, str]) -> None:
    """Remember a practice as it is now."""
    tx.execute(_SAVE_PRACTICE, dict(practice))


def zones_of(tx: sa.Connection, partition: int) -> set[str]:
    """The zones of the clients of a partition: whose midnights cut its batches."""
    return set(tx.execute(_ZONES, {"partition": partition}).scalars())


def await_first_assessment(tx: sa.Connection, partition: int, watermark: datetime) -> None:
    """At a partition's first watermark, make all that was folded before it due at that instant."""
    tx.execute(_AWAIT_FIRST, {"partition": partition, "watermark": watermark})


def register_rulebook(tx: sa.Connection, key: str, version: int, body: Any) -> None:
    """Keep what this version says. Raises ValueError when it once said something else."""
    tx.execute(_REGISTER, {"key": key, "version": version, "body": json.dumps(body)})
    if tx.execute(_REGISTERED, {"key": key, "version": version}).scalar_one() != body:
        msg = f"rulebook {key!r} version {version} is known with other content: give it a new one"
        raise ValueError(msg)
