"""Holds a practice while a source of it is silent, until that speaks as usual again (ADR 53)."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from ingestion_service.domain.errors import Unknown
from ingestion_service.domain.facts import PracticeId
from ingestion_service.domain.freshness import (
    YEAR,
    Rhythm,
    local_day,
    looked_at_next,
    midnight,
    rhythm,
)
from ingestion_service.domain.practices import Practice
from ingestion_service.ports import Hold, LedgerEntry, Store, Stores
from ingestion_service.ports.freshness import (
    Decision,
    Silence,
    SourceKey,
    SpokenDay,
    Watched,
)

ReadThrough = Callable[[Any], datetime | None]
"""In a transaction: the time up to which all that the sources sent has been read; None before all
partitions were read through some time."""

SOURCES_AT_ONCE: Final = 50
"""Sources that are looked at in one transaction."""

LOOKS_IN_A_TURN: Final = 10
"""Transactions of the watch between two batches; what is left is looked at in the next turn."""

LATER: Final = timedelta(minutes=5)
"""When a source is looked at again of which records still wait."""

_ONE_DAY: Final = timedelta(days=1)


class Look(NamedTuple):
    """What a look at a source has found: when it is looked at next, and the hold to announce."""

    watched: Watched
    hold: Hold | None = None


class SilenceWatch:
    """Looks at sources whose turn has come. It runs before anything is published, so that a hold
    that begins at a midnight stands before the watermark that passes it, one worker alone."""

    def __init__(self, stores: Stores, read_through: ReadThrough) -> None:
        self._stores = stores
        self._read_through = read_through

    def run(self) -> None:
        """Open and release holds, a page of sources a transaction. Raises what the database
        raises."""
        for _ in range(LOOKS_IN_A_TURN):
            with self._stores.transaction() as tx:
                store = self._stores.within(tx)
                announce_silences_again(store)
                through = self._read_through(tx)
                looked = 0 if through is None else look_at_sources(store, through)
            if looked < SOURCES_AT_ONCE:
                return


def spoken(
    entries: Sequence[LedgerEntry], practices: Mapping[PracticeId, Practice]
) -> list[SpokenDay]:
    """What a batch tells of when its sources spoke: the events that are not history, by source, on
    the day on which they were accepted."""
    found: dict[SourceKey, SpokenDay] = {}
    for entry in entries:
        fact = entry.fact
        if fact.backfill or fact.kind == "moved":
            continue
        key = SourceKey(fact.practice_id, fact.source)
        newest_at = min(fact.occurred_at, entry.accepted_at)
        before = found.get(key)
        if before is None:
            day = local_day(entry.accepted_at, practices[key.practice_id].zone)
            before = SpokenDay(key, day, 0, newest_at)
        newest_at = max(before.newest_at, newest_at)
        found[key] = before._replace(events=before.events + 1, newest_at=newest_at)
    return [found[key] for key in sorted(found)]


def look_at_sources(store: Store, through: datetime) -> int:
    """Look at the sources that are due at `through`, the time up to which all sources have been
    read; how many. Silence begins and ends at the beginning of a practice-local day."""
    due = store.freshness.due(through, SOURCES_AT_ONCE)
    if due:
        since = through.date() - YEAR - _ONE_DAY
        days = store.freshness.days([each.key for each in due], since)
        looks = [look(each, days.get(each.key, []), through) for each in due]
        store.freshness.save([each.watched for each in looks])
        holds = [each.hold for each in looks if each.hold is not None]
        if holds:
            store.announce_holds(holds)
    return len(due)


def look(watched: Watched, days: Sequence[SpokenDay], through: datetime) -> Look:
    """What becomes of a source that is due, by the days on which it spoke in the last year."""
    if not watched.is_read:
        return Look(watched._replace(look_at=through + LATER))
    zone, silence = watched.zone, watched.silence
    today = local_day(through, zone)
    if silence is not None:  # it ends at a midnight, by what had come by then
        days = [each for each in days if each.day < today]
    known = rhythm({each.day: each.events for each in days}, today)
    is_silent = _is_silent(known, today)
    if silence is None:
        return _opened(watched, today) if is_silent else _fresh(watched, known, today)
    newest = max((local_day(each.newest_at, zone) for each in days), default=today)
    is_fresh = silence.hold_id is None or known is None or known.is_fresh(newest, today)
    if is_fresh and not is_silent:
        return _released(watched, known, today)
    return Look(watched._replace(look_at=midnight(today + _ONE_DAY, zone)))


def announce_silences_again(store: Store) -> None:
    """After a restore: announce the holds that this life of the database has not announced yet."""
    unannounced = store.freshness.unannounced()
    if unannounced:
        store.announce_holds([_hold(each, is_held=True) for each in unannounced])
        store.freshness.save(unannounced)


def end_hold(hold_id: str, store: Store, now: datetime, decision: Decision) -> Watched:
    """End the hold of a silent source, as an operator decides: the practice goes on without it, and
    is held for it again only after it has spoken. Raises `Unknown` where no such hold is open."""
    watched = store.freshness.end_hold(hold_id, decision)
    if watched is None:
        raise Unknown("unknown-hold", "no hold of a silent source is open under this id")
    store.announce_holds([_hold(watched, is_held=False, at=now)])
    return watched


def _is_silent(known: Rhythm | None, today: date) -> bool:
    silent_from = known.silent_from if known else None
    return silent_from is not None and silent_from <= today


def _opened(watched: Watched, today: date) -> Look:
    silence = Silence(midnight(today, watched.zone), uuid.uuid4().hex)
    look_at = midnight(today + _ONE_DAY, watched.zone)
    opened = watched._replace(silence=silence, look_at=look_at)
    return Look(opened, _hold(opened, is_held=True))


def _fresh(watched: Watched, known: Rhythm | None, today: date) -> Look:
    look_at = midnight(looked_at_next(known, today), watched.zone)
    return Look(watched._replace(silence=None, look_at=look_at))


def _released(watched: Watched, known: Rhythm | None, today: date) -> Look:
    after = _fresh(watched, known, today)
    if watched.silence is None or watched.silence.hold_id is None:
        return after
    return after._replace(hold=_hold(watched, is_held=False, at=midnight(today, watched.zone)))


def _hold(watched: Watched, *, is_held: bool, at: datetime | None = None) -> Hold:
    """The hold of a silent source, from its beginning, or its end `at`."""
    silence = watched.silence
    if silence is None or silence.hold_id is None:
        raise ValueError("the source has no hold")
    since = at or silence.since
    practice_id, source = watched.key
    return Hold(practice_id, silence.hold_id, is_held, since, "silent", source)
