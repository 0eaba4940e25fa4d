"""Bring a service's database to the schema of its code, by Alembic, from inside the package.

The scripts lie in `<package>/store/migrations/versions/`; a service needs no alembic.ini and no
env.py, since one generic environment in the runtime serves all.

Old and new processes run while it happens (ADR 39). So each revision is a transaction of its own,
which never waits for a lock longer than others can bear to wait behind it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from rapport_runtime.database import driver, psycopg_url
from rapport_runtime.errors import MigrationBlocked
from rapport_runtime.logs import get_logger
from rapport_runtime.migrations.lock_watch import Holder, LockWatch
from rapport_runtime.row_security import API_ROLE, WORKER_ROLE

log = get_logger(__name__)

# Of the session: it outlives the transactions of the revisions. Asked for again and again, since a
# session that waits in one statement would hold up the other's concurrent index for ever.
_TAKE_TURN = text("SELECT pg_try_advisory_lock(hashtextextended('rapport.migrations', 0))")
_TURN_SECONDS = 0.2
_NOTHING = Event()
"""Never set: what is waited for is time. A signal ends the process meanwhile."""
_MONTHS = text("""
    SELECT make_partitions(relname, 3) FROM pg_class
    WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace
""")
_CLOSE = text(f"REVOKE ALL ON alembic_version FROM {WORKER_ROLE}, {API_ROLE}")
_IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long one wait for a lock may be, how often it is tried, and the pause in between, in
    which those who waited behind it go on."""

    lock_ms: int = 2_000
    attempts: int = 10
    pause_seconds: float = 3.0


PATIENCE = Patience()
_HOW_TO_RUN = f"""\
-- As the owner, and never waiting long for a lock:
-- PGOPTIONS='-c lock_timeout={PATIENCE.lock_ms}' psql -v ON_ERROR_STOP=1 -f this.sql

"""


class Pending(NamedTuple):
    """A revision that a database does not have yet: its name, and what its file says of it."""

    revision: str
    what: str


class Revision(NamedTuple):
    """A revision; one that takes something away names that which made it unused."""

    name: str
    contract_of: str | None


def upgrade(
    url: str, package: str, revision: str = "head", *, patience: Patience = PATIENCE
) -> None:
    """Run the missing migrations of `package` as the owner in `url`, each in its transaction.

    Several processes may call it at once: the first migrates, the others wait and find nothing
    to do. An error undoes the revision that it hit; those before it stay, and the next call goes on
    from there. Raises `MigrationBlocked` when a lock was not to be had.
    """
    with _turn(url, patience) as connection:
        config = _config(package, connection)
        _patiently(url, connection, patience, config, revision)
        with connection.begin():
            connection.execute(_CLOSE)
        _make_months(connection)


def downgrade(url: str, package: str, revision: str = "base") -> None:
    """Undo migrations down to `revision`; drops data, for tests and development."""
    with _turn(url, PATIENCE) as connection:
        command.downgrade(_config(package, connection), revision)


def pending(url: str, package: str) -> list[Pending]:
    """What `upgrade` would run now, in its order."""
    with _session(url, PATIENCE) as connection:
        return _pending(_config(package, connection), connection)


def statements(url: str, package: str) -> str:
    """What `upgrade` would run now, as SQL; nothing is run."""
    with _session(url, PATIENCE) as connection:
        current = _current(connection)
    return _HOW_TO_RUN + revisions_sql(package, f"{current}:head" if current else "head")


def revisions_sql(package: str, revisions: str) -> str:
    """The SQL of revisions, without a database: `head` is all, `0002:0003` is the third alone."""
    written = io.StringIO()
    config = _config(package, None)
    config.output_buffer = written
    command.upgrade(config, revisions, sql=True)
    return written.getvalue()


