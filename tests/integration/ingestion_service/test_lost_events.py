"""After a restore ingestion names what is lost, with what is needed to enter it again."""

from collections import namedtuple

import pytest

from ingestion_service.api.schemas import PracticeBody
from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.activities import ActivityOwner, registered
from ingestion_service.domain.facts import ClientId
from ingestion_service.domain.practices import Practice
from ingestion_service.handlers import accept
from ingestion_service.ports import Opening
from ingestion_service.store.lost_events import report_lost
from ingestion_service.translate import (
    record_of_activity,
    record_of_key,
    record_of_practice,
    records_of_generation,
)
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database, fetch
from rapport_runtime.stream.restored import LostRecord
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE, fact
from tests.support.memory.keys_suite import MADE

pytestmark = pytest.mark.integration
SharedKey = namedtuple("SharedKey", MADE)
OUTBOX = "SELECT key, value FROM outbox WHERE topic = %(topic)s ORDER BY id"


def test_an_event_that_was_taken_in_again_is_listed_and_marked(database: Database) -> None:
    """Readers know its activities from the lost life, with other contents perhaps."""
    again = fact("completed", "e1")
    with database.transaction() as tx:
        accept([again], build_stores(database, RECORD_KEYS, is_simulated=False).within(tx))
        rows = fetch(tx, OUTBOX, {"topic": CLIENT_ACTIVITY.name})
        own = [LostRecord(CLIENT_ACTIVITY.name, row.key, row.value, NOON) for row in rows]
        named = f'"cause_id":"{again.event_id}"'.encode()
        others = [
            each._replace(value=each.value.replace(named, b'"cause_id":"another"')) for each in own
        ]
        lines = [line.split("\t") for line in report_lost(tx, own + others)]
    source = [again.practice_id, again.source]
    events = [(line[0], line[1:3], line[3], line[5:]) for line in lines if line[0] == "event"]
    assert events == [
        ("event", source, again.event_id, ["taken in again"]),
        ("event", source, "another", []),
    ]


def test_a_client_who_was_rebuilt_is_listed_and_what_was_said_anew_is_not(
    database: Database,
) -> None:
    """Readers pass over what comes of the generation before, until they are rebuilt again."""
    owner = ActivityOwner(LAKESIDE.practice_id, ClientId("c1"), 7, LAKESIDE.zone, "CNY")
    again = [registered(owner, 1, NOON)]
    lost = [lost_record(each) for each in records_of_generation(_opening(owner), again)]
    with database.transaction() as tx:
        assert report_lost(tx, lost) == ["rebuild\tlakeside\tc1\tgeneration 7"]


def _opening(owner: ActivityOwner) -> Opening:
    return Opening(owner, "rebuild", 1, NOON)


def test_a_practice_is_listed_with_the_request_that_registers_it_again(database: Database) -> None:
    """As it was at last; without it all that comes for the practice is refused. What was to become
    of undeclared sources is on no topic: of a practice that is registered again they wait."""
    announced = (LAKESIDE, HARBOUR._replace(name="Before"), HARBOUR)
    lost = [lost_record(record_of_practice(each, NOON)) for each in announced]
    with database.transaction() as tx:
        lines = [line.split("\t") for line in report_lost(tx, lost)]
    asked = {line[1]: PracticeBody.model_validate_json(line[3]) for line in lines}
    assert [line[::2] for line in lines] == [
        ["practice", "PUT /v1/practices/lakeside"],
        ["practice", "PUT /v1/practices/harbour"],
    ]
    for practice in (LAKESIDE, HARBOUR):
        body = asked[practice.practice_id].model_dump()
        assert Practice(practice.practice_id, **body) == practice._replace(
            undeclared_sources="wait"
        )


def test_a_client_that_was_registered_is_listed_with_the_time(database: Database) -> None:
    """No topic holds by which id; by the time its caller finds it."""
    owner = ActivityOwner(LAKESIDE.practice_id, ClientId("c1"), 1, LAKESIDE.zone, "CNY")
    lost = [lost_record(record_of_activity(registered(owner, 1, NOON)))]
    with database.transaction() as tx:
        assert report_lost(tx, lost) == [f"registered\tlakeside\tclient c1\t{NOON.isoformat()}"]


def test_a_key_is_listed_as_it_was_at_last(database: Database) -> None:
    made = SharedKey(**MADE)
    ended = made._replace(expires_at=NOON, revoked_at=NOON)
    other = made._replace(id="0" * 16, practice_id=None)
    lost = [lost_record(record_of_key(key, NOON)) for key in (made, ended, other)]
    with database.transaction() as tx:
        assert report_lost(tx, lost) == [
            f"key\t{made.id}\tharbour\texpires {NOON.isoformat()}\trevoked {NOON.isoformat()}",
            f"key\t{other.id}\toperator",
        ]


def lost_record(record: Outgoing) -> LostRecord:
    return LostRecord(record.topic, record.key, record.value, NOON)
