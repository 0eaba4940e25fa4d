"""The two use cases of scoring: facts that arrived, and time that passed."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from scoring_service.domain.assess import next_transition
from scoring_service.domain.facts import Fact, FactRefused
from scoring_service.domain.periods import local_day
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.walk import Change, ClientState, catch_up, fold, remind, review
from scoring_service.ports import ClientKey, Clients, TierTransition

SWEEP_ROWS = 2_000
"""Clients a transaction of the sweep; it holds their rows and the position's for so long."""


class PartitionFacts(NamedTuple):
    """The facts of one partition's part of a batch, and how far its business time had come."""

    partition: int
    business_time: datetime | None
    facts: Mapping[ClientKey, Sequence[Fact]]


class RefusedFact(NamedTuple):
    """A fact that can never be folded, and why."""

    key: ClientKey
    fact: Fact
    error: FactRefused


class _LocalDays(dict[str, date | None]):
    """The local day of one instant by zone, asked for every client; None before any instant."""

    def __init__(self, instant: datetime | None) -> None:
        super().__init__()
        self._instant = instant

    def __missing__(self, zone: str) -> date | None:
        self[zone] = day = None if self._instant is None else local_day(self._instant, zone)
        return day


def fold_facts(
    clients: Clients, rulebook: Rulebook, partition_facts: Sequence[PartitionFacts]
) -> list[RefusedFact]:
    """Fold and assess every fact in its turn; load once, save once (ARCHITECTURE §3, §4)."""
    known = clients.load([key for of_partition in partition_facts for key in of_partition.facts])
    touched: list[ClientState] = []
    transitions: list[TierTransition] = []
    refused: list[RefusedFact] = []
    for of_partition in partition_facts:
        days = _LocalDays(of_partition.business_time)
        for key, facts in of_partition.facts.items():
            state = known.get(key) or _new_client(key, of_partition.partition, facts[0])
            day = days[state.zone]
            if state.assessed_on != day:
                transitions += _transitions(state, rulebook, _advance_to_day(state, rulebook, day))
            for fact in facts:
                try:
                    change = fold(state, fact, rulebook, day)
                except FactRefused as error:
                    refused.append(RefusedFact(key, fact, error))
                    continue
                if change:
                    # What is announced holds until the next fact: usually this is the last one.
                    transitions.append(TierTransition(state, change, review(state, rulebook)))
            _schedule_review(state, rulebook)
            touched.append(state)
    clients.save([state for state in touched if state.last_sequence])
    clients.record(transitions)
    return refused


def sweep(clients: Clients, rulebook: Rulebook, due: Mapping[int, datetime]) -> bool:
    """Let time pass for up to SWEEP_ROWS of the clients due in these partitions, up to each one's
    instant; True when none is left."""
    states = clients.due(due, SWEEP_ROWS)
    days = {partition: _LocalDays(until) for partition, until in due.items()}
    transitions: list[TierTransition] = []
    for state in states:
        day = days[state.partition][state.zone]
        transitions += _transitions(state, rulebook, _advance_to_day(state, rulebook, day))
        _schedule_review(state, rulebook)
    clients.save(states)
    clients.record(transitions)
    return len(states) < SWEEP_ROWS


def _new_client(key: ClientKey, partition: int, first: Fact) -> ClientState:
    return ClientState(
        practice_id=key.practice_id,
        client_id=key.client_id,
        partition=partition,
        zone=first.zone,
    )


def _advance_to_day(state: ClientState, rulebook: Rulebook, day: date | None) -> list[Change]:
    """Walk a client to the batch's day before any fact of the batch is folded.

    One that was folded before the partition's first watermark carries that instant as its
    `review_at` until it has been assessed.
    """
    if day is None:
        return []
    unassessed = state.assessed_on is None and state.review_at is not None
    first_day = local_day(state.review_at, state.zone) if unassessed and state.review_at else day
    return catch_up(state, rulebook, first_day=first_day, to_day=day)


def _transitions(
    state: ClientState, rulebook: Rulebook, changes: Sequence[Change]
) -> list[TierTransition]:
    return [
        TierTransition(
            state, change, next_transition(state.digest, rulebook, change.on_day, state.zone)
        )
        for change in changes
    ]


def _schedule_review(state: ClientState, rulebook: Rulebook) -> None:
    if state.assessed_on is not None and not state.reviewed:
        remind(state, rulebook)
