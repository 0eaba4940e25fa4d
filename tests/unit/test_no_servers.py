"""What is under tests/unit cannot start a server, by a fixture or directly."""

from pathlib import Path

import pytest

from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres

REFUSED = "belongs under tests/integration"


@pytest.mark.parametrize("server", [Postgres, Kafka])
def test_a_unit_test_that_starts_a_server_fails(
    server: type[Postgres] | type[Kafka], tmp_path: Path
) -> None:
    with pytest.raises(pytest.fail.Exception, match=REFUSED):
        server.start(tmp_path)


@pytest.mark.parametrize("name", ["postgres", "kafka"])
def test_a_unit_test_that_asks_for_a_servers_fixture_fails(
    request: pytest.FixtureRequest, name: str
) -> None:
    with pytest.raises(pytest.fail.Exception, match=REFUSED):
        request.getfixturevalue(name)
