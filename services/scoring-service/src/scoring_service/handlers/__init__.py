"""The use cases of scoring: fold facts that arrived, let time pass, read a client's tier."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from scoring_service.domain.assess import Assessment, assess, next_transition
from scoring_service.domain.client_state import ClientState
from scoring_service.domain.digest import Digest
from scoring_service.domain.facts import (
    ClientRecord,
    Fact,
    FactRefused,
    Numbered,
    Opening,
    Skipped,
    TimePassed,
)
from scoring_service.domain.keeping import is_kept
from scoring_service.domain.next_generation import NextGeneration, assess_anew, hear, take_over
from scoring_service.domain.periods import is_zone, local_day
from scoring_service.domain.practice_days import HeldPractice, PracticeDays
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import (
    Change,
    close_cause,
    ends_cause,
    fold,
    is_closed_by,
    leave_open,
    remind,
    review,
    skip,
)
from scoring_service.handlers.next_generations import NextGenerations
from scoring_service.handlers.passing import advance_to_day
from scoring_service.ports import (
    ClientKey,
    Clients,
    ClientTier,
    HeldBy,
    PracticePlace,
    Store,
    StoredTier,
    TierTransition,
)

SWEEP_ROWS = 2_000
"""Clients in one transaction of the sweep, which holds their locks and the positions' so long."""
REMEMBERED_ASSESSMENTS = 4_096
"""Assessments, of some 3 KiB each, that the API need not make again."""


class PartitionFacts(NamedTuple):
    """The facts of one partition in a batch, and what else is said of its clients, in the log's
    order; and its business time before the batch: None before the partition's first
    watermark. `reached` is the business time after the batch, None where that is the same. `held`
    are those of the practices that are held, by id."""

    partition: int
    business_time: datetime | None
    facts: Mapping[ClientKey, Sequence[ClientRecord]]
    reached: datetime | None = None
    held: Mapping[str, HeldPractice] = MappingProxyType({})


class RefusedFact(NamedTuple):
    """A fact that can never be folded, and why."""

    key: ClientKey
    fact: ClientRecord
    error: FactRefused


class RepeatedFact(NamedTuple):
    """A fact that was not folded, since its sequence came before, from another incarnation."""

    key: ClientKey
    fact: Numbered


class Folded(NamedTuple):
    """What was not folded of a batch, duplicates apart. `superseded` are of a generation that
    another has replaced, or is about to."""

    refused: Sequence[RefusedFact]
    repeated: Sequence[RepeatedFact]
    skipped: Sequence[Skipped]
    superseded: Sequence[Numbered | Opening]


class SweepStep(NamedTuple):
    """What one step of a sweep did: the instant up to which each partition was to be swept, and
    whether that is done. Nothing was to do when `until` is empty."""

    until: Mapping[int, datetime]
    is_done: bool


def fold_facts(
    clients: Clients, rulebook: Rulebook, partition_facts: Sequence[PartitionFacts]
) -> Folded:
    """Fold the facts of a batch, client by client, and assess the client after each source event.

    All clients are loaded once and saved once. A client is first brought to the local day that its
    partition had before the batch, and a source event whose last fact is not there yet waits, until
    the next watermark at the latest: so the result does not depend on where batches end. A client
    of a held practice is brought to the day on which the practice stands instead.
    """
    keys = [key for of_partition in partition_facts for key in of_partition.facts]
    known = clients.load(keys)
    batch = _Folding(rulebook, NextGenerations(clients, keys))
    for of_partition in partition_facts:
        days = PracticeDays(of_partition.business_time, of_partition.held)
        for key, facts in of_partition.facts.items():
            state = known.get(key) or _new_client(key, of_partition.partition)
            batch.fold(key, state, facts, days)
            _end_batch(state, rulebook, of_partition.reached or of_partition.business_time)
    clients.save(batch.touched)
    batch.beside.save()
    clients.record(batch.transitions)
    return Folded(batch.refused, batch.repeated, batch.skipped, batch.superseded)


