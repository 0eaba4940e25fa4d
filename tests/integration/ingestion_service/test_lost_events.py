"""After a restore ingestion names each source event of which activities are lost."""

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.handlers import accept
from ingestion_service.store.lost_events import report_lost
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_runtime.database import Database, fetch
from rapport_runtime.stream.restored import LostRecord
from tests.support.memory.ingestion import NOON
from tests.support.memory.ingestion_world import fact

pytestmark = pytest.mark.integration
OUTBOX = "SELECT key, value FROM outbox WHERE topic = %(topic)s ORDER BY id"


def test_an_event_that_was_taken_in_again_is_listed_and_marked(database: Database) -> None:
    """Readers know its activities from the lost life, with other contents perhaps."""
    again = fact("completed", "e1")
    with database.transaction() as tx:
        accept([again], build_stores(database, is_simulated=False).within(tx))
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
