"""What intake accepts, every reader of the topics can decode: there is one range for each value."""

import json
import re
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ingestion_service.api.schemas import PracticeBody
from ingestion_service.domain.activities import ActivityOwner, caused
from ingestion_service.domain.facts import ClientId, IdentityKey, PracticeId
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept, register_client, register_practice
from ingestion_service.ports import Opening
from ingestion_service.translate import (
    decode,
    record_of_activity,
    record_of_practice,
    record_of_watermark,
    records_of_generation,
)
from rapport_contracts.canonical import (
    ActivityRecorded,
    GenerationOpened,
    PracticeRegistered,
    UnknownEvent,
    WatermarkAdvanced,
)
from rapport_contracts.characters import is_shown
from rapport_contracts.codec import decode as decode_canonical
from rapport_contracts.codec import encode
from rapport_contracts.discreet import why_not_discreet
from rapport_contracts.ranges import EARLIEST_HAPPENED, LATEST, NAME, regions
from rapport_contracts.topics import SOURCE_BOOKINGS, SOURCE_PAYMENTS
from rapport_runtime.bus.port import Outgoing
from tests.support.generators.source_documents import (
    CURRENCIES,
    TEXTS,
    ZONES,
    documents,
    instants,
)
from tests.support.memory.ingestion import NOON, MemoryStores
from tests.support.memory.ingestion_world import delta, fact


def read_again(record: Outgoing) -> object:
    """The event of a record, which gives the same bytes when it is encoded again."""
    event = decode_canonical(record.topic, record.key, record.value)
    assert not isinstance(event, UnknownEvent)
    assert encode(event) == record.value
    return event


@given(data=st.data(), zone=ZONES, currency=CURRENCIES, now=instants(EARLIEST_HAPPENED, LATEST))
def test_activities_of_whatever_is_accepted_can_be_read_by_everybody(
    data: st.DataObject, zone: str, currency: str, now: datetime
) -> None:
    drawn = data.draw(st.lists(documents(currency, now), min_size=1, max_size=6))
    stores = MemoryStores()
    stores.real_time = now
    facts = []
    for document in drawn:
        topic = SOURCE_BOOKINGS if ".booking." in document["type"] else SOURCE_PAYMENTS
        value = json.dumps(document).encode()
        facts.append(decode(topic.name, document["subject"].encode(), value))
    with stores.transaction() as tables:
        store = stores.within(tables)
        register_practice(Practice("lakeside", "Lakeside", zone, currency), store)
        results = accept(facts, store)
        register_client(IdentityKey("lakeside", "desk", drawn[0]["subject"]), store)
    assert results[0].status == "accepted"
    refused = {"conflicting-duplicate", "other-client", "other-refunds"}
    assert {result.reason for result in results} <= {None, *refused}
    for activity in stores.tables.published:
        event = read_again(record_of_activity(activity))
        assert isinstance(event, ActivityRecorded)
        cause = activity.cause
        said = (event.data.source, event.data.cause_id, event.data.object_id, event.data.backfill)
        assert said == ((None, None, None, False) if cause is None else tuple(cause))
        assert event.data.attributes == dict(activity.delta.attributes)
        assert event.data.last_of_cause is activity.is_last_of_cause
        assert event.causationid is None


DISCREET_NAMES = TEXTS.map(lambda text: "".join(filter(is_shown, text))).filter(
    lambda name: bool(re.match(NAME, name)) and why_not_discreet(name) is None
)


@given(
    name=TEXTS,
    zone=ZONES,
    currency=CURRENCIES,
    region=st.none() | st.sampled_from(sorted(regions())),
    discreet_name=st.none() | DISCREET_NAMES,
    now=instants(EARLIEST_HAPPENED, LATEST),
)
def test_every_practice_that_can_be_registered_can_be_read_by_everybody(
    now: datetime, **fields: Any
) -> None:
    body = PracticeBody(**fields)
    practice = Practice("lakeside", **body.model_dump())
    event = read_again(record_of_practice(practice, now))
    assert isinstance(event, PracticeRegistered)
    data = event.data
    assert (data.zone, data.currency, data.region, data.discreet_name) == (
        fields["zone"],
        fields["currency"],
        fields["region"],
        fields["discreet_name"],
    )


@given(up_to=instants(EARLIEST_HAPPENED, LATEST))
def test_every_watermark_can_be_read_by_everybody(up_to: datetime) -> None:
    event = read_again(record_of_watermark(3, up_to))
    assert isinstance(event, WatermarkAdvanced)
    assert event.data.up_to == up_to


def test_what_is_said_anew_keeps_its_id_and_is_another_event() -> None:
    """Who remembers ids of events must not drop it; corrections go on referring to it."""
    owner = ActivityOwner(
        PracticeId("lakeside"), ClientId("c1"), 28_515_170, "Asia/Shanghai", "CNY"
    )
    paid = fact("settled", "e1")
    (activity,) = caused(paid, "o1", owner, [delta("e1", 0, "settled")], 3, NOON)
    opening = Opening(owner, "rebuild", 1, NOON)
    records = list(records_of_generation(opening, [activity], "0a1b2c3d"))
    assert {(each.partition, each.key) for each in records} == {
        (records[0].partition, b"c1"),
    }
    opened, again = map(read_again, records)
    assert isinstance(opened, GenerationOpened)
    assert isinstance(again, ActivityRecorded)
    assert (opened.id, opened.time, opened.incarnation) == ("c1/28515170", NOON, "0a1b2c3d")
    assert (opened.data.generation, opened.data.facts) == (28_515_170, 1)
    live = read_again(record_of_activity(activity, "0a1b2c3d"))
    assert isinstance(live, ActivityRecorded)
    assert (again.id, again.data.activity_id) == (f"{live.id}/28515170", live.id)
    assert structs.replace(again.data, activity_id=None) == live.data