def sweep(store: Store, rulebook: Rulebook, partitions: Collection[int]) -> SweepStep:
    """Let time pass for up to SWEEP_ROWS of the clients that are due in these partitions.

    For clients of a held practice it passes up to where the practice stands. Who is due all the
    same is set aside (`held_at`), and comes back when the practice moves on or is released: so no
    sweep looks at the same clients in vain.

    A step that finds fewer is the last one, and marks its partitions as swept. The positions stay
    locked until the transaction ends, so no batch of these partitions commits meanwhile: a worker
    that lost a partition and does not know it yet does no harm.
    """
    until = store.lock_unswept(partitions)
    if not until:
        return SweepStep(until, is_done=True)
    states = store.clients.due(until, SWEEP_ROWS)
    held = store.holds.find({PracticePlace(each.partition, each.practice_id) for each in states})
    days = {
        partition: PracticeDays(instant, held_in(partition, held))
        for partition, instant in until.items()
    }
    transitions: list[TierTransition] = []
    for state in states:
        day = days[state.partition].of(state)
        closed = close_cause(state, rulebook)
        changes = [closed] if closed else []
        changes += advance_to_day(state, rulebook, day, days[state.partition])
        transitions += _transitions(state, rulebook, changes)
        _schedule_review(state, rulebook)
        days[state.partition].set_aside(state)
    store.clients.save(states)
    store.clients.record(transitions)
    is_done = len(states) < SWEEP_ROWS
    if is_done:
        store.holds.settle(until)
        store.mark_swept(until)
    return SweepStep(until, is_done)


class TierAssessor:
    """Assesses stored clients for the API, by the same pure function as the worker's.

    `registered` gives the rulebooks that workers have used, the one in force first. The answer for
    a digest, a day, a zone and a rulebook is always the same, so assessments are remembered by
    these four; the stored client is still read each time.
    """

    def __init__(self, registered: Callable[[], Sequence[Rulebook]]) -> None:
        self._registered = registered
        self._assess = lru_cache(REMEMBERED_ASSESSMENTS)(self._assess_anew)

    @property
    def rulebook(self) -> Rulebook:
        """The rulebook in force."""
        return self._registered()[0]

    def tier(self, stored: StoredTier) -> ClientTier:
        """The client's tier on the later of its own day and the day to which its partition is
        swept; between two reviews no tier can differ."""
        assessment, rulebook = self._assessment(stored)
        return ClientTier(
            client_id=stored.client_id,
            zone=stored.zone,
            version=stored.version,
            since=stored.since,
            as_of=stored.as_of,
            first_missing_sequence=stored.first_missing_sequence,
            first_skipped_sequence=stored.first_skipped_sequence,
            first_repeated_sequence=stored.first_repeated_sequence,
            is_rebuilding=stored.is_rebuilding,
            first_overdue_sequence=stored.first_overdue_sequence,
            assessment=assessment,
            rulebook=rulebook,
            held=_held_by(stored),
        )

    def _assessment(self, stored: StoredTier) -> tuple[Assessment | None, Rulebook]:
        """The assessment that comes to the stored tier, of which `version` and `since` are.

        It is another than that of the rulebook in force where the client was last assessed by one
        before it, and has not been touched since: then that one explains the tier. Where none does,
        the stored tier is the answer, and is not explained.
        """
        rulebooks, day = self._registered(), stored.assessed_on
        if day is None or stored.tier is None or stored.score is None:
            return None, rulebooks[0]
        counted_to = day
        if stored.as_of is not None:
            counted_to = max(day, local_day(stored.as_of, stored.zone))
        if not stored.is_kept:
            day = counted_to
        for place, rulebook in enumerate(rulebooks):
            # Counted from the first registered one, a rulebook keeps its number for ever.
            number = len(rulebooks) - place
            found = self._assess(stored.digest, (day, counted_to), stored.zone, number)
            if found.tier == stored.tier:
                return found, rulebook
        return Assessment(stored.tier, stored.score, (), None), rulebooks[0]

    def _assess_anew(
        self, digest: bytes, days: tuple[date, date], zone: str, number: int
    ) -> Assessment:
        day, counted_to = days
        return assess(Digest.from_bytes(digest), self._registered()[-number], day, zone, counted_to)


def _held_by(stored: StoredTier) -> list[HeldBy]:
    columns = stored.held_reasons, stored.held_sources, stored.held_since
    return [HeldBy._make(row) for row in zip(*(each or () for each in columns), strict=True)]


def held_in(
    partition: int, held: Mapping[PracticePlace, HeldPractice]
) -> Mapping[str, HeldPractice]:
    """Those that are held in one partition, by id of the practice."""
    return {place.practice_id: each for place, each in held.items() if place.partition == partition}


def _new_client(key: ClientKey, partition: int) -> ClientState:
    return ClientState(
        practice_id=key.practice_id, client_id=key.client_id, partition=partition, zone=""
    )


def _first_zone(facts: Sequence[ClientRecord], generation: int) -> str:
    """The first known zone in a fact of that generation; empty when there is none."""
    known = (fact for fact in facts if isinstance(fact, Fact))
    zones = (fact.zone for fact in known if fact.generation == generation)
    return next(filter(is_zone, zones), "")


