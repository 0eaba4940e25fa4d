"""How a per-event baseline publishes what it committed: by hand; no lock, feed or watermark."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import kafka
import psycopg

from tools.bench.order import Order

ACKNOWLEDGED_SECONDS = 30.0
_READ = "SELECT id, topic, partition, key, value FROM outbox ORDER BY id"
_REMOVE = "DELETE FROM outbox WHERE id = ANY(%s)"


@contextmanager
def by_hand(order: Order) -> Iterator[Callable[[], None]]:
    """What sends all that is in the outbox, waits for each acknowledgement, and removes it: the
    least that loses nothing. The producer waits for nobody: its `linger_ms` is 0.

    Called, it raises what the client raises when something was not acknowledged.
    """
    servers = order.bootstrap.split(",")
    producer = kafka.KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=0)

    def publish() -> None:
        rows = database.execute(_READ).fetchall()
        sent = [
            producer.send(order.topic_prefix + topic, bytes(value), bytes(key), partition=partition)
            for _, topic, partition, key, value in rows
        ]
        for future in sent:
            future.get(timeout=ACKNOWLEDGED_SECONDS)
        database.execute(_REMOVE, ([row[0] for row in rows],))

    with psycopg.connect(order.database_url, autocommit=True) as database:
        yield publish
    producer.close()
