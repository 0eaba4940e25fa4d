"""A migrated database of outreach behind its API."""

from collections.abc import Callable, Collection, Iterator

import pytest

from outreach_service.domain.terms import Channel
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from tests.integration.outreach_service.api_world import MakeWorld, World, api_app
from tests.support.servers.sandbox import Sandbox


@pytest.fixture
def make_world(service_database: Callable[[str], ServiceDatabase]) -> Iterator[MakeWorld]:
    """`make_world(simulated=True)`: the API with one clock or the other; with `closed` channels,
    and with SMS to the countries that the account `serves`."""
    opened: list[Database] = []

    def make(
        *,
        simulated: bool,
        closed: Collection[Channel] = (),
        serves: Collection[str] | None = None,
    ) -> World:
        urls = service_database("outreach")
        worker = Database(urls.worker_url, application_name="test-worker")
        api = Database(urls.api_url, application_name="test-api")
        opened.extend([worker, api])
        app = api_app(api, simulated=simulated, closed=closed, serves=serves)
        return World(app, worker, api)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """The API on the database's clock."""
    return make_world(simulated=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    started = Sandbox.start(tmp_path_factory.mktemp("sandbox") / "deliveries.jsonl")
    yield started
    assert started.stop() == 0


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.heal()
