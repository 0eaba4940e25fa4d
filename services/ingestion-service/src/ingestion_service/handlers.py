"""The use cases. Each loads what it needs, asks the domain and writes; the caller owns the
transaction of the store."""

from collections.abc import Iterable, Mapping, Sequence
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
from ingestion_service.domain.errors import Conflict, NotYet, Unknown
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
from ingestion_service.ports import (
    Client,
    ClientHistory,
    KnownClient,
    LedgerEntry,
    Reads,
    Store,
)

AHEAD: Final = timedelta(hours=48)
"""How far beyond ingestion's time a fact may be dated; beyond that its source's clock is wrong."""


class Registration(NamedTuple):
    """The client of an external id, and whether this call created it."""

    client_id: ClientId
    is_new: bool


class PracticeSaved(NamedTuple):
    """The practice as it is stored now, and whether this call registered it."""

    practice: Practice
    is_new: bool


def accept(facts: Sequence[SourceFact], store: Store) -> list[IntakeResult]:
    """Accept a batch of facts; one result for each, in the order given.

    Of several facts with one event id the first that is accepted counts; the same content again is
    a duplicate, other content a conflict. Nothing is written for a fact that is not accepted, and
    the order of arrival changes no client's sums (R7, R8). Raises `NotYet` before a simulated clock
    is first set.
    """
    now = _held_time(store)
    practices = store.practices({fact.practice_id for fact in facts})
    refusals = [_refusal(fact, practices, now) for fact in facts]
    admissible = [fact for fact, refusal in zip(facts, refusals, strict=True) if refusal is None]
    if not admissible:
        return [refusal for refusal in refusals if refusal is not None]
    clients = store.lock_clients({_identity(fact) for fact in admissible}, now)
    hashes = store.hashes([_event(fact) for fact in admissible])
    results, new_facts = _deduplicate(facts, refusals, hashes, clients)
    if new_facts:
        histories = store.histories({new.object_key for new in new_facts})
        intake = _fold(new_facts, histories, practices, now)
        store.append(intake.entries)
        store.save_sequences(intake.sequences)
        store.publish(intake.activities)
    return results


def register_client(key: IdentityKey, store: Store) -> Registration:
    """The client of a source's id, created when it is missing. `registered` is published once in
    a client's life, so that scoring knows clients who have not booked or paid yet.

    Raises `Unknown` when the practice is not registered, `NotYet` before a simulated clock is
    first set.
    """
    now = _held_time(store)
    practice = store.practices({key.practice_id}).get(key.practice_id)
    if practice is None:
        raise Unknown("unknown-practice", "no practice is registered under this id")
    client = store.lock_clients({key}, now)[key]
    if not client.is_registered:
        sequence = client.last_sequence + 1
        store.mark_registered(key.practice_id, client.client_id, sequence, now)
        store.publish([registered(_owner(client, practice), sequence, now)])
    return Registration(client.client_id, client.is_new)


def register_practice(wanted: Practice, store: Store) -> PracticeSaved:
    """Register a practice or change its name, and announce it; also before a simulated clock is
    first set. Raises `Conflict` when its stored zone or currency differs."""
    known = store.lock_practice(wanted.practice_id)
    if known is not None:
        check_successor(known, wanted)
    if known != wanted:
        store.save_practice(wanted)
        store.announce_practice(wanted, store.real_time())
    return PracticeSaved(wanted, known is None)


def advance_clock(now: datetime, store: Store) -> None:
    """Set the simulated time. Raises `Conflict` when `now` is earlier: time never goes back."""
    reached = store.lock_clock()
    if reached is not None and now < reached:
        raise Conflict("clock-goes-back", "the simulated time is already later", "/now")
    if now != reached:
        store.save_clock(now)


def client_activities(
    practice_id: PracticeId, client_id: ClientId, reads: Reads, *, after: int, limit: int
) -> list[Activity] | None:
    """At most `limit` of the client's published activities with a sequence above `after`, computed
    again from the ledger; None when the practice has no such client."""
    history = reads.client_history(practice_id, client_id)
    if history is None:
        return None
    activities = sorted(_activities(history), key=lambda activity: activity.sequence)
    return [activity for activity in activities if activity.sequence > after][:limit]


def look_up_clients(
    practice_id: PracticeId, wanted: Sequence[ClientId | IdentityKey], reads: Reads
) -> list[KnownClient | None]:
    """For each id or identity, in the order given, its client; None when the practice has none."""
    keys = {one for one in wanted if isinstance(one, IdentityKey)}
    by_key = reads.client_ids(practice_id, keys) if keys else {}
    client_ids = [by_key.get(one) if isinstance(one, IdentityKey) else one for one in wanted]
    known = reads.clients(practice_id, {one for one in client_ids if one is not None})
    return [None if one is None else known.get(one) for one in client_ids]