def revisions(package: str) -> list[Revision]:
    """All revisions, the oldest first."""
    walked = ScriptDirectory.from_config(_config(package, None)).walk_revisions()
    return [
        Revision(script.revision, getattr(script.module, "contract_of", None)) for script in walked
    ][::-1]


def differences(url: str, metadata: MetaData) -> list[Any]:
    """The differences between the database and `metadata`, as Alembic reports them; empty when
    equal."""
    engine = create_engine(psycopg_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def _make_months(connection: Connection) -> None:
    """Make the coming months of tables that are partitioned by month, also when there was nothing
    else to do. Where a long reader holds the table they wait for the next purge: until then the
    rows go into the DEFAULT partition."""
    try:
        with connection.begin():
            connection.execute(_MONTHS)
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        log.warning("months_not_made")


def _patiently(
    url: str, connection: Connection, patience: Patience, config: Config, revision: str
) -> None:
    """Migrate up to `revision`; where a lock is not to be had, let others go first and try again.

    What has been migrated stays, so that a further attempt begins where the last one gave up.
    """
    pid = driver(connection).info.backend_pid
    plain = psycopg_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with LockWatch(plain, pid) as watch:
        for attempt in range(1, patience.attempts + 1):
            if _gets_its_locks(connection, config, revision):
                return
            blocked = _pending(config, connection)[0].revision
            log.warning("migration_waits", revision=blocked, attempt=attempt, of=patience.attempts)
            if attempt < patience.attempts:
                _NOTHING.wait(patience.pause_seconds)
    raise MigrationBlocked(_explain(blocked, patience, watch.holders))


def _gets_its_locks(connection: Connection, config: Config, revision: str) -> bool:
    """Whether the migration could be run; leaves no transaction open."""
    try:
        command.upgrade(config, revision)
    except OperationalError as error:
        if not isinstance(error.orig, _IN_THE_WAY):
            raise
        return False
    finally:
        connection.rollback()  # Alembic leaves that open in which it looked
    return True


def _explain(revision: str, patience: Patience, holders: list[Holder]) -> str:
    wanted = " and ".join(sorted({f"{each.mode} on {each.wanted}" for each in holders}))
    return "\n".join(
        [
            f"revision {revision} was not run: it waited {patience.attempts} times"
            f" {patience.lock_ms} ms for {wanted or 'a lock'}. In the way:",
            *([f"  {each}" for each in holders] or ["  nobody that could be seen"]),
            "What came before it is done. Let that transaction end, or end it"
            " (SELECT pg_terminate_backend(pid)), and give `migrate` again.",
        ]
    )


def _pending(config: Config, connection: Connection) -> list[Pending]:
    scripts = ScriptDirectory.from_config(config)
    missing = list(scripts.iterate_revisions("head", _current(connection) or "base"))
    return [Pending(script.revision, script.doc) for script in reversed(missing)]


def _current(connection: Connection) -> str | None:
    """The last revision that the database has; leaves no transaction open."""
    try:
        return MigrationContext.configure(connection).get_current_revision()
    finally:
        connection.rollback()


@contextmanager
def _turn(url: str, patience: Patience) -> Iterator[Connection]:
    """The session that migrates, once no other does."""
    with _session(url, patience) as connection:
        while not connection.scalar(_TAKE_TURN):
            connection.rollback()
            _NOTHING.wait(_TURN_SECONDS)
        connection.rollback()
        yield connection


@contextmanager
def _session(url: str, patience: Patience) -> Iterator[Connection]:
    """A session of its own; what it took ends with it."""
    address = psycopg_url(url)
    own = address.query.get("options", "")
    given = own if isinstance(own, str) else " ".join(own)
    engine = create_engine(
        address,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "application_name": "migrate",
            # As the session's default, so that RESET leads back to it.
            "options": f"{given} -c lock_timeout={patience.lock_ms}".strip(),
        },
    )
    with engine.connect() as connection:
        yield connection


def _config(package: str, connection: Connection | None) -> Config:
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
