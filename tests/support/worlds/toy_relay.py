"""A toy service's output topic: rows for its outbox, and what its relay publishes of them."""

from rapport_runtime.bus.memory import MemoryBus
from rapport_runtime.bus.port import Outgoing, Producer
from rapport_runtime.database import Database
from rapport_runtime.stream import outbox
from rapport_runtime.stream.relay import Relay
from tests.support.worlds.toy_ledger import Topic, output, partition

OUT = "out.v1"


def rows(number: int, *values: str) -> list[Outgoing]:
    return [Outgoing(OUT, number, b"k", value.encode()) for value in values]


def append(database: Database, *records: Outgoing) -> None:
    with database.transaction() as tx:
        outbox.append(tx, records)


def published(bus: MemoryBus, number: int = 0) -> list[str]:
    return [
        (record.value or b"").decode() for record in bus.logs[partition(number)._replace(topic=OUT)]
    ]


def plain(database: Database, producer: Producer, **options: int) -> Relay:
    return Relay(database, producer, output(Topic(OUT, 2)), **options)
