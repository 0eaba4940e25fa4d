"""Random histories of source events through ingestion on a store in memory, against the oracle."""

import json
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from ingestion_service.domain.facts import ClientId
from ingestion_service.domain.practices import Practice
from ingestion_service.domain.standings import Standing
from ingestion_service.handlers import accept, register_practice
from ingestion_service.parked_facts import ParkedFacts
from ingestion_service.translate import fact_of
from rapport_contracts.codec import decode_source
from tests.support.generators.source_histories import CURRENCY, ZONE, Document, History
from tests.support.memory.ingestion import MemoryStores
from tests.support.oracles import source_events
from tests.support.oracles.source_events import Counts, Place, Units, subjects

PRACTICE = Practice("lakeside", "Lakeside", ZONE, CURRENCY)


def faults(history: History) -> Iterator[str]:
    """What is wrong after each batch: what was told does not add up to what the set of events
    counts for, client by client or object by object; a package is not what they come to; or an
    event was refused."""
    stores = MemoryStores()
    with stores.open_for_operator() as store:
        register_practice(PRACTICE, store)
    known: dict[str, Document] = {}
    for number, batch in enumerate(history.batches):
        refused = _refused(stores, batch)
        known |= {each["id"]: each for each in batch}
        if refused:
            yield f"batch {number}: refused as {refused}"
        _accept_parked(stores)
        documents = list(known.values())
        if _told(stores) != expected(documents):
            yield f"batch {number}: what was told differs from what the events count for"
        if _packages(stores) != source_events.packages(subjects(documents), ZoneInfo(ZONE)):
            yield f"batch {number}: a package is not what the events come to"
        if _told_of_objects(stores) != _standing(stores):
            yield f"batch {number}: what was told of an object differs from where it stands"


def expected(documents: list[Document]) -> dict[str, Counts]:
    """What the set of these events counts for, by client."""
    zone, every = ZoneInfo(ZONE), subjects(documents)
    by_client: dict[str, list[Counts]] = {}
    for each in every:
        held = source_events.counts(each, zone)
        if held:
            by_client.setdefault(str(source_events.whose(each, every)), []).append(held)
    return _without_nothing(by_client)


def _without_nothing(by_client: dict[str, list[Counts]]) -> dict[str, Counts]:
    sums = {client: source_events.net(held) for client, held in by_client.items()}
    return {client: held for client, held in sums.items() if held}


def _packages(stores: MemoryStores) -> dict[str, Units]:
    """What the packages say of themselves."""
    known = {key: one.standing.package for key, one in stores.tables.objects.items()}
    found = {
        key.external_id: Units(one.bought, one.used, one.refunded)
        for key, one in known.items()
        if one is not None
    }
    return {key: units for key, units in found.items() if any(units)}


def _refused(stores: MemoryStores, batch: list[Document]) -> list[str]:
    facts = [fact_of(decode_source(None, None, json.dumps(each).encode())) for each in batch]
    with stores.transaction() as tables:
        results = accept(facts, stores.within(tables))
    return [str(each.reason) for each in results if each.status == "rejected"]


def _accept_parked(stores: MemoryStores) -> None:
    """What names no client, and whose payment is known by now."""
    parked = ParkedFacts(stores, _refuse_none)
    while parked.run().facts:
        continue


def _refuse_none(_tx: object, letters: Sequence[object]) -> None:
    assert not letters, "what was parked is accepted"


def _told(stores: MemoryStores) -> dict[str, Counts]:
    """The sums of what was published, by client, registrations left out."""
    names = {client: key.external_id for key, client in stores.tables.identities.items()}
    by_client: dict[str, list[Counts]] = {}
    for client, _, change in _activities(stores):
        by_client.setdefault(names[client], []).append(change)
    return _without_nothing(by_client)


def _told_of_objects(stores: MemoryStores) -> dict[str, Counts]:
    by_object: dict[str, list[Counts]] = {}
    for _, object_id, change in _activities(stores):
        by_object.setdefault(object_id, []).append(change)
    sums = {object_id: source_events.net(changes) for object_id, changes in by_object.items()}
    return {object_id: held for object_id, held in sums.items() if held}


def _activities(stores: MemoryStores) -> Iterator[tuple[ClientId, str, Counts]]:
    """Of each activity its client, its object and its change."""
    for activity in stores.tables.published:
        delta = activity.delta
        if delta.kind == "registered":
            continue
        place = Place(
            delta.kind,
            delta.on,
            delta.starts_at,
            delta.attributes,
            delta.cancelled_by,
            delta.cancelled_at,
        )
        cause = activity.cause
        object_id = str(cause and cause.object_id)
        yield activity.owner.client_id, object_id, {place: (delta.number, delta.amount_minor)}


def _standing(stores: MemoryStores) -> dict[str, Counts]:
    """What each object says of itself that it counts for."""
    found: dict[str, Counts] = {}
    for stored in stores.tables.objects.values():
        counts = counts_of(stored.standing)
        if counts:
            found.setdefault(stored.object_id, {}).update(counts)
    return found


def counts_of(standing: Standing) -> Counts:
    """What a booking, a payment or a part of one says of itself that it counts for."""
    return {
        Place(kind, one.on, one.starts_at, one.attributes, one.cancelled_by, one.cancelled_at): (
            one.number,
            one.amount_minor,
        )
        for kind, one, _ in standing.effect
    }