class _Folding:
    """What comes of the clients of one batch."""

    def __init__(self, rulebook: Rulebook, beside: NextGenerations) -> None:
        self._rulebook = rulebook
        self.beside = beside
        self.superseded: list[Numbered | Opening] = []
        self.touched: list[ClientState] = []
        self.transitions: list[TierTransition] = []
        self.refused: list[RefusedFact] = []
        self.repeated: list[RepeatedFact] = []
        self.skipped: list[Skipped] = []

    def fold(
        self, key: ClientKey, state: ClientState, facts: Sequence[ClientRecord], days: PracticeDays
    ) -> None:
        """Bring one client to its day and fold its facts, in their order."""
        rulebook = self._rulebook
        if is_closed_by(state, days.business_time, days.of(state)):
            self._record(state, close_cause(state, rulebook))
        day = self._bring_to_day(state, facts, days)
        for fact in facts:
            if isinstance(fact, TimePassed):
                self._record(state, close_cause(state, rulebook))
                continue
            if isinstance(fact, Opening) or fact.generation != state.generation:
                if self._fold_beside(key, state, fact, days):
                    state.zone = state.zone or _first_zone(facts, state.generation)
                    day = days.of(state)
                continue
            if state.open_cause is not None and ends_cause(state, fact):
                self._record(state, close_cause(state, rulebook))
            if fact.sequence <= state.last_sequence and state.repeats(fact):
                self.repeated.append(RepeatedFact(key, fact))
            else:
                self._fold_one(key, state, fact, day)
        self.touched.append(state)

    def _fold_beside(
        self, key: ClientKey, state: ClientState, record: Numbered | Opening, days: PracticeDays
    ) -> bool:
        """Fold a record of another generation beside the client's own, which it replaces once it is
        complete; of one before it, pass it over. Whether it has replaced it now."""
        beside = self.beside.follow(key, state, record)
        if beside is None:
            self._pass_over(key, state, record)
            return False
        self._hear(key, beside, record)
        if not beside.is_complete:
            return False
        take_over(state, beside)
        self._record(state, assess_anew(state, beside, self._rulebook, days.of(state)))
        self.beside.end(key)
        return True

    def _hear(self, key: ClientKey, beside: NextGeneration, record: Numbered | Opening) -> None:
        if not isinstance(record, Opening) and beside.state.repeats(record):
            self.repeated.append(RepeatedFact(key, record))
            return
        if isinstance(record, Skipped):
            self.skipped.append(record)
        try:
            hear(beside, record)
        except FactRefused as error:
            self.refused.append(RefusedFact(key, record, error))

    def _pass_over(self, key: ClientKey, state: ClientState, record: Numbered | Opening) -> None:
        if not isinstance(record, Opening) and state.is_behind(record):
            self.repeated.append(RepeatedFact(key, record))
        else:
            self.superseded.append(record)

    def _fold_one(
        self, key: ClientKey, state: ClientState, fact: Numbered, day: date | None
    ) -> None:
        rulebook = self._rulebook
        try:
            if isinstance(fact, Skipped):
                change = skip(state, fact, rulebook)
                self.skipped.append(fact)
            else:
                change = fold(state, fact, rulebook, day)
        except FactRefused as error:
            self.refused.append(RefusedFact(key, fact, error))
            return
        if change:
            self._record(state, change)

    def _record(self, state: ClientState, change: Change | None) -> None:
        """Take note of a change that was made just now. The review also schedules: it holds until
        the next fact, and usually the change is the client's last of the batch."""
        if change:
            self.transitions.append(TierTransition(state, change, review(state, self._rulebook)))

    def _bring_to_day(
        self, state: ClientState, facts: Sequence[ClientRecord], days: PracticeDays
    ) -> date | None:
        """Let time pass for the client up to the batch's day in its zone, and return that day."""
        if not state.zone:
            # A client without a fact so far, whom the first one will assess.
            state.zone = _first_zone(facts, state.generation)
            return days.of(state)
        day = days.of(state)
        if state.assessed_on != day:
            changes = advance_to_day(state, self._rulebook, day, days)
            self.transitions += _transitions(state, self._rulebook, changes)
        return day


def _transitions(
    state: ClientState, rulebook: Rulebook, changes: Sequence[Change]
) -> list[TierTransition]:
    return [
        TierTransition(
            state, change, next_transition(state.digest, rulebook, change.on_day, state.zone)
        )
        for change in changes
    ]


def _end_batch(state: ClientState, rulebook: Rulebook, reached: datetime | None) -> None:
    """Settle when the client is due again, at the business time after the batch. Who was held is
    due anew: the next sweep sets it aside again, if it must."""
    if not is_kept(state):
        state.held_at = None
    if state.open_cause is not None and reached is not None:
        leave_open(state, reached)
    else:
        _schedule_review(state, rulebook)


def _schedule_review(state: ClientState, rulebook: Rulebook) -> None:
    if state.assessed_on is not None and not state.reviewed:
        remind(state, rulebook)
