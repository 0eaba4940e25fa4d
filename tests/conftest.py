"""What tests share: one Postgres, one Apache Kafka, databases and topic names of one's own."""

import secrets
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from rapport_devkit.databases import ServiceDatabase, create_database, drop_database
from rapport_devkit.kafka import Kafka
from rapport_devkit.postgres import Postgres
from tests.support.places import JARS
from tests.support.servers.migrated_databases import MigratedDatabases
from tests.support.work_units import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler

# How fast a busy machine draws examples, or runs one, is nothing that a property promises.
settings.register_profile("rapport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rapport")

# Without this a trace is drawn with the locals of each frame, for seconds; a server that runs on a
# thread of the test answers nobody meanwhile.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.set_exc_info,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python 3.0.12 reads its schemas through importlib.resources.read_text, once, at import.
    for function in ("read_text", "open_text"):
        ignored = f"ignore:{function} is deprecated:DeprecationWarning"
        config.addinivalue_line("filterwarnings", ignored)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not any(item.iter_markers("slow")))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server without fsync, or the one at DATABASE_URL."""
    server = Postgres.start(tmp_path_factory.mktemp("postgres"), durable=False)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker, or the cluster at KAFKA_BOOTSTRAP_SERVERS."""
    broker = Kafka.start(tmp_path_factory.mktemp("kafka"), jars=JARS)
    yield broker
    broker.destroy()


@pytest.fixture
def topic_prefix() -> str:
    """What to put before every topic's name, so that no other test reads it."""
    return f"t{secrets.token_hex(5)}-"


@pytest.fixture(scope="session")
def migrated_databases(postgres: Postgres) -> Iterator[MigratedDatabases]:
    """The source of `service_database`."""
    made = MigratedDatabases(postgres)
    yield made
    made.close()


@pytest.fixture
def service_database(
    migrated_databases: MigratedDatabases,
) -> Iterator[Callable[[str], ServiceDatabase]]:
    """`service_database("scoring")`: a migrated database of one's own, dropped at the end."""
    made: list[ServiceDatabase] = []

    def make(service: str) -> ServiceDatabase:
        made.append(migrated_databases.create(service))
        return made[-1]

    yield make
    for database in made:
        migrated_databases.drop(database)


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[Callable[[str], ServiceDatabase]]:
    """`empty_database("toy")`: one without tables, with roles of its own; dropped at the end."""
    made: list[tuple[str, str]] = []

    def make(service: str) -> ServiceDatabase:
        prefix = f"t{secrets.token_hex(5)}_"
        made.append((service, prefix))
        return create_database(postgres.url(), service, prefix=prefix)

    yield make
    for service, prefix in made:
        drop_database(postgres.url(), service, prefix=prefix)
