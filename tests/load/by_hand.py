"""How a per-event twin publishes what it committed: by hand, with no lock, feed or watermark."""

from collections.abc import Iterator
from contextlib import contextmanager

import kafka
import psycopg

from tests.load.one_worker import options_of
from tests.load.order import Order

ACKNOWLEDGED_SECONDS = 30.0
_READ = "SELECT id, topic, partition, key, value FROM outbox ORDER BY id"
_REMOVE = "DELETE FROM outbox WHERE id = ANY(%s)"


class ByHand:
    """Sends what is in the outbox, waits for each acknowledgement, and removes it: the least that
    loses nothing."""

    def __init__(self, order: Order, database: psycopg.Connection, producer: kafka.KafkaProducer):
        self._prefix = order.topic_prefix
        self._database = database
        self._producer = producer

    def publish(self) -> None:
        """Raises what the client raises when something was not acknowledged."""
        rows = self._database.execute(_READ).fetchall()
        sent = [
            self._producer.send(self._prefix + topic, bytes(value), bytes(key), partition=partition)
            for _, topic, partition, key, value in rows
        ]
        for future in sent:
            future.get(timeout=ACKNOWLEDGED_SECONDS)
        self._database.execute(_REMOVE, ([row[0] for row in rows],))


@contextmanager
def by_hand(order: Order) -> Iterator[ByHand]:
    """One connection and one producer, which waits for nobody: `linger_ms` is 0."""
    servers = options_of(order).bootstrap_servers.split(",")
    producer = kafka.KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=0)
    with psycopg.connect(order.database_url, autocommit=True) as database:
        yield ByHand(order, database, producer)
    producer.close()
