"""The use cases: load once, ask the domain, save once, publish; the caller owns the transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.activities import (
    Activity,
    ActivityOwner,
    SourceObject,
    caused,
    registered,
)
from ingestion_service.domain.errors import Conflict, Unknown
from ingestion_service.domain.facts import (
    ClientId,
    EventKey,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.intake_results import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    IN_THE_FUTURE,
    OTHER_CURRENCY,
    UNKNOWN_PRACTICE,
    IntakeResult,
)
from ingestion_service.domain.practices import Practice, check_successor
from ingestion_service.ports import Client, Clients, Clock, Intake, LedgerEntry, Practices

AHEAD: Final = timedelta(hours=48)
"""How far beyond ingestion's time a fact may be dated (ARCHITECTURE §4)."""


class Registration(NamedTuple):
    """The client of an external id, and whether this call made it."""

    client_id: ClientId
    is_new: bool


class PracticeSaved(NamedTuple):
    """The practice as it is now, and whether this call made it."""

    practice: Practice
    is_new: bool


def accept(facts: Sequence[SourceFact], store: Intake, now: datetime) -> list[IntakeResult]:
    """Accept a batch: one result per fact, in the order given. `now` is ingestion's time.

    Of several facts with one event id the first that is accepted stands; the same again is a
    duplicate, without effect; other content is a conflict. Nothing is written for a fact that is
    not accepted, and the order of arrival changes no client's sums (RELIABILITY R7, R8).
    """
    practices = store.practices({fact.practice_id for fact in facts})
    refusals = [_refusal(fact, practices, now) for fact in facts]
    admissible = [fact for fact, refusal in zip(facts, refusals, strict=True) if refusal is None]
    if not admissible:
        return [refusal for refusal in refusals if refusal is not None]
    clients = store.lock_clients({_identity(fact) for fact in admissible}, now)
    known = dict(store.hashes([_event(fact) for fact in admissible]))
    fresh: list[tuple[SourceFact, bytes]] = []
    results = [
        _deduplicated(fact, known, fresh) if refusal is None else refusal
        for fact, refusal in zip(facts, refusals, strict=True)
    ]
    placed = [_placed(fact, digest, clients[_identity(fact)]) for fact, digest in fresh]
    _record(placed, practices, store, now)
    return results


def register_client(key: IdentityKey, store: Intake, now: datetime) -> Registration:
    """The client of a source's id, made when it is missing; announced as `registered` once in its
    life, so that scoring can answer for somebody who has not done anything yet.

    Raises `Unknown` when the practice is not registered.
    """
    practice = store.practices({key.practice_id}).get(key.practice_id)
    if practice is None:
        raise Unknown("unknown-practice", "no practice is registered under this id")
    client = store.lock_clients({key}, now)[key]
    if not client.is_registered:
        _announce(client, practice, store, now)
    return Registration(client.client_id, client.is_new)


def register_practice(wanted: Practice, store: Practices, now: datetime) -> PracticeSaved:
    """Register a practice or change its name, and announce it. Raises `Conflict` when its zone or
    currency is set and differs."""
    known = store.lock_practice(wanted.practice_id)
    if known is not None:
        check_successor(known, wanted)
    if known != wanted:
        store.save_practice(wanted)
        store.announce_practice(wanted, now)
    return PracticeSaved(wanted, known is None)


def advance_clock(now: datetime, clock: Clock) -> None:
    """Set the simulated time, which never goes back: raises `Conflict` when `now` is earlier."""
    reached = clock.lock_clock()
    if reached is not None and now < reached:
        raise Conflict("clock-goes-back", "the simulated time is already later", "/now")
    if now != reached:
        clock.save_clock(now)


def _identity(fact: SourceFact) -> IdentityKey:
    return IdentityKey(fact.practice_id, fact.source, fact.external_id)


def _event(fact: SourceFact) -> EventKey:
    return EventKey(fact.practice_id, fact.source, fact.event_id)


def _refusal(
    fact: SourceFact, practices: Mapping[PracticeId, Practice], now: datetime
) -> IntakeResult | None:
    """Why this fact can never be accepted, whatever else is known; None when it may be."""
    practice = practices.get(fact.practice_id)
    if practice is None:
        return UNKNOWN_PRACTICE
    if fact.occurred_at - now > AHEAD:
        return IN_THE_FUTURE
    if fact.currency is not None and fact.currency != practice.currency:
        return OTHER_CURRENCY
    return None


def _deduplicated(
    fact: SourceFact, known: dict[EventKey, bytes], fresh: list[tuple[SourceFact, bytes]]
) -> IntakeResult:
    """Compare with what is known; a fact that is new becomes known and joins `fresh`."""
    key, content_hash = _event(fact), fact.content_hash
    earlier = known.get(key)
    if earlier is None:
        known[key] = content_hash
        fresh.append((fact, content_hash))
        return ACCEPTED
    return DUPLICATE if earlier == content_hash else CONFLICT


class _Placed(NamedTuple):
    """A new fact with the client and the source object that it belongs to."""

    fact: SourceFact
    content_hash: bytes
    client: Client
    object_key: SourceObjectKey


def _placed(fact: SourceFact, content_hash: bytes, client: Client) -> _Placed:
    object_key = SourceObjectKey(
        fact.practice_id, client.client_id, fact.source, fact.object_kind, fact.object_id
    )
    return _Placed(fact, content_hash, client, object_key)


def _record(
    fresh: Sequence[_Placed],
    practices: Mapping[PracticeId, Practice],
    store: Intake,
    now: datetime,
) -> None:
    """Fold each new fact into its source object; write ledger, sequences and activities."""
    source_objects = _source_objects({placed.object_key for placed in fresh}, practices, store)
    sequences: dict[tuple[PracticeId, ClientId], int] = {}
    entries: list[LedgerEntry] = []
    activities: list[Activity] = []
    for fact, content_hash, client, object_key in fresh:
        deltas = source_objects[object_key].fold(fact)
        client_key = (fact.practice_id, client.client_id)
        first = sequences.get(client_key, client.last_sequence) + 1
        entries.append(LedgerEntry(fact, content_hash, client.client_id, now, first, len(deltas)))
        if deltas:
            sequences[client_key] = first + len(deltas) - 1
            owner = _owner_of(client, practices[fact.practice_id])
            activities.extend(caused(fact, owner, deltas, first, now))
    if entries:
        store.append(entries)
        store.save_sequences(sequences)
        store.publish(activities)


def _source_objects(
    keys: Collection[SourceObjectKey], practices: Mapping[PracticeId, Practice], store: Intake
) -> dict[SourceObjectKey, SourceObject]:
    """Every source object of the batch as its ledger has it before the batch."""
    zones = {key: ZoneInfo(practice.zone) for key, practice in practices.items()}
    source_objects = {key: SourceObject(zones[key.practice_id]) for key in keys}
    for key, history in store.histories(keys).items():
        for fact in history:
            source_objects[key].fold(fact)
    return source_objects


def _owner_of(client: Client, practice: Practice) -> ActivityOwner:
    return ActivityOwner(
        practice.practice_id,
        client.client_id,
        client.generation,
        practice.zone,
        practice.currency,
    )


def _announce(client: Client, practice: Practice, store: Clients, now: datetime) -> None:
    sequence = client.last_sequence + 1
    store.mark_registered(practice.practice_id, client.client_id, sequence, now)
    store.publish([registered(_owner_of(client, practice), sequence, now)])
