"""Unit tests need no server: `make unit` runs them where there is none."""

from collections.abc import Iterator
from typing import NoReturn

import pytest

from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres


@pytest.fixture(scope="package", autouse=True)
def no_servers() -> Iterator[None]:
    """`Postgres.start` and `Kafka.start` fail each test that calls them."""
    with pytest.MonkeyPatch.context() as patch:
        for server in (Postgres, Kafka):
            patch.setattr(server, "start", _refuse)
        yield


@pytest.fixture
def postgres() -> None:
    """Fails the test."""
    _refuse()


@pytest.fixture
def kafka() -> None:
    """Fails the test."""
    _refuse()


def _refuse(*_arguments: object, **_options: object) -> NoReturn:
    pytest.fail("a unit test starts no server; this one belongs under tests/integration")
