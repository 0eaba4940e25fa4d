"""Accepts what waits in the queues of practices: by turns, each in a transaction of its own."""

from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service import signed_records, translate
from ingestion_service.domain import turns
from ingestion_service.domain.facts import PracticeId, SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.sources import SourceKey
from ingestion_service.door import accept_sent
from ingestion_service.import_holds import tend_imports
from ingestion_service.ports import Deferred, Hold, Queue, Store, Stores
from ingestion_service.queues import announce_again, announce_queue, held, held_time
from ingestion_service.source_records import SetAside
from rapport_runtime import failpoints
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.db_errors import DatabaseError
from rapport_runtime.errors import InvalidRecord
from rapport_runtime.logs import get_logger
from rapport_runtime.sealing import CannotUnseal
from rapport_runtime.stream.batch import DeadLetter
from rapport_runtime.stream.processor import refusal

log = get_logger(__name__)


class Look(NamedTuple):
    """The practices whose turn is next, and how many wait in all."""

    chosen: list[PracticeId]
    waiting: int


class Drained(NamedTuple):
    """How many records left their queues in a turn, and which of them became dead letters."""

    records: int
    letters: list[DeadLetter]


class Drain:
    """Gives practices that wait their turns. Any worker may drain any queue: what it takes and what
    comes of it are one transaction, under the queue's lock."""

    def __init__(self, stores: Stores, set_aside: SetAside) -> None:
        self._stores = stores
        self._set_aside = set_aside
        self._sealed_off: set[PracticeId] = set()

    def look(self) -> Look:
        """Who is next. After a restore it announces the holds again, so it comes before anything
        is published. Raises what the database raises."""
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            tend_imports(store)
            waiting = store.count_queues()
            if not waiting:
                return Look([], 0)
            announce_again(store)
            return Look(store.next_queues(turns.DRAINED_AT_ONCE), waiting)

    def run(self, look: Look, records: int, practices: int) -> Drained:
        """Accept of the practices that are next what is their share beside a batch of so many
        records, of so many practices that do not wait.

        Raises `NotYet`, `TryLater` and what the database raises, if no record is at fault.
        """
        limit = turns.drained_share(records, practices + look.waiting)
        drained = [self._drain(practice_id, limit) for practice_id in look.chosen]
        letters = [letter for each in drained for letter in each.letters]
        return Drained(sum(each.records for each in drained), letters)

    def _drain(self, practice_id: PracticeId, limit: int) -> Drained:
        """Up to `limit` records of one queue. When their data is refused, fewer, until the one at
        fault stands alone and becomes a dead letter."""
        while True:
            try:
                return self._take(practice_id, limit, None)
            except CannotUnseal as error:
                return self._seal_off(practice_id, error)
            except (InvalidRecord, *DatabaseError) as error:
                refused = refusal(error)
                if refused is None:
                    raise
            if limit == 1:
                return self._take(practice_id, 1, refused)
            limit //= 2

    def _take(self, practice_id: PracticeId, limit: int, refused: InvalidRecord | None) -> Drained:
        """The first records of a queue, in one transaction; the only one as `refused`, if given."""
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            queue = store.try_lock_queue(practice_id)
            if queue is None:
                return Drained(0, [])
            announce_queue(queue, store)
            waiting = store.deferred(practice_id, limit + 1)
            zone = ZoneInfo(store.practices({practice_id})[practice_id].zone)
            taken = _first_of_them(waiting[:limit], queue, zone)
            if not taken:
                store.pass_turn(practice_id)
                return Drained(0, [])
            letters = _accept(taken, queue, store, refused)
            self._set_aside(tx, letters)
            rest = waiting[len(taken) :]
            if rest:
                _move(queue, taken, rest[0], zone, store)
                failpoints.hit("draining")
            else:
                _close(queue, store)
                failpoints.hit("releasing")
        return Drained(len(taken), letters)

    def _seal_off(self, practice_id: PracticeId, error: CannotUnseal) -> Drained:
        """Nothing is taken of a queue that no key opens, before the key is there again; the others
        have their turns."""
        with self._stores.transaction() as tx:
            self._stores.within(tx).pass_turn(practice_id)
        if practice_id not in self._sealed_off:
            self._sealed_off.add(practice_id)
            log.error("deferred_records_cannot_be_opened", error=str(error))
        return Drained(0, [])


def _first_of_them(waiting: Sequence[Deferred], queue: Queue, zone: ZoneInfo) -> list[Deferred]:
    """What can be accepted at the time at which the practice stands: up to a record of another day
    of the practice, or of a topic that operators have paused."""
    number = turns.of_one_day([each.deferred_at for each in waiting], queue.stands_at, zone)
    taken = []
    for each in waiting[:number]:
        if each.is_paused:
            break
        taken.append(each)
    return taken


def _accept(
    taken: Sequence[Deferred], queue: Queue, store: Store, refused: InvalidRecord | None
) -> list[DeadLetter]:
    """Accept the records at the practice's time; return those that become dead letters."""
    decoded = [refused or _decoded(each) for each in taken]
    results = iter(_results(taken, decoded, queue, store))
    letters, undeclared = [], []
    for each, fact in zip(taken, decoded, strict=True):
        error = fact if isinstance(fact, InvalidRecord) else None
        if isinstance(fact, SourceFact) and (result := next(results)).status == "rejected":
            if result.reason == "unknown-source":
                undeclared.append((SourceKey(fact.practice_id, fact.source), each.record))
                continue
            error = translate.refusal(fact, result)
        if error is not None:
            letters.append(_letter(each, error))
    if undeclared:
        store.await_declaration(undeclared, queue.stands_at)
    return letters


def _results(
    taken: Sequence[Deferred],
    decoded: Sequence[SourceFact | InvalidRecord],
    queue: Queue,
    store: Store,
) -> list[IntakeResult]:
    """The result of each fact, in their order; a source may sign only since its records wait."""
    pairs = zip(taken, decoded, strict=True)
    carried = [(fact, each.record) for each, fact in pairs if isinstance(fact, SourceFact)]
    facts = [fact for fact, _ in carried]
    carriers = [translate.carrier_of(record) for _, record in carried]
    refused = signed_records.refusals(facts, carriers, store)
    times = {queue.practice_id: queue.stands_at}
    return signed_records.accept_signed(
        facts, refused, lambda good: accept_sent(good, store, times)
    )


def _decoded(each: Deferred) -> SourceFact | InvalidRecord:
    try:
        record = each.record
        return translate.decode(record.topic, record.key, record.value, record.headers)
    except InvalidRecord as error:
        return error


def _letter(each: Deferred, error: InvalidRecord) -> DeadLetter:
    record = each.record
    sender = translate.sender(record.value, record.headers)
    return DeadLetter(TopicPartition(record.topic, record.partition), record, error, sender)


def _move(
    queue: Queue, taken: Sequence[Deferred], head: Deferred, zone: ZoneInfo, store: Store
) -> None:
    """The practice has had its turn, and more waits; where it stands now is announced if it has
    moved."""
    stands_at = turns.stands_next(queue.stands_at, head.deferred_at, zone)
    store.save_turn(
        queue.practice_id, last=taken[-1].deferred_id, taken=len(taken), stands_at=stands_at
    )
    if stands_at != queue.stands_at:
        store.announce_holds([held(queue._replace(stands_at=stands_at))])


def _close(queue: Queue, store: Store) -> None:
    """Nothing waits any more: the practice's time goes on, after all that waited."""
    store.close_queue(queue.practice_id)
    release = Hold(queue.practice_id, queue.hold_id, is_held=False, since=held_time(store))
    store.announce_holds([release])
