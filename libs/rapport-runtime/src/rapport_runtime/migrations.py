"""Bring a service's database to the schema of its code, by Alembic, from inside the package.

The scripts lie in `<package>/store/migrations/versions/`; a service needs no alembic.ini and no
env.py, since one generic environment in the runtime serves all.
"""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from rapport_runtime.database import psycopg_url
from rapport_runtime.logs import get_logger
from rapport_runtime.row_security import API_ROLE, WORKER_ROLE

log = get_logger(__name__)

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('rapport.migrations', 0))")

_MONTHS = text("""
    SELECT make_partitions(relname, 3) FROM pg_class
    WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace
""")
_NO_LONG_WAIT = text("SET LOCAL lock_timeout = '2s'")
_CLOSE = text(f"REVOKE ALL ON alembic_version FROM {WORKER_ROLE}, {API_ROLE}")


def upgrade(url: str, package: str, revision: str = "head") -> None:
    """Run the missing migrations of `package` as the owner in `url`, all in one transaction.

    Several processes may call it at once: the first migrates, the others wait and find nothing
    to do. Any error leaves the database as it was.
    """
    _run(url, package, lambda config: command.upgrade(config, revision))
    _close_version_table(url)
    _make_months(url)


def downgrade(url: str, package: str, revision: str = "base") -> None:
    """Undo migrations down to `revision`; drops data, for tests and development."""
    _run(url, package, lambda config: command.downgrade(config, revision))


def differences(url: str, metadata: MetaData) -> list[Any]:
    """The differences between the database and `metadata`, as Alembic reports them; empty when
    equal."""
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def _close_version_table(url: str) -> None:
    """Only the owner may write the schema's version; default privileges had opened it to others."""
    engine = create_engine(psycopg_url(url), poolclass=NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(_CLOSE)


def _make_months(url: str) -> None:
    """Make the coming months of tables that are partitioned by month, also when there was nothing
    else to do. Where a long reader holds the table they wait for the next purge: until then the
    rows go into the DEFAULT partition."""
    engine = create_engine(psycopg_url(url), poolclass=NullPool, hide_parameters=True)
    try:
        with engine.begin() as connection:
            connection.execute(_NO_LONG_WAIT)
            connection.execute(_MONTHS)
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        log.warning("months_not_made")


def _run(url: str, package: str, action: Callable[[Config], None]) -> None:
    engine = create_engine(psycopg_url(url), poolclass=NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(_LOCK)
        action(_config(package, connection))


def _config(package: str, connection: Connection) -> Config:
    scripts = Path(str(files("rapport_runtime") / "alembic_env"))
    versions = Path(str(files(package) / "store" / "migrations" / "versions"))
    if not versions.is_dir():
        raise FileNotFoundError(f"{package} has no store/migrations/versions")
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _plain(scripts))
    config.set_main_option("version_locations", _plain(versions))
    config.attributes["connection"] = connection
    return config


def _plain(path: Path) -> str:
    return str(path).replace("%", "%%")  # Alembic interpolates % in options
