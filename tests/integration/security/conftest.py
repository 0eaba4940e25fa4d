"""The three APIs, each built once for all tests of this folder; and what a process says."""

import io
import logging
from collections.abc import Iterator
from importlib import import_module

import pytest

from rapport_devkit.databases import SERVICES
from rapport_devkit.postgres import Postgres
from rapport_runtime import logs
from tests.support.access_matrix.world import ApiWorld


@pytest.fixture(scope="package", params=SERVICES)
def world(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[ApiWorld]:
    """One service after the other; tests may write, none may count on what others wrote."""
    # Not at the top: conftests are read before the root's filter of the bus client's warning.
    worlds = import_module("tests.support.access_matrix.worlds").WORLDS
    with worlds[request.param](postgres.url()) as made:
        yield made


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a process says at DEBUG."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("test", "DEBUG", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
