"""What the tests of scoring's use cases share."""

import pytest

from scoring_service import translate
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores
from tests.support.worlds.scoring_consumer import Scoring


@pytest.fixture
def stores() -> MemoryStores:
    """Stores in memory, without a client."""
    return MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))


@pytest.fixture
def scoring() -> Scoring:
    """The handler of the batch loop on stores in memory."""
    return Scoring()
