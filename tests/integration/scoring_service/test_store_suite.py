"""The stores on Postgres keep the promises of the ports, as those in memory do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.bus.port import Outgoing
from rapport_runtime.database import Database, execute, fetch
from scoring_service import translate
from scoring_service.bootstrap import SWEEP_PROGRESS
from scoring_service.ports import Hold
from scoring_service.store.holds import PostgresHolds
from scoring_service.store.reads import PostgresTiers
from scoring_service.store.stores import PostgresStores
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.keys import Ends
from tests.support.memory.keys_suite import KeysSuite
from tests.support.memory.scoring_feed_suite import FeedSuite
from tests.support.memory.scoring_generations_suite import GenerationsSuite
from tests.support.memory.scoring_kept_suite import KeptTiersSuite
from tests.support.memory.scoring_suite import StoreSuite, TiersSuite
from tests.support.worlds.feed import FeedWorld

pytestmark = pytest.mark.integration
POSITION = {"group": SWEEP_PROGRESS.group, "topic": SWEEP_PROGRESS.topic}
PASS_WATERMARK = """
    INSERT INTO consumer_position
        (consumer_group, topic, partition, topic_id, next_offset, processed_through)
    VALUES (%(group)s, %(topic)s, %(partition)s, '', 0, %(instant)s)
    ON CONFLICT (consumer_group, topic, partition)
    DO UPDATE SET processed_through = excluded.processed_through
"""
HOLD = "SELECT FROM consumer_position WHERE partition = %(partition)s FOR UPDATE"
OUTBOX = "SELECT topic, partition, key, value FROM outbox ORDER BY id"


class PostgresAdapter:
    """See `StoreAdapter`."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.worker = Database(urls.worker_url, application_name="worker")
        self.api = Database(urls.api_url, application_name="api")
        encode = translate.tier_changed(RULEBOOK)
        self.stores = PostgresStores(self.worker, RULEBOOK, SWEEP_PROGRESS, encode)
        self.tiers = PostgresTiers(self.api, SWEEP_PROGRESS)

    def pass_watermark(self, partition: int, instant: datetime) -> None:
        with self.worker.transaction() as tx:
            execute(tx, PASS_WATERMARK, {**POSITION, "partition": partition, "instant": instant})

    def swept(self) -> Mapping[int, datetime]:
        with self.worker.transaction() as tx:
            return SWEEP_PROGRESS.swept_through(tx, range(10))

    @contextmanager
    def hold(self, partition: int) -> Iterator[None]:
        with self.worker.transaction() as tx:
            execute(tx, HOLD, {"partition": partition})
            yield

    def outbox(self) -> Sequence[Outgoing]:
        with self.worker.transaction() as tx:
            rows = fetch(tx, OUTBOX)
        return [Outgoing(row.topic, row.partition, row.key, row.value) for row in rows]

    def practices(self) -> Sequence[tuple[str, str]]:
        with self.worker.transaction() as tx:
            rows = fetch(tx, "SELECT practice_id, name FROM practice")
        return [(row.practice_id, row.name) for row in rows]

    def let_generations_age(self) -> None:
        with self.worker.transaction() as tx:
            execute(tx, "UPDATE next_generation SET since = since - interval '2 hours'")

    def save_key(self, key: dict[str, Any]) -> None:
        with self.stores.open() as store:
            store.save_key(key)

    def key_ends(self) -> Ends:
        with self.worker.transaction() as tx:
            rows = fetch(tx, "SELECT id, expires_at, revoked_at FROM api_key")
        return {row.id: (row.expires_at, row.revoked_at) for row in rows}

    def close(self) -> None:
        """Give connections back."""
        self.worker.close()
        self.api.close()


class PostgresFeeds:
    """See `FeedAdapter`."""

    def __init__(self, world: FeedWorld) -> None:
        self.feed = world.feed
        self.publish = world.publish
        self.erase = world.erase
        self.remove = world.remove
        self._worker = world.worker

    def hold(self, practice_id: str, began_at: datetime) -> None:
        with self._worker.transaction() as tx:
            hold = Hold(practice_id, 3, "h1", "deferred", None, began_at)
            PostgresHolds(tx).save(hold)

    def pass_watermark(self, partition: int, up_to: datetime) -> None:
        with self._worker.transaction() as tx:
            tx.execute(
                sa.text("INSERT INTO outbox_watermark VALUES (:partition, :up_to)"),
                {"partition": partition, "up_to": up_to},
            )


@pytest.fixture
def adapter(service_database: Callable[[str], ServiceDatabase]) -> Iterator[PostgresAdapter]:
    made = PostgresAdapter(service_database("scoring"))
    yield made
    made.close()


@pytest.fixture
def feeds(feed_world: FeedWorld) -> PostgresFeeds:
    return PostgresFeeds(feed_world)


class TestPostgresStore(StoreSuite):
    """`PostgresStores`."""


class TestPostgresTiers(TiersSuite):
    """`PostgresTiers`."""


class TestPostgresHolds(KeptTiersSuite):
    """`PostgresHolds`."""


class TestPostgresFeed(FeedSuite):
    """`PostgresFeed`, numbered by `FeedWriter`."""


class TestPostgresKeys(KeysSuite):
    """`PostgresStores`, of keys."""


class TestPostgresGenerations(GenerationsSuite):
    """Generations of clients' facts."""
