"""Events that wait for their booking or payment, in memory."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from ingestion_service.domain.facts import (
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.parked import Waiting
from ingestion_service.ports.parking import Met


class Parked(NamedTuple):
    """A fact that waits until its object has an owner."""

    fact: SourceFact
    parked_at: datetime
    is_met: bool = False


class MemoryParking:
    """`Parking` over the parked facts, and the objects that have owners by now."""

    def __init__(
        self,
        parked: dict[EventKey, Parked],
        met: dict[SourceObjectKey, None],
        awaited: dict[IdentityKey, list[EventKey]],
    ) -> None:
        self._parked = parked
        self._met = met
        self._awaited = awaited

    def park(self, facts: Sequence[SourceFact], now: datetime) -> None:
        for each in facts:
            self._parked.setdefault(each.event_key, Parked(each, now))

    def hashes(self, keys: Collection[EventKey]) -> dict[EventKey, bytes]:
        return {key: self._parked[key].fact.content_hash for key in keys if key in self._parked}

    def waiting(self, keys: Collection[SourceObjectKey]) -> Waiting:
        facts = [one.fact for one in self._parked.values()]
        of_objects = Counter(fact.object_key for fact in facts if fact.object_key in keys)
        practices = {key.practice_id for key in keys}
        of_practices = Counter(each.practice_id for each in facts if each.practice_id in practices)
        return Waiting(of_objects, of_practices)

    def meet(self, keys: Iterable[SourceObjectKey]) -> None:
        """These objects have owners now."""
        waiting = {one.fact.object_key for one in self._parked.values()}
        self._met.update(dict.fromkeys(key for key in keys if key in waiting))

    def next_met(self, after: PracticeId | None) -> PracticeId | None:
        ring = sorted({key.practice_id for key in self._met})
        behind = [each for each in ring if each > (after or "")]
        return next(iter(behind + ring), None)

    def met(self, practice_id: PracticeId, limit: int, of_each: int) -> Met:
        objects = [key for key in self._met if key.practice_id == practice_id][:limit]
        facts = [fact for key in objects for fact in self._of(key)[:of_each]]
        return Met(objects, facts[:limit])

    def outlived(self, before: datetime, limit: int) -> list[SourceObjectKey]:
        since: dict[SourceObjectKey, datetime] = {}
        for one in self._parked.values():
            key = one.fact.object_key
            since[key] = min(one.parked_at, since.get(key, one.parked_at))
        old = [key for key, at in since.items() if at < before and key not in self._met]
        return sorted(old, key=lambda key: since[key])[:limit]

    def parked_before(
        self, keys: Collection[SourceObjectKey], before: datetime, limit: int
    ) -> list[SourceFact]:
        found = [fact for key in keys for fact in self._of(key)]
        return [each for each in found if self._parked[each.event_key].parked_at < before][:limit]

    def await_clients(self, facts: Sequence[SourceFact]) -> None:
        for fact in facts:
            if fact.claimant is not None:
                self._awaited.setdefault(fact.claimant, []).append(fact.event_key)

    def meet_clients(self, keys: Collection[IdentityKey]) -> None:
        for key in keys:
            for event in self._awaited.pop(key, []):
                if event in self._parked:
                    self._parked[event] = self._parked[event]._replace(is_met=True)
                    self._met[self._parked[event].fact.object_key] = None

    def unmeet(self, keys: Collection[SourceObjectKey]) -> None:
        for key in keys:
            self._met.pop(key, None)

    def remove(self, facts: Collection[SourceFact]) -> None:
        for fact in facts:
            del self._parked[fact.event_key]

    def settle(self, keys: Collection[SourceObjectKey]) -> set[SourceObjectKey]:
        done = {key for key in keys if not self._of(key)}
        for key in done:
            self._met.pop(key, None)
        return done

    def _of(self, key: SourceObjectKey) -> list[SourceFact]:
        waiting = [one for one in self._parked.values() if one.fact.object_key == key]
        return [one.fact for one in sorted(waiting, key=lambda one: not one.is_met)]