class _NewFact(NamedTuple):
    """A fact that is accepted, with its client and its source object."""

    fact: SourceFact
    content_hash: bytes
    client: Client
    object_key: SourceObjectKey


class _Intake(NamedTuple):
    """The rows that the new facts of a batch add, and each client's new last sequence."""

    entries: list[LedgerEntry]
    sequences: dict[tuple[PracticeId, ClientId], int]
    activities: list[Activity]


def _held_time(store: Store) -> datetime:
    now = store.hold_time()
    if now is None:
        raise NotYet("clock-not-set", "the simulated clock has not been set yet")
    return now


def _identity(fact: SourceFact) -> IdentityKey:
    return IdentityKey(fact.practice_id, fact.source, fact.external_id)


def _event(fact: SourceFact) -> EventKey:
    return EventKey(fact.practice_id, fact.source, fact.event_id)


def _refusal(
    fact: SourceFact, practices: Mapping[PracticeId, Practice], now: datetime
) -> IntakeResult | None:
    """Why this fact can never be accepted, whatever the ledger holds; None when it can be."""
    practice = practices.get(fact.practice_id)
    if practice is None:
        return UNKNOWN_PRACTICE
    if fact.occurred_at - now > AHEAD:
        return IN_THE_FUTURE
    if fact.currency is not None and fact.currency != practice.currency:
        return OTHER_CURRENCY
    return None


def _deduplicate(
    facts: Sequence[SourceFact],
    refusals: Sequence[IntakeResult | None],
    hashes: Mapping[EventKey, bytes],
    clients: Mapping[IdentityKey, Client],
) -> tuple[list[IntakeResult], list[_NewFact]]:
    """The result of every fact, and the facts that are new among those that are not refused."""
    known = dict(hashes)
    results: list[IntakeResult] = []
    new_facts: list[_NewFact] = []
    for fact, refusal in zip(facts, refusals, strict=True):
        if refusal is not None:
            results.append(refusal)
            continue
        key, content_hash = _event(fact), fact.content_hash
        if key in known:
            results.append(DUPLICATE if known[key] == content_hash else CONFLICT)
            continue
        known[key] = content_hash
        client = clients[_identity(fact)]
        new_facts.append(_NewFact(fact, content_hash, client, _object_key(fact, client)))
        results.append(ACCEPTED)
    return results, new_facts


def _object_key(fact: SourceFact, client: Client) -> SourceObjectKey:
    return SourceObjectKey(
        fact.practice_id, client.client_id, fact.source, fact.object_kind, fact.object_id
    )


def _fold(
    new_facts: Sequence[_NewFact],
    histories: Mapping[SourceObjectKey, Sequence[SourceFact]],
    practices: Mapping[PracticeId, Practice],
    now: datetime,
) -> _Intake:
    """Fold each new fact into its source object and number the activities that this causes."""
    source_objects = _source_objects(histories, practices)
    intake = _Intake([], {}, [])
    for fact, content_hash, client, object_key in new_facts:
        deltas = source_objects[object_key].fold(fact)
        client_key = (fact.practice_id, client.client_id)
        first = intake.sequences.get(client_key, client.last_sequence) + 1
        intake.entries.append(
            LedgerEntry(fact, content_hash, client.client_id, now, first, len(deltas))
        )
        if deltas:
            intake.sequences[client_key] = first + len(deltas) - 1
            owner = _owner(client, practices[fact.practice_id])
            intake.activities.extend(caused(fact, owner, deltas, first, now))
    return intake


def _source_objects(
    histories: Mapping[SourceObjectKey, Sequence[SourceFact]],
    practices: Mapping[PracticeId, Practice],
) -> dict[SourceObjectKey, SourceObject]:
    """Every source object of the batch as its ledger has it before the batch."""
    zones = {key: ZoneInfo(practice.zone) for key, practice in practices.items()}
    source_objects = {key: SourceObject(zones[key.practice_id]) for key in histories}
    for key, history in histories.items():
        for fact in history:
            source_objects[key].fold(fact)
    return source_objects


def _activities(history: ClientHistory) -> Iterable[Activity]:
    """Every activity of a client: of its registration, and of its ledger."""
    owner, sequence, registered_at, entries = history
    if sequence is not None and registered_at is not None:
        yield registered(owner, sequence, registered_at)
    zone = ZoneInfo(owner.zone)
    source_objects: dict[tuple[str, str, str], SourceObject] = {}
    for entry in entries:
        fact = entry.fact
        key = (fact.source, fact.object_kind, fact.object_id)
        deltas = source_objects.setdefault(key, SourceObject(zone)).fold(fact)
        yield from caused(fact, owner, deltas, entry.first_sequence, entry.accepted_at)


def _owner(client: Client, practice: Practice) -> ActivityOwner:
    return ActivityOwner(
        practice.practice_id,
        client.client_id,
        client.generation,
        practice.zone,
        practice.currency,
    )
