"""Random histories of which a restore loses the end without a word: it is found and repaired, and
when all has come again each client is as an oracle recomputes it from the events (ADR 28)."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from ingestion_service.bootstrap import OUTPUT
from ingestion_service.translate import fact_of
from rapport_contracts.canonical import ActivityRecorded
from rapport_contracts.codec import decode, decode_source
from rapport_contracts.topics import CLIENT_ACTIVITY
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.database import Database, fetch
from rapport_runtime.errors import DatabaseIsOlder
from rapport_runtime.stream.look import OutputLook
from tests.integration.ingestion_service.test_repair import Restored
from tests.support.doubles.known_secrets import KnownSecrets
from tests.support.generators.source_histories import Document, histories, of_client
from tests.support.servers.backups import back_up, restore
from tests.support.worlds import readers
from tests.support.worlds.source_histories import expected

pytestmark = pytest.mark.integration
CLIENTS = 40
Cause = tuple[str, str, str]
"""Practice, source and id of a source event."""


class Arrival(NamedTuple):
    """A batch of one client's events, and whether it came by REST."""

    batch: list[Document]
    is_rest: bool


def arrivals(chance: random.Random) -> list[Arrival]:
    """The batches of all clients; those of a client stay in their order."""
    waiting = {
        f"c{number}": list(history.batches)
        for number, history in enumerate(histories(chance.randrange(10**6), CLIENTS))
    }
    come = []
    while waiting:
        client = chance.choice(sorted(waiting))
        batch = [of_client(each, client) for each in waiting[client].pop(0)]
        come.append(Arrival(batch, chance.random() < 0.5))
        if not waiting[client]:
            del waiting[client]
    return come


class Histories(Restored):
    """Ingestion on a database that goes back, and what its clients are to count for."""

    def take(self, come: Sequence[Arrival]) -> None:
        for each in come:
            facts = [
                fact_of(decode_source(None, None, json.dumps(document).encode()))
                for document in each.batch
            ]
            self.accept(*facts)

    def go_back(self, postgres: Postgres, backup: str) -> None:
        """The database is as it was, and a worker that starts finds that out."""
        self.close()
        restore(postgres, self.urls, backup)
        self.open()
        self.database.vet(OutputLook(self.database, OUTPUT, lambda: self.bus))
        with pytest.raises(DatabaseIsOlder), self.database.transaction():
            pass
        self.open()

    def back_up(self, postgres: Postgres) -> str:
        self.close()
        backup = back_up(postgres, self.urls)
        self.open()
        return backup

    def told(self) -> list[bytes]:
        """The values on the topic, partition by partition."""
        places = sorted(place for place in self.bus.logs if place.topic == CLIENT_ACTIVITY.name)
        return [record.value or b"" for place in places for record in self.bus.logs[place]]

    def names(self) -> dict[str, str]:
        """Client -> its name at the source."""
        with self.database.transaction() as tx:
            rows = fetch(tx, "SELECT external_id, client_id FROM identity")
        return {row.client_id: row.external_id for row in rows}


def causes(values: Sequence[bytes]) -> set[Cause]:
    """The source events that these activities tell of."""
    found = set()
    for value in values:
        event = decode(CLIENT_ACTIVITY.name, b"a key that says nothing", value)
        if isinstance(event, ActivityRecorded) and event.data.source and event.data.cause_id:
            found.add((event.practiceid, event.data.source, event.data.cause_id))
    return found


@pytest.fixture
def ingestion(urls: ServiceDatabase, database: Database, bus: MemoryBus) -> Iterator[Histories]:
    database.close()
    made = Histories(urls, bus)
    yield made
    made.close()


@pytest.mark.parametrize("is_repaired", [True, False])
def test_each_client_is_as_recomputed_when_all_has_come_again(
    ingestion: Histories, postgres: Postgres, *, is_repaired: bool
) -> None:
    """What came by the bus is read again in its order, what came by REST is sent again whole, in
    any order. Without the repair it does not come out."""
    chance = random.Random(20261201)
    come = arrivals(chance)
    known, lost = come[: len(come) // 2], come[len(come) // 2 :]
    ingestion.take(known)
    backup, before = ingestion.back_up(postgres), set(ingestion.told())
    ingestion.take(lost)
    behind = [value for value in ingestion.told() if value not in before]
    ingestion.go_back(postgres, backup)
    restoration = ingestion.restoration()
    listed = [line.split("\t") for line in restoration.dry_run()]
    events = {(line[1], line[2], line[3]) for line in listed if line[0] == "event"}
    assert events == causes(behind)
    by_rest = {each["id"] for arrival in lost if arrival.is_rest for each in arrival.batch}
    assert by_rest & {event_id for _, _, event_id in events}
    restoration.confirm("ann", "a drill", repairs=is_repaired)
    if is_repaired:
        restoration.repair(KnownSecrets())
    sent_again = [each for each in lost if each.is_rest]
    ingestion.take(chance.sample(sent_again, len(sent_again)))
    ingestion.take([each for each in lost if not each.is_rest])
    wrong = list(faults(ingestion, come))
    assert (wrong == []) is is_repaired, wrong


def faults(ingestion: Histories, come: Sequence[Arrival]) -> Iterator[str]:
    """Whom readers have otherwise than the set of events says, or not whole."""
    documents: dict[str, dict[str, Document]] = {}
    for each in come:
        for document in each.batch:
            documents.setdefault(document["subject"], {})[document["id"]] = document
    names = ingestion.names()
    if sorted(names.values()) != sorted(documents):
        yield "not each of the clients is known once"
    for client_id, client in readers.read(ingestion.told()).items():
        name = names.get(client_id, "nobody")  # of payments for packages alone (ADR 28)
        counts = expected(list(documents.get(name, {}).values())).get(name, {})
        if client.beside is not None:
            yield f"{name}: a generation is not complete"
        elif client.current.sums != counts:
            yield f"{name}: readers have other counts than the events come to"
