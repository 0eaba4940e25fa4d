"""While requests hold all of their connections, keys, readiness and gauges still answer."""

import base64
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database, DatabaseLimits
from tests.support.access_matrix.world import common_settings, read_keys, running
from tests.support.servers.app_calls import ask

pytestmark = pytest.mark.integration
SERVICES = ("ingestion", "scoring", "outreach")
CONNECTIONS = 2
KEY = base64.b64encode(b"k" * 32).decode()
UNKNOWN = {"Authorization": f"Bearer rk_{'0' * 16}_{'A' * 43}"}


@pytest.fixture(params=SERVICES)
def bootstrap(request: pytest.FixtureRequest) -> ModuleType:
    """Where a service is put together."""
    return import_module(f"{request.param}_service.bootstrap")


@pytest.fixture
def settings(bootstrap: ModuleType, service_database: Callable[[str], ServiceDatabase]) -> Any:
    """The settings of the service's API."""
    name = bootstrap.__name__.partition("_")[0]
    database = service_database(name)
    read_keys(database, f"{name}-service")
    values = common_settings(database) | {"api_connections": CONNECTIONS}
    if name == "outreach":
        values |= {"contact_keys": {"k1": KEY}, "contact_active_key": "k1"}
        values |= {"contact_index_key": KEY}
    [of_service] = [
        each
        for each in vars(bootstrap).values()
        if isinstance(each, type) and each.__name__ == f"{name.title()}Settings"
    ]
    return of_service(**values)


def answers(bootstrap: ModuleType, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The statuses of both probes and of a key that is not known, while no connection is left."""
    url = settings.database_url.get_secret_value()
    limits = DatabaseLimits(pool_size=CONNECTIONS, max_overflow=0, pool_wait_seconds=0.1)
    requests = Database(url, application_name="requests", limits=limits)
    monkeypatch.setattr(bootstrap, "api_database", lambda _settings: requests)
    with running(bootstrap.build_api(settings)) as app, ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(requests.transaction())
        pages = [ask(app, "GET", path) for path in ("/readyz", "/metrics")]
        assert "rapport_outbox_rows{" in pages[1].text
        guessed = ask(app, "GET", "/v1/status", headers=UNKNOWN)
        return [*(page.status_code for page in pages), guessed.status_code]


def test_they_answer_while_all_places_are_taken(
    bootstrap: ModuleType, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answers(bootstrap, settings, monkeypatch) == [200, 200, 401]


def test_from_one_pool_they_would_not(
    bootstrap: ModuleType, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant: one pool for all."""
    monkeypatch.setattr(bootstrap, "probe_database", lambda each: bootstrap.api_database(each))
    with pytest.raises(AssertionError):
        assert answers(bootstrap, settings, monkeypatch) == [200, 200, 401]
