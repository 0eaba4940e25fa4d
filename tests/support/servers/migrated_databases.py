"""Migrated databases, many and quickly: each is a copy of one that was migrated once."""

import secrets
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from rapport_devkit.databases import GROUPS, ServiceDatabase, create_database, drop_database
from rapport_devkit.postgres import Postgres
from rapport_runtime import migrations


class MigratedDatabases:
    """One template for each service, made when it is first asked for, and its copies.

    The copies of a service share its roles: what a test does to a role, other tests see.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._server_url = postgres.url()
        self._prefix = f"t{secrets.token_hex(5)}_"
        self._templates: dict[str, ServiceDatabase] = {}

    def create(self, service: str) -> ServiceDatabase:
        """A new database with the service's tables, empty but for what its migrations write."""
        template = self._templates.get(service) or self._template(service)
        name = f"t{secrets.token_hex(5)}_{service}"
        owner, *others = (f"{template.name}_{role}" for role in ("owner", *GROUPS))
        with psycopg.connect(self._server_url, autocommit=True) as server:
            for statement, names in (
                ("CREATE DATABASE {} TEMPLATE {} OWNER {}", (name, template.name, owner)),
                ("REVOKE ALL ON DATABASE {} FROM PUBLIC", (name,)),
                ("GRANT CONNECT ON DATABASE {} TO {}, {}, {}", (name, *others)),
            ):
                server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        urls = (
            template.owner_url,
            template.worker_url,
            template.api_url,
            template.purge_url,
        )
        return ServiceDatabase(name, *(_at(url, name) for url in urls))

    def drop(self, database: ServiceDatabase) -> None:
        """Cut its connections, and remove it."""
        with psycopg.connect(self._server_url, autocommit=True) as server:
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            server.execute(statement.format(sql.Identifier(database.name)))

    def close(self) -> None:
        """Remove the templates and their roles; the copies have gone before."""
        for service in self._templates:
            drop_database(self._server_url, service, prefix=self._prefix)

    def _template(self, service: str) -> ServiceDatabase:
        made = create_database(self._server_url, service, prefix=self._prefix)
        migrations.upgrade(made.owner_url, f"{service}_service")
        self._templates[service] = made
        return made


def _at(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()
