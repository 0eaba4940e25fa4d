"""What scoring's integration tests share: a world of its outbox, relay and feed."""

from collections.abc import Callable, Iterator

import pytest

from rapport_devkit.databases import ServiceDatabase
from tests.support.worlds.feed import FeedWorld


@pytest.fixture
def feed_world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[FeedWorld]:
    made = FeedWorld(service_database("scoring"))
    yield made
    made.close()
