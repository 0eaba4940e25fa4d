"""One database for each service, and its four roles: owner (who migrates), worker, API and purge.

`deploy/postgres/roles.sql` is the same as plain SQL, for production. The right to connect separates
the services: a login role may connect to the database of its own service only.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

SERVICES = ("ingestion", "scoring", "outreach")
GROUPS: Mapping[str, str] = MappingProxyType(
    {"worker": "rapport_worker", "api": "rapport_api", "purge": "rapport_purge"}
)
"""Role to group. Migrations name only these groups, in grants and in policies."""

_TABLE_RIGHTS = sql.SQL("SELECT, INSERT, UPDATE, DELETE")
_SEQUENCE_RIGHTS = sql.SQL("USAGE, SELECT")


@dataclass(frozen=True)
class ServiceDatabase:
    """A service's database, with a psycopg url for each role; repr leaves out the urls, which hold
    passwords."""

    name: str
    owner_url: str = field(repr=False)
    worker_url: str = field(repr=False)
    api_url: str = field(repr=False)
    purge_url: str = field(repr=False)


def create_database(superuser_url: str, service: str, *, prefix: str = "") -> ServiceDatabase:
    """Create database `<prefix><service>` and its login roles
    `<database>_owner|_worker|_api|_purge`.

    Worker and API may read and write what the owner creates later, through their groups; row-level
    security then limits the API. Purge has what migrations give it by name. None of the three owns
    a table or may bypass row-level security. An existing database or role stays, but each call
    draws new passwords.
    """
    name = f"{prefix}{service}"
    passwords = {role: secrets.token_urlsafe(24) for role in ("owner", *GROUPS)}
    with psycopg.connect(superuser_url, autocommit=True) as server:
        for group in GROUPS.values():
            _ensure_group(server, group)
        for role, password in passwords.items():
            _ensure_login(server, f"{name}_{role}", password)
        for role, group in GROUPS.items():
            server.execute(_compose("GRANT {} TO {}", group, f"{name}_{role}"))
        server.execute(_compose("GRANT pg_read_all_stats TO {}", f"{name}_owner"))
        _ensure_database(server, name)
    with psycopg.connect(_with_database(superuser_url, name), autocommit=True) as database:
        _grant_future_tables(database, f"{name}_owner")
    urls = {
        role: _with_login(superuser_url, name, f"{name}_{role}", password)
        for role, password in passwords.items()
    }
    return ServiceDatabase(name, urls["owner"], urls["worker"], urls["api"], urls["purge"])


def drop_database(superuser_url: str, service: str, *, prefix: str = "") -> None:
    """Cut connections and drop the database and its login roles, if they exist; groups stay."""
    name = f"{prefix}{service}"
    with psycopg.connect(superuser_url, autocommit=True) as server:
        server.execute(_compose("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
        for role in ("owner", *GROUPS):
            server.execute(_compose("DROP ROLE IF EXISTS {}", f"{name}_{role}"))


def _compose(statement: str, *names: str) -> sql.Composed:
    """A statement with quoted identifiers in place of its braces."""
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def _ensure_group(server: psycopg.Connection, group: str) -> None:
    """Create a role without login, also when another caller creates it at the same moment."""
    try:
        server.execute(_compose("CREATE ROLE {} NOLOGIN", group))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return


def _ensure_login(server: psycopg.Connection, role: str, password: str) -> None:
    known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    statement = sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD {}").format(
        sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(role), sql.Literal(password)
    )
    server.execute(statement)


def _ensure_database(server: psycopg.Connection, name: str) -> None:
    """Create the database; only its own roles may connect."""
    known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not known:
        server.execute(_compose("CREATE DATABASE {} OWNER {}", name, f"{name}_owner"))
    server.execute(_compose("REVOKE ALL ON DATABASE {} FROM PUBLIC", name))
    for role in GROUPS:
        server.execute(_compose("GRANT CONNECT ON DATABASE {} TO {}", name, f"{name}_{role}"))


def _grant_future_tables(database: psycopg.Connection, owner: str) -> None:
    for rights, kind in ((_TABLE_RIGHTS, "TABLES"), (_SEQUENCE_RIGHTS, "SEQUENCES")):
        for group in (GROUPS["worker"], GROUPS["api"]):
            statement = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {} ON {} TO {}").format(
                sql.Identifier(owner), rights, sql.SQL(kind), sql.Identifier(group)
            )
            database.execute(statement)


def _with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _with_login(url: str, database: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{address}", path=f"/{database}"))
