"""The stores in memory keep the promises of the ports, as those on Postgres do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from rapport_runtime.bus.port import Outgoing
from scoring_service import translate
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.keys import Ends, ends_of
from tests.support.memory.keys_suite import KeysSuite
from tests.support.memory.scoring import MemoryFeed, MemoryStores, MemoryTiers
from tests.support.memory.scoring_feed_suite import FeedSuite
from tests.support.memory.scoring_generations_suite import GenerationsSuite
from tests.support.memory.scoring_kept_suite import KeptTiersSuite
from tests.support.memory.scoring_suite import StoreSuite, TiersSuite
from tests.support.worlds.feed import PARTITIONS


class MemoryAdapter:
    """See `StoreAdapter`."""

    def __init__(self) -> None:
        self.stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
        self.tiers = MemoryTiers(self.stores)

    def pass_watermark(self, partition: int, instant: datetime) -> None:
        self.stores.rows.processed[partition] = instant

    def swept(self) -> Mapping[int, datetime]:
        return self.stores.rows.swept

    @contextmanager
    def hold(self, partition: int) -> Iterator[None]:
        self.stores.held_by_another.add(partition)
        try:
            yield
        finally:
            self.stores.held_by_another.remove(partition)

    def outbox(self) -> Sequence[Outgoing]:
        return self.stores.rows.outbox

    def save_key(self, key: dict[str, Any]) -> None:
        with self.stores.open() as store:
            store.save_key(key)

    def key_ends(self) -> Ends:
        return ends_of(self.stores.rows.keys)

    def practices(self) -> Sequence[tuple[str, str]]:
        rows = self.stores.rows.practices.values()
        return [(row["practice_id"], row["name"]) for row in rows]

    def let_generations_age(self) -> None:
        self.stores.rows.overdue.update(self.stores.rows.next)


class MemoryFeeds:
    """See `FeedAdapter`."""

    def __init__(self) -> None:
        self.feed = MemoryFeed(PARTITIONS)
        self.publish = self.feed.publish
        self.hold = self.feed.hold
        self.erase = self.feed.erase
        self.remove = self.feed.remove
        self.pass_watermark = self.feed.pass_watermark


@pytest.fixture
def adapter() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture
def feeds() -> MemoryFeeds:
    return MemoryFeeds()


class TestMemoryStore(StoreSuite):
    """`MemoryStores`."""


class TestMemoryTiers(TiersSuite):
    """`MemoryTiers`."""


class TestMemoryHolds(KeptTiersSuite):
    """`MemoryHolds`."""


class TestMemoryFeed(FeedSuite):
    """`MemoryFeed`."""


class TestMemoryKeys(KeysSuite):
    """`MemoryStores`, of keys."""


class TestMemoryGenerations(GenerationsSuite):
    """Generations of clients' facts."""
