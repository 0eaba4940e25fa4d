"""Ingestion's days and silences of sources in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.ports.freshness import Decision, SourceKey, SpokenDay, Watched
from tests.support.memory.ingestion_queues import QueueTables


@dataclass
class FreshnessTables:
    """Days by source and day; what is watched, and in which life of the database each hold was
    announced."""

    days: dict[tuple[SourceKey, date], SpokenDay] = field(default_factory=dict)
    watched: dict[SourceKey, Watched] = field(default_factory=dict)
    announced: dict[SourceKey, int] = field(default_factory=dict)

    def __copy__(self) -> "FreshnessTables":
        return replace(
            self,
            days=dict(self.days),
            watched=dict(self.watched),
            announced=dict(self.announced),
        )


class MemoryFreshness:
    """`Freshness` over these tables."""

    def __init__(
        self,
        tables: FreshnessTables,
        practices: Mapping[PracticeId, Practice],
        queues: QueueTables,
    ) -> None:
        self._tables = tables
        self._practices = practices
        self._queues = queues

    def count(self, days: Sequence[SpokenDay]) -> None:
        for each in days:
            place = (each.key, each.day)
            known = self._tables.days.get(place, each._replace(events=0))
            self._tables.days[place] = known._replace(
                events=known.events + each.events, newest_at=max(known.newest_at, each.newest_at)
            )
            self._tables.watched.setdefault(each.key, Watched(each.key, "", each.newest_at))

    def due(self, until: datetime, limit: int) -> list[Watched]:
        due = [each for each in self._tables.watched.values() if each.look_at <= until]
        return [self._read(each) for each in sorted(due, key=lambda one: one.look_at)[:limit]]

    def _read(self, watched: Watched) -> Watched:
        practice_id = watched.key.practice_id
        return watched._replace(
            zone=self._practices[practice_id].zone, is_read=practice_id not in self._queues.rows
        )

    def days(self, keys: Collection[SourceKey], since: date) -> Mapping[SourceKey, list[SpokenDay]]:
        found: dict[SourceKey, list[SpokenDay]] = {}
        for key, day in sorted(self._tables.days):
            if key in keys and day >= since:
                found.setdefault(key, []).append(self._tables.days[key, day])
        return found

    def save(self, watched: Sequence[Watched]) -> None:
        for each in watched:
            self._tables.watched[each.key] = each
            self._tables.announced[each.key] = self._queues.incarnation

    def unannounced(self) -> list[Watched]:
        held = [each for each in self._tables.watched.values() if _hold_of(each) is not None]
        now = self._queues.incarnation
        return [self._read(each) for each in held if self._tables.announced.get(each.key) != now]

    def end_hold(self, hold_id: str, decision: Decision) -> Watched | None:
        assert decision.why, "an operator says why"
        for key, each in self._tables.watched.items():
            if each.silence is not None and each.silence.hold_id == hold_id:
                ended = each.silence._replace(hold_id=None)
                self._tables.watched[key] = each._replace(silence=ended)
                return self._read(each)
        return None


def _hold_of(watched: Watched) -> str | None:
    return watched.silence and watched.silence.hold_id
