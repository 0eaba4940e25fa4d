"""The per-event baseline: the same job by the same rules, one transaction for each event.

psycopg without an ORM or a pool: one connection, prepared statements, binary rows. It lets no time
pass for clients whom no event touches, which is in its favour.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from rapport_contracts import topics
from rapport_contracts.canonical import ActivityRecorded, WatermarkAdvanced
from scoring_service import translate
from scoring_service.domain.assess import next_transition
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import Fact
from scoring_service.domain.periods import local_day
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change, catch_up, fold, review
from scoring_service.ports import TierTransition

Cursor = psycopg.Cursor[Any]

_GROUP = "baseline"
TOPIC = topics.CLIENT_ACTIVITY.name
_PLACE = """
    INSERT INTO consumer_position (consumer_group, topic, partition, topic_id, next_offset)
    VALUES (%s, %s, %s, '', 0)
"""
_LOCK = """
    SELECT generation, last_sequence, missing, digest, assessed_on, tier, score, version,
           effective_at, review_at
    FROM client WHERE practice_id = %s AND client_id = %s FOR UPDATE
"""
_SAVE = """
    INSERT INTO client (practice_id, client_id, partition, zone, generation, last_sequence,
        missing, stretches, digest, assessed_on, tier, score, version, effective_at, review_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, '', %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (practice_id, client_id) DO UPDATE SET
        last_sequence = excluded.last_sequence, missing = excluded.missing,
        digest = excluded.digest, assessed_on = excluded.assessed_on, tier = excluded.tier,
        score = excluded.score, version = excluded.version,
        effective_at = excluded.effective_at, review_at = excluded.review_at
"""
_HISTORY = """
    INSERT INTO tier_change (practice_id, client_id, scheme, version, rulebook_version, is_primary,
        from_tier, to_tier, direction, reason, origin, effective_at, happened_at, activity_id,
        score, on_day)
    VALUES (%s, %s, %s, %s, %s, true, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_OUTBOX = "INSERT INTO outbox (topic, partition, key, value) VALUES (%s, %s, %s, %s)"
_MOVE = """
    UPDATE consumer_position
    SET next_offset = %s, processed_through = greatest(processed_through, %s)
    WHERE consumer_group = %s AND topic = %s AND partition = %s
"""


class Baseline:
    """Handles one event at a time, each in a transaction of its own; then lets `publish`."""

    def __init__(
        self, url: str, rulebook: Rulebook, publish: Callable[[], object] = lambda: None
    ) -> None:
        self._db = psycopg.connect(url, options="-c timezone=UTC", autocommit=True)
        self._publish = publish
        self._rulebook = rulebook
        self._encode = translate.tier_changed(rulebook)
        self._tiers: dict[str | None, int | None] = {
            tier.key: index for index, tier in enumerate(rulebook.tiers)
        }
        self._tiers[None] = None
        self._time: dict[int, datetime] = {}
        places = [(_GROUP, TOPIC, number) for number in range(topics.PER_CLIENT_PARTITIONS)]
        with self._transaction() as cursor:
            cursor.executemany(_PLACE, places)

    def handle(self, partition: int, offset: int, event: object) -> None:
        """Fold one event and commit, its position with it."""
        reached, changed = None, False
        if isinstance(event, WatermarkAdvanced):
            reached = self._time[partition] = event.data.up_to
        with self._transaction() as cursor:
            if isinstance(event, ActivityRecorded):
                changed = self._activity(cursor, partition, event)
            cursor.execute(_MOVE, (offset + 1, reached, _GROUP, TOPIC, partition))
        if changed:
            self._publish()

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        with self._db.transaction(), self._db.cursor(binary=True) as cursor:
            yield cursor

    def _activity(self, cursor: Cursor, partition: int, event: ActivityRecorded) -> bool:
        fact = translate.numbered(event)
        if not isinstance(fact, Fact):
            return False
        state = self._locked(cursor, partition, event)
        day = local_day(self._time[partition], fact.zone)
        changes = catch_up(state, self._rulebook, first_day=day, to_day=day)
        if change := fold(state, fact, self._rulebook, day):
            changes.append(change)
        review(state, self._rulebook)
        self._save(cursor, state)
        for change in changes:
            self._record(cursor, state, change)
        return bool(changes)

    def _locked(self, cursor: Cursor, partition: int, event: ActivityRecorded) -> ClientState:
        client = event.data.client_id
        row = cursor.execute(_LOCK, (event.practiceid, client)).fetchone()
        state = ClientState(event.practiceid, client, partition, event.data.zone)
        if row is not None:
            state.generation, state.last_sequence = row[0], row[1]
            state.missing = tuple((gap.lower, gap.upper - 1) for gap in row[2])
            state.digest = Digest.from_bytes(row[3])
            state.assessed_on, state.tier, state.score = row[4], self._tiers[row[5]], row[6]
            state.version, state.effective_at, state.review_at = row[7], row[8], row[9]
            state.reviewed = True
        return state

    def _save(self, cursor: Cursor, state: ClientState) -> None:
        tier = None if state.tier is None else self._rulebook.tiers[state.tier].key
        row: list[Any] = [state.practice_id, state.client_id, state.partition, state.zone]
        gaps = Multirange([Range(first, last + 1) for first, last in state.missing])
        row += [state.generation, state.last_sequence, gaps]
        row += [state.digest.to_bytes(), state.assessed_on, tier, state.score]
        row += [state.version, state.effective_at, state.review_at]
        cursor.execute(_SAVE, row)

    def _record(self, cursor: Cursor, state: ClientState, change: Change) -> None:
        rulebook = self._rulebook
        row: list[Any] = [state.practice_id, state.client_id, rulebook.key, change.version]
        row += [rulebook.version, change.from_tier, change.to_tier]
        row += [change.direction, change.reason, change.origin, change.effective_at]
        row += [change.happened_at, change.activity_id, change.score, change.on_day]
        cursor.execute(_HISTORY, row)
        coming = next_transition(state.digest, rulebook, change.on_day, state.zone)
        cursor.execute(_OUTBOX, self._encode(TierTransition(state, change, coming)))

    def close(self) -> None:
        """Give the connection back."""
        self._db.close()
