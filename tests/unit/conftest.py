"""Unit tests need no server: `make unit` runs them where there is none."""

import pytest


@pytest.fixture
def postgres() -> None:
    """Fails the test."""
    pytest.fail("a unit test starts no Postgres; this one belongs under tests/integration")


@pytest.fixture
def kafka() -> None:
    """Fails the test."""
    pytest.fail("a unit test starts no Kafka; this one belongs under tests/integration")
