"""Stores in memory, for the handlers."""

import pytest

from ingestion_service.handlers import register_practice
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import LAKESIDE


@pytest.fixture
def stores() -> MemoryStores:
    """With the practice Lakeside, at noon."""
    made = MemoryStores()
    with made.open_for_operator() as store:
        register_practice(LAKESIDE, store)
    return made
