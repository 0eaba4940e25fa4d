"""What becomes of parked facts: accepted once their booking or payment is known, by turns of the
practices; set aside when they were refused then, or when it was not known within their term."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from ingestion_service.domain.facts import PracticeId, SourceFact
from ingestion_service.domain.intake_results import NEVER_ATTACHED, NEVER_MET, IntakeResult
from ingestion_service.domain.parked import TERM
from ingestion_service.door import accept_again
from ingestion_service.ports import Store, Stores
from ingestion_service.ports.parking import Parking
from ingestion_service.queues import practice_times
from ingestion_service.source_records import SetAside, letter_of
from rapport_runtime.logs import get_logger
from rapport_runtime.sealing import CannotUnseal
from rapport_runtime.stream.batch import DeadLetter

AT_ONCE: Final = 500
"""How many are accepted between two batches, of all practices together."""
PRACTICES_AT_ONCE: Final = 4
"""How many practices have a turn between two batches, each in a transaction of its own."""
OF_AN_OBJECT: Final = 100
"""How many of one booking or payment a turn takes: the object is locked meanwhile."""
OUTLIVED_AT_ONCE: Final = 100
"""How many that have outlived their term are set aside between two batches."""

log = get_logger(__name__)


class Cleared(NamedTuple):
    """How many parked facts were looked at, and which of them became dead letters."""

    facts: int
    letters: list[DeadLetter]


class ParkedFacts:
    """Any worker may take any of them. The practices stand in a ring, by id; where it stands each
    worker remembers by itself, as in outreach's queue (ADR 33)."""

    def __init__(self, stores: Stores, set_aside: SetAside) -> None:
        self._stores = stores
        self._set_aside = set_aside
        self._served: PracticeId | None = None
        self._are_sealed_off = False

    def run(self) -> Cleared:
        """Accept some, and end the terms of some. Those that no key opens wait, and the batches go
        on. Raises `NotYet`, `TryLater` and what the database raises."""
        chosen, before = self._look()
        share = AT_ONCE // max(1, len(chosen))
        turns = [self._take(partial(accept_met, each, share)) for each in chosen]
        if before is not None:
            turns.append(self._take(partial(end_terms, before, OUTLIVED_AT_ONCE)))
        letters = [letter for turn in turns for letter in turn.letters]
        return Cleared(sum(turn.facts for turn in turns), letters)

    def _look(self) -> tuple[list[PracticeId], datetime | None]:
        """The practices whose turn is next; and before when a fact was parked that has outlived its
        term, None where there is no such fact."""
        with self._stores.transaction() as tx:
            store = self._stores.within(tx)
            chosen = _next_of_ring(store.parking, self._served)
            now = store.hold_time()
            before = None if now is None else now - TERM
            if before is not None and not store.parking.outlived(before, 1):
                before = None
        self._served = chosen[-1] if chosen else self._served
        return chosen, before

    def _take(self, turn: Callable[[Store], Cleared]) -> Cleared:
        """A turn, in a transaction of its own, with its letters."""
        try:
            with self._stores.transaction() as tx:
                cleared = turn(self._stores.within(tx))
                self._set_aside(tx, cleared.letters)
        except CannotUnseal as error:
            self._note(error)
            return Cleared(0, [])
        return cleared

    def _note(self, error: CannotUnseal) -> None:
        if not self._are_sealed_off:
            self._are_sealed_off = True
            log.error("parked_facts_cannot_be_opened", error=str(error))


def accept_met(practice_id: PracticeId, limit: int, store: Store) -> Cleared:
    """Accept up to `limit` parked facts of a practice whose bookings and payments, or clients, are
    known by now. One that is refused becomes a dead letter. Raises `NotYet` as `accept` does."""
    # What the door holds, in its order: whoever attaches an identity locks parked objects after it.
    store.hold_declarations({practice_id})
    store.hold_identities({practice_id})
    objects, facts = store.parking.met(practice_id, limit, OF_AN_OBJECT)
    if not objects:
        return Cleared(0, [])
    times = practice_times({practice_id}, store)
    results = list(zip(facts, accept_again(facts, store, times), strict=True))
    decided = [fact for fact, result in results if result.status != "parked"]
    store.parking.remove(decided)
    store.parking.settle(objects)
    helped = {fact.object_key for fact, result in results if result.status != "parked"}
    store.parking.unmeet({fact.object_key for fact in facts} - helped)
    refused = [(fact, result) for fact, result in results if result.status == "rejected"]
    return Cleared(len(facts), _letters(refused))


def end_terms(before: datetime, limit: int, store: Store) -> Cleared:
    """Set aside up to `limit` facts that were parked before that instant, as `never-met`. An object
    of which nothing else was ever told is forgotten with the last of them."""
    waiting = store.parking.outlived(before, limit)
    if not waiting:
        return Cleared(0, [])
    objects = store.lock_objects(dict.fromkeys(waiting))
    facts = store.parking.parked_before(waiting, before, limit)
    store.parking.remove(facts)
    unused = {key for key in store.parking.settle(waiting) if objects[key].owner is None}
    if unused:
        store.forget_objects(unused)
    return Cleared(len(facts), _letters([(fact, _never_met(fact)) for fact in facts]))


def _never_met(fact: SourceFact) -> IntakeResult:
    return NEVER_MET if fact.external_id is None else NEVER_ATTACHED


def _next_of_ring(parking: Parking, served: PracticeId | None) -> list[PracticeId]:
    """The practices behind the one that was served last, each once."""
    chosen: list[PracticeId] = []
    while len(chosen) < PRACTICES_AT_ONCE:
        served = parking.next_met(served)
        if served is None or served in chosen:
            break
        chosen.append(served)
    return chosen


def _letters(refused: Sequence[tuple[SourceFact, IntakeResult]]) -> list[DeadLetter]:
    return [letter_of(fact, result) for fact, result in refused]
