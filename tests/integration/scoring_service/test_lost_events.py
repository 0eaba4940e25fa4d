"""After a restore scoring names the clients whose versions on the topic are beyond its database."""

import pytest

from rapport_runtime.database import execute
from rapport_runtime.stream.restored import LostRecord
from scoring_service.store.lost_events import report_lost
from tests.support.worlds.feed import NOON, FeedWorld, change

pytestmark = pytest.mark.integration
CLIENT = """
    INSERT INTO client (practice_id, client_id, partition, zone, generation, last_sequence, missing,
                        stretches, digest, version)
    VALUES ('harbour', %(client)s, 0, '', 1, 1, '{}', '', '', %(version)s)
"""


def lost(client: str, version: int) -> LostRecord:
    topic, _, key, value = change(client, version)
    return LostRecord(topic, key, value, NOON)


def test_each_client_is_named_with_both_versions(feed_world: FeedWorld) -> None:
    records = [lost("ada", 2), lost("ada", 3), lost("bob", 1), lost("cem", 4)]
    with feed_world.worker.transaction() as tx:
        execute(tx, CLIENT, {"client": "ada", "version": 1})
        execute(tx, CLIENT, {"client": "cem", "version": 4})
        assert report_lost(tx, records) == [
            "client\tharbour\tada\tversion 3 on the topic, 1 here",
            "client\tharbour\tbob\tversion 1 on the topic, 0 here",
        ]


def test_a_record_that_is_no_change_is_passed_over(feed_world: FeedWorld) -> None:
    with feed_world.worker.transaction() as tx:
        assert report_lost(tx, [lost("ada", 1)._replace(value=b"{}")]) == []
