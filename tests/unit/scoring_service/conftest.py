"""What the tests of scoring's use cases share."""

import pytest

from scoring_service import translate
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores


@pytest.fixture
def stores() -> MemoryStores:
    """Stores in memory, without a client."""
    return MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
