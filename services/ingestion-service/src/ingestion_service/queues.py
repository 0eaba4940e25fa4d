"""What waits in the queue of its practice: who takes turns, and at which time a practice stands.

A practice that sends more than its share in a batch waits in a queue of its own, and the others do
not wait for it (R28, ADR 35). While anything of it waits, its time stands still, which a hold
announces: its clients are not judged on what is still in the queue.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from ingestion_service.domain import turns
from ingestion_service.domain.errors import NotYet
from ingestion_service.domain.facts import PracticeId, SourceFact
from ingestion_service.ports import Hold, Queue, Store

NOBODY_WAITS: Final[Mapping[PracticeId, datetime]] = MappingProxyType({})
"""The practice times where every practice's time is ingestion's."""


class Turn(NamedTuple):
    """How a batch is divided: the places of the facts that are accepted now, and of those that are
    deferred at `now`; and the time at which each practice that waits stands."""

    accepted: list[int]
    deferred: list[int]
    times: Mapping[PracticeId, datetime]
    now: datetime | None


def held_time(store: Store) -> datetime:
    """Ingestion's time, held as in `Store.hold_time`. Raises `NotYet` before a simulated clock is
    first set."""
    now = store.hold_time()
    if now is None:
        raise NotYet("clock-not-set", "the simulated clock has not been set yet")
    return now


def practice_times(
    practice_ids: Collection[PracticeId], store: Store
) -> Mapping[PracticeId, datetime]:
    """The times at which those of these practices stand of which something waits. Their queues are
    locked: what is accepted at such a time comes before the end of its hold."""
    return _times(_locked(practice_ids, store))


def take_turns(facts: Sequence[SourceFact], store: Store) -> Turn:
    """Divide a batch between the practices, and open the queues of those that flood.

    Of a practice that has a queue everything is deferred, so that its order stays. The hold of a
    queue that is opened is announced here, before any of the batch's activities. Raises `NotYet`
    before a simulated clock is first set.
    """
    senders = [fact.practice_id for fact in facts]
    counted = Counter(senders)
    queues = dict(_locked(counted, store))
    room = dict.fromkeys(queues, 0)
    if turns.may_flood(counted):
        opened, of_each = _open(counted, queues, len(facts), store)
        queues |= opened
        room |= {each: of_each if queue.is_new else 0 for each, queue in opened.items()}
    found = turns.places(senders, room)
    now = held_time(store) if found.deferred else None
    return Turn(found.accepted, found.deferred, _times(queues), now)


def open_queue(practice_id: PracticeId, store: Store) -> None:
    """Open the queue of a practice, unless something of it waits already, and announce its hold.
    Raises `NotYet` before a simulated clock is first set."""
    queue = store.open_queues({practice_id}, held_time(store))[practice_id]
    if queue.is_new:
        store.announce_holds([held(queue)])
    else:
        announce_queue(queue, store)


def announce_again(store: Store) -> None:
    """After a restore: announce the holds that this life of the database has not announced yet."""
    practice_ids = store.unannounced_queues()
    if practice_ids:
        _locked(practice_ids, store)


def announce_queue(queue: Queue, store: Store) -> None:
    """Announce the hold of a locked queue, if this life of the database has not yet."""
    if not queue.is_announced:
        _announce([queue], store)


def held(queue: Queue) -> Hold:
    """The hold that says where the practice stands."""
    return Hold(queue.practice_id, queue.hold_id, is_held=True, since=queue.stands_at)


def _locked(practice_ids: Collection[PracticeId], store: Store) -> Mapping[PracticeId, Queue]:
    """The queues of these practices, locked and announced."""
    queues = store.lock_queues(practice_ids)
    unannounced = [queue for queue in queues.values() if not queue.is_announced]
    if unannounced:
        _announce(unannounced, store)
    return queues


def _announce(unannounced: Sequence[Queue], store: Store) -> None:
    store.announce_holds([held(queue) for queue in unannounced])
    store.note_announced([queue.practice_id for queue in unannounced])


def _open(
    counted: Counter[PracticeId], queues: Mapping[PracticeId, Queue], records: int, store: Store
) -> tuple[Mapping[PracticeId, Queue], int]:
    """The queues of the registered practices that begin to flood, opened and announced; and the
    share of each practice. One that another worker has opened meanwhile was announced by it."""
    waiting = store.count_queues() - len(queues)
    registered = store.practices(counted).keys()
    of_each = turns.share(records, len(registered) + max(0, waiting))
    sending = Counter({each: counted[each] for each in registered - queues.keys()})
    flooding = turns.floods(sending, of_each)
    if not flooding:
        return {}, of_each
    opened = store.open_queues(flooding, held_time(store))
    store.announce_holds([held(opened[each]) for each in sorted(opened) if opened[each].is_new])
    return opened, of_each


def _times(queues: Mapping[PracticeId, Queue]) -> Mapping[PracticeId, datetime]:
    return {each: queue.stands_at for each, queue in queues.items()}
