"""The rulebooks that workers have used, by key and version."""

import json
from typing import Any

import sqlalchemy as sa

from rapport_runtime.database import execute, fetch_value

_REGISTER = """
    INSERT INTO rulebook (key, version, body) VALUES (%(key)s, %(version)s, %(body)s::jsonb)
    ON CONFLICT DO NOTHING
"""
_REGISTERED = "SELECT body FROM rulebook WHERE key = %(key)s AND version = %(version)s"


def register_rulebook(tx: sa.Connection, key: str, version: int, body: Any) -> None:
    """Store the JSON of a rulebook's version. Raises ValueError when that version is stored with
    other content: the history names versions, so a version never changes."""
    name = {"key": key, "version": version}
    execute(tx, _REGISTER, {**name, "body": json.dumps(body)})
    if fetch_value(tx, _REGISTERED, name) != body:
        msg = f"rulebook {key!r} version {version} is known with other content: give it a new one"
        raise ValueError(msg)
