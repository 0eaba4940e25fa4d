"""What the tests of outreach's use cases share."""

import pytest

from tests.unit.outreach_service.memory_outreach import MemoryOutreach


@pytest.fixture
def outreach() -> MemoryOutreach:
    """An outreach at noon, without clients."""
    return MemoryOutreach()
