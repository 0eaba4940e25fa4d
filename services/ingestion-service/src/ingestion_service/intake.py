"""What the new facts of a batch make of their objects and clients: rows of the ledger, and the
activities that are published."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingestion_service.domain.activities import (
    Activity,
    ActivityOwner,
    Delta,
    announcement,
    caused,
    takes_back_a_visit,
)
from ingestion_service.domain.care import CareWord, word_of
from ingestion_service.domain.facts import (
    ClientId,
    IdentityKey,
    PracticeId,
    SourceFact,
    SourceObjectKey,
)
from ingestion_service.domain.intake_results import OVERDRAWS, TOOK_BACK_VISIT, IntakeResult
from ingestion_service.domain.object_batch import Known
from ingestion_service.domain.package_batch import PackageBatch, Row, Told
from ingestion_service.domain.practices import Practice
from ingestion_service.judging import Candidate
from ingestion_service.ports import Client, LedgerEntry, Store, StoredObject
from ingestion_service.silences import spoken

Objects = Mapping[SourceObjectKey, StoredObject]


class Found(NamedTuple):
    """What the store knows of the new facts of a batch, and ingestion's time; `times` are those at
    which the practices accept."""

    clients: Mapping[IdentityKey, Client]
    objects: Objects
    practices: Mapping[PracticeId, Practice]
    now: datetime
    times: Mapping[PracticeId, datetime]


def concerned(new: Sequence[Candidate], objects: Objects) -> set[IdentityKey]:
    """The clients for whom something counts because of new facts, or counts no longer. That depends
    on the objects alone, which are locked, and on no zone: so it is known before the clients are
    locked, under whose locks their zones are read."""
    if not any(key.kind == "package" for key in objects):
        return {each.fact.client for each in new}
    batch = PackageBatch(_known(objects), {})
    return {row.client for each in new for row in batch.fold(each.fact).rows}


def take_in(new: Sequence[Candidate], found: Found, store: Store) -> Mapping[int, IntakeResult]:
    """Write what new facts make of their objects and clients, and publish it. The results, by their
    places among the new facts, of those of which more is to be told than that they were accepted.
    """
    zones = {key: ZoneInfo(client.zone) for key, client in found.clients.items()}
    batch = PackageBatch(_known(found.objects), zones)
    intake, remarks = _Intake([], {}, [], []), dict[int, IntakeResult]()
    for place, each in enumerate(new):
        remark = _add(each, batch.fold(each.fact), found, intake)
        if remark is not None:
            remarks[place] = remark
    store.append(intake.entries)
    store.freshness.count(spoken(intake.entries, found.practices))
    store.save_sequences(intake.sequences)
    store.save_standings(batch.standings)
    store.publish(intake.activities)
    if intake.care:
        store.publish_care(intake.care)
    return remarks


def owner_of(client: Client, practice: Practice) -> ActivityOwner:
    """The client as the owner of its activities."""
    return ActivityOwner(
        practice.practice_id, client.client_id, client.generation, client.zone, practice.currency
    )


class _Intake(NamedTuple):
    """The rows that the new facts of a batch add, and each client's new last sequence. `care` is
    what holds of signals of care now."""

    entries: list[LedgerEntry]
    sequences: dict[tuple[PracticeId, ClientId], int]
    activities: list[Activity]
    care: list[CareWord]


def _known(objects: Objects) -> dict[SourceObjectKey, Known]:
    return {key: Known(one.object_id, one.standing, one.owner) for key, one in objects.items()}


def _add(new: Candidate, told: Told, found: Found, intake: _Intake) -> IntakeResult | None:
    """Add what a fact tells; the remark on it, if there is one. No value of what is of care is
    kept."""
    for row in told.away:
        _add_row(row, row.fact.content_hash, found, intake)
    if new.fact.is_care:
        _add_care(told, found, intake)
    deltas = _add_row(told.own, new.content_hash, found, intake)
    for row in told.toward:
        _add_row(row, row.fact.content_hash, found, intake)
    if takes_back_a_visit(deltas):
        return TOOK_BACK_VISIT
    return OVERDRAWS if told.is_overdrawn else None


def _add_care(told: Told, found: Found, intake: _Intake) -> None:
    own = told.own
    if told.is_last_word:
        client_id = found.clients[own.client].client_id
        intake.care.append(word_of(own.fact, client_id, own.object_id, found.now))


def _add_row(row: Row, content_hash: bytes, found: Found, intake: _Intake) -> Sequence[Delta]:
    """Add a row of the ledger, and number the activities that it causes, accepted at its practice's
    time; its deltas. A client's first fact causes one in any case, so that no client is known here
    alone; but what is of care causes none."""
    fact, deltas = _kept(row.fact), row.deltas
    client, practice = found.clients[row.client], found.practices[fact.practice_id]
    now = found.now if fact.is_care else found.times[fact.practice_id]
    client_key = (fact.practice_id, client.client_id)
    first = intake.sequences.get(client_key, client.last_sequence) + 1
    if not deltas and first == 1 and not fact.is_care:
        deltas = [announcement(fact, client.zone, now)]
    intake.entries.append(
        LedgerEntry(fact, content_hash, row.object_id, client.client_id, now, first, deltas)
    )
    if deltas:
        intake.sequences[client_key] = first + len(deltas) - 1
        owner = owner_of(client, practice)
        intake.activities.extend(caused(fact, row.object_id, owner, deltas, first, now))
    return deltas


def _kept(fact: SourceFact) -> SourceFact:
    return fact._replace(attributes=()) if fact.is_care else fact
