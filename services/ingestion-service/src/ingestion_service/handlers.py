"""The use cases. Each loads what it needs, asks the domain and writes; the caller owns the
transaction of the store."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ingestion_service.domain.activities import Activity, registered
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
    CANCELLED_IN_THE_FUTURE,
    IN_THE_FUTURE,
    OTHER_CURRENCY,
    UNKNOWN_PRACTICE,
    IntakeResult,
)
from ingestion_service.domain.parked import NOTHING_WAITS
from ingestion_service.domain.practices import Practice, successor
from ingestion_service.import_holds import with_imports
from ingestion_service.intake import Found, concerned, owner_of, take_in
from ingestion_service.judging import (
    Candidate,
    Verdict,
    candidate,
    first_named,
    judge,
    without_owner,
)
from ingestion_service.ports import (
    ClientKey,
    KnownClient,
    Opening,
    Reads,
    Store,
    StoredObject,
)
from ingestion_service.queues import NOBODY_WAITS, held_time, practice_times

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


def accept(
    facts: Sequence[SourceFact],
    store: Store,
    times: Mapping[PracticeId, datetime] = NOBODY_WAITS,
    awaited: Collection[IdentityKey] = (),
) -> list[IntakeResult]:
    """Accept a batch of facts; one result for each, in the order given. Those of a practice that
    waits are accepted at the time at which it stands (`practice_times`); those of the clients in
    `awaited`, who are not known yet, are parked.

    Of several facts with one event id the first that is accepted counts; the same content again is
    a duplicate, other content a conflict. A fact that names no client is of the client of its
    booking or payment, and is parked while that is not known. Nothing is written for a fact that is
    rejected, and the order of arrival changes no client's sums (R7, R8). Raises `NotYet` before a
    simulated clock is first set.
    """
    now = held_time(store)
    practices = store.practices({fact.practice_id for fact in facts})
    judged = [_refusal(fact, practices, now) or candidate(fact, awaited) for fact in facts]
    candidates = [each for each in judged if isinstance(each, Candidate)]
    if not candidates:
        return [each for each in judged if isinstance(each, IntakeResult)]
    if lost := store.adopt([each.fact for each in candidates]):
        judged = [_as_history(each, lost) for each in judged]
        candidates = [each for each in judged if isinstance(each, Candidate)]
    named = first_named(candidates)
    objects = store.lock_objects(named)
    verdict = _verdict(judged, candidates, objects, store)
    objects = _with_owners(verdict, objects, named, store)
    remarks: Mapping[int, IntakeResult] = {}
    if verdict.new:
        stand_at = dict.fromkeys(practices, now) | dict(with_imports(practices, times, store))
        clients = store.lock_clients(concerned(verdict.new, objects), now)
        remarks = take_in(verdict.new, Found(clients, objects, practices, now, stand_at), store)
    if verdict.parked:
        store.parking.park([each.fact for each in verdict.parked], now)
        store.parking.await_clients([each.fact for each in verdict.parked])
    return _with_remarks(verdict.results, remarks)


def _as_history(
    each: Candidate | IntakeResult, lost: Collection[EventKey]
) -> Candidate | IntakeResult:
    """What a restore lost has been published before, and answered: it is history (ADR 28)."""
    if isinstance(each, Candidate) and each.event_key in lost:
        return each._replace(fact=each.fact._replace(backfill=True))
    return each


def register_client(key: IdentityKey, store: Store) -> Registration:
    """The client of a source's id, created when it is missing. The first call publishes
    `registered`, so that scoring knows clients who have not booked or paid yet.

    Raises `Unknown` when the practice is not registered, `NotYet` before a simulated clock is
    first set.
    """
    practice_ids = {key.practice_id}
    times = with_imports(practice_ids, practice_times(practice_ids, store), store)
    now = held_time(store)
    practice = store.practices(practice_ids).get(key.practice_id)
    if practice is None:
        raise Unknown("unknown-practice", "no practice is registered under this id")
    client = store.lock_clients({key}, now)[key]
    if not client.is_registered:
        at = times.get(key.practice_id, now)
        activity = registered(owner_of(client, practice), client.last_sequence + 1, at)
        store.mark_registered(activity)
        store.publish([activity])
    return Registration(client.client_id, client.is_new)


def register_practice(
    wanted: Practice, store: Store, unsaid: Collection[str] = ()
) -> PracticeSaved:
    """Register a practice or change its name, zone, region or discreet name, and announce it; also
    before a simulated clock is first set. The fields named in `unsaid` stay as they are stored. Its
    clients follow it into another zone one by one (`zone_changes`). Raises `Conflict` when its
    stored currency differs."""
    known = store.lock_practice(wanted.practice_id)
    practice = wanted if known is None else successor(known, wanted, unsaid)
    if known != practice:
        store.save_practice(practice)
        store.announce_practice(practice, store.real_time())
    return PracticeSaved(practice, known is None)


def open_generation(key: ClientKey, store: Store, reason: str) -> int:
    """Say all facts of a client anew, as the ledger tells them, as its next generation; how many.

    Sequences stay, and go on with the next fact. The number is above all that were ever given out,
    also by a database that was restored to an earlier state since: it is no less than the minutes
    since 1970. Raises `Unknown` for a client that there is not, `Conflict` where the ledger does
    not tell every sequence of the client's, and `NotYet` before a simulated clock is first set;
    what was written by then is to be rolled back.
    """
    now = held_time(store)
    client = store.rebuilds.lock_client(key)
    if client is None:
        raise Unknown("unknown-client", "the practice has no such client")
    practice = store.practices({key.practice_id})[key.practice_id]
    minutes = int(store.real_time().timestamp()) // 60
    generation = max(client.generation + 1, minutes)
    owner = owner_of(client._replace(generation=generation), practice)
    facts = client.last_sequence
    activities = _gapless(store.rebuilds.activities(owner), facts)
    store.rebuilds.open(Opening(owner, reason, facts, now), activities)
    return facts


def _gapless(activities: Iterable[Activity], facts: int) -> Iterator[Activity]:
    """The activities as they come. Raises `Conflict` at the end unless their sequences were all
    from 1 up to `facts`."""
    told, is_gapless = 0, True
    for told, each in enumerate(activities, start=1):
        is_gapless = is_gapless and each.sequence == told
        yield each
    if told != facts or not is_gapless:
        detail = f"the ledger tells {told} facts where {facts} were published"
        raise Conflict("ledger-contradicts", detail)


def advance_clock(now: datetime, store: Store) -> None:
    """Set the simulated time. Raises `Conflict` when `now` is earlier: time never goes back."""
    reached = store.lock_clock()
    if reached is not None and now < reached:
        raise Conflict("clock-goes-back", "the simulated time is already later", "/now")
    if now != reached:
        store.save_clock(now)


def look_up_clients(
    practice_id: PracticeId, wanted: Sequence[ClientId | IdentityKey], reads: Reads
) -> list[KnownClient | None]:
    """For each id or identity, in the order given, its client; None when the practice has none."""
    keys = {one for one in wanted if isinstance(one, IdentityKey)}
    by_key = reads.client_ids(practice_id, keys) if keys else {}
    client_ids = [by_key.get(one) if isinstance(one, IdentityKey) else one for one in wanted]
    known = reads.clients(practice_id, {one for one in client_ids if one is not None})
    return [None if one is None else known.get(one) for one in client_ids]


def _verdict(
    judged: Sequence[IntakeResult | Candidate],
    candidates: Sequence[Candidate],
    objects: Mapping[SourceObjectKey, StoredObject],
    store: Store,
) -> Verdict:
    """The verdict, by what is accepted and parked already."""
    hashes = store.hashes([each.event_key for each in candidates])
    unknown = [each.event_key for each in candidates if each.client is None]
    parked_hashes = store.parking.hashes(unknown) if unknown else {}
    ownerless = without_owner(candidates, objects)
    waiting = store.parking.waiting(ownerless) if ownerless else NOTHING_WAITS
    return judge(judged, hashes, objects, parked_hashes, waiting)


def _with_owners(
    verdict: Verdict,
    objects: Mapping[SourceObjectKey, StoredObject],
    named: Collection[SourceObjectKey],
    store: Store,
) -> Mapping[SourceObjectKey, StoredObject]:
    """The objects with the owners that they have after the batch; those that only refused facts
    name are deleted again. One that was created for the client of a refused fact, and of which
    something is parked, has no owner."""
    unused = {key for key in named if objects[key].is_new and key not in verdict.owners}
    owned = {key: owner for key, owner in verdict.owners.items() if objects[key].owner != owner}
    if unused:
        store.forget_objects(unused)
    if owned:
        store.save_owners(owned)
        return {**objects, **{key: objects[key]._replace(owner=owned[key]) for key in owned}}
    return objects


def _refusal(
    fact: SourceFact, practices: Mapping[PracticeId, Practice], now: datetime
) -> IntakeResult | None:
    """Why this fact can never be accepted, whatever the ledger holds; None when it can be."""
    practice = practices.get(fact.practice_id)
    if practice is None:
        return UNKNOWN_PRACTICE
    if fact.occurred_at - now > AHEAD and fact.kind != "consent_withdrawn":
        return IN_THE_FUTURE
    cancelled_at = fact.details.cancelled_at
    if cancelled_at is not None and cancelled_at - now > AHEAD:
        return CANCELLED_IN_THE_FUTURE
    if fact.currency is not None and fact.currency != practice.currency:
        return OTHER_CURRENCY
    return None


def _with_remarks(
    results: Sequence[IntakeResult], remarks: Mapping[int, IntakeResult]
) -> list[IntakeResult]:
    """The results, with the remarks on the new facts at their places."""
    if not remarks:
        return list(results)
    new = [index for index, result in enumerate(results) if result is ACCEPTED]
    by_index = {new[place]: remark for place, remark in remarks.items()}
    return [by_index.get(index, result) for index, result in enumerate(results)]
