"""Backups of a service's database, taken and restored in a moment, while its processes run."""

import secrets
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres


def back_up(postgres: Postgres, database: ServiceDatabase) -> str:
    """A copy of the database as it is now; the name under which `restore` finds it."""
    backup = f"{database.name}_{secrets.token_hex(3)}"
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        _close(server, database.name)
        _run(server, "CREATE DATABASE {} TEMPLATE {}", backup, database.name)
        _run(server, "ALTER DATABASE {} ALLOW_CONNECTIONS true", database.name)
    return backup


def restore(postgres: Postgres, database: ServiceDatabase, backup: str) -> None:
    """Put the backup in the database's place. Connections break; those that are opened afterwards
    find the older state."""
    urls = (database.owner_url, database.worker_url, database.api_url, database.purge_url)
    owner, *others = (urlsplit(url).username or "" for url in urls)
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        _close(server, database.name)
        _run(server, "DROP DATABASE {} WITH (FORCE)", database.name)
        _run(server, "CREATE DATABASE {} TEMPLATE {} OWNER {}", database.name, backup, owner)
        _run(server, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database.name)
        _run(server, "GRANT CONNECT ON DATABASE {} TO {}, {}, {}", database.name, *others)
        _run(server, "DROP DATABASE {}", backup)


def _close(server: psycopg.Connection, name: str) -> None:
    _run(server, "ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
    server.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name]
    )


def _run(server: psycopg.Connection, statement: str, *names: str) -> None:
    server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
