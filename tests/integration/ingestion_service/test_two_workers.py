"""Random histories over Kafka and Postgres with two workers that get in each other's way: what is
accepted, what stands and what is told are what an oracle makes of the events (ADR 45)."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion_service.bootstrap import build_stores
from ingestion_service.domain.facts import SourceObjectKey
from rapport_contracts.topics import (
    CLIENT_ACTIVITY,
    PER_CLIENT_PARTITIONS,
    SOURCE_BOOKINGS,
    SOURCE_PAYMENTS,
)
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from rapport_runtime.database import Database
from tests.support.doubles.known_secrets import RECORD_KEYS
from tests.support.generators.source_histories import CURRENCY, ZONE, Document, histories, of_client
from tests.support.generators.workload import Sent
from tests.support.harness.ingestion import WORKER, IngestionHarness, ingestion_harness
from tests.support.oracles import source_events
from tests.support.oracles.source_events import Counts
from tests.support.servers.bus_log import RawProducer
from tests.support.worlds import readers
from tests.support.worlds.source_histories import counts_of, expected

pytestmark = pytest.mark.integration
HISTORIES, SEED = 200, 20261201
TOPICS = (SOURCE_BOOKINGS.name, SOURCE_PAYMENTS.name)
PRACTICE = {
    "name": "Lakeside",
    "zone": ZONE,
    "currency": CURRENCY,
    "undeclared_sources": "accept",
}
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_CLIENTS = "SELECT external_id, client_id FROM identity WHERE practice_id = 'lakeside'"
_OBJECTS = """
    SELECT practice_id, source, kind, external_id, owner_external_id FROM source_object
    WHERE practice_id = 'lakeside'
"""
_LEDGER = """
    SELECT i.external_id, l.event_id
    FROM ledger AS l JOIN identity AS i USING (practice_id, client_id)
    WHERE l.practice_id = 'lakeside'
"""


def rounds() -> list[list[Document]]:
    """The events of all clients, so that each round has the next batch of each of them."""
    of_clients = [
        [[of_client(each, f"c{number}") for each in batch] for batch in history.batches]
        for number, history in enumerate(histories(SEED, HISTORIES))
    ]
    longest = max(map(len, of_clients))
    return [
        [each for batches in of_clients for each in (batches[n] if n < len(batches) else [])]
        for n in range(longest)
    ]


def spread(events: list[Document], chance: random.Random) -> Iterator[Sent]:
    """Each event on any partition of its topic, so that both workers have events of each client,
    booking and payment at once; in any order."""
    for each in chance.sample(events, len(events)):
        topic = TOPICS[".payment." in each["type"]]
        partition = chance.randrange(PER_CLIENT_PARTITIONS)
        yield Sent(topic, partition, each["subject"].encode(), json.dumps(each).encode())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_histories_through_two_workers_are_as_recomputed(
    tmp_path: Path, postgres: Postgres, kafka: Kafka
) -> None:
    with ingestion_harness(tmp_path / "two", postgres, kafka) as harness:
        second = harness.stack.start_worker("ingestion")
        harness.stack.wait_ready([second])
        harness.operator.put("/v1/practices/lakeside", PRACTICE)
        documents: dict[str, dict[str, Document]] = {}
        producer, chance = RawProducer(harness.log), random.Random(SEED)
        for events in rounds():
            producer.send(spread(events, chance))
            for each in events:
                documents.setdefault(each["subject"], {})[each["id"]] = each
        producer.close()
        harness.read_all()
        assert both_work(harness)
        assert harness.rows("SELECT count(*) FROM dead_letter") == [(0,)]
        assert harness.rows(_DEADLOCKS) == [(0,)]
        for name in (WORKER, second):
            assert "deadlock" not in harness.stack.child(name).log.read_text()
        assert accepted(harness) == {client: set(its) for client, its in documents.items()}
        names = dict(harness.rows(_CLIENTS))
        told = readers.read(harness.log.values(CLIENT_ACTIVITY.name))
        stands = standing(harness)
        for client, its in documents.items():
            counts = expected(list(its.values())).get(client, {})
            assert told[names[client]].current.sums == counts, client
            assert source_events.net(stands[client]) == counts, client


def accepted(harness: IngestionHarness) -> dict[str, set[str]]:
    """The events of the ledger, by client."""
    found: dict[str, set[str]] = {}
    for client, event_id in harness.rows(_LEDGER):
        found.setdefault(client, set()).add(event_id)
    return found


def standing(harness: IngestionHarness) -> dict[str, list[Counts]]:
    """What each booking and payment says that it counts for, by client."""
    url = harness.stack.database("ingestion").worker_url
    database = Database(url, application_name="test")
    stores = build_stores(database, RECORD_KEYS, is_simulated=True)
    keys = {SourceObjectKey(*row[:4]): row[4] for row in harness.rows(_OBJECTS)}
    with stores.transaction() as tx:
        known = stores.within(tx).imports.objects(keys)
    database.close()
    found: dict[str, list[Counts]] = {}
    for key, one in known.items():
        found.setdefault(keys[key], []).append(counts_of(one.standing))
    return found


def both_work(harness: IngestionHarness) -> bool:
    """Whether there are two workers, and each has partitions of both topics."""
    workers = harness.operator.get("/v1/status")["workers"]
    held = [{name.partition("/")[0] for name in each["partitions"]} for each in workers]
    return len(held) == 2 and all({*TOPICS} <= each for each in held)
