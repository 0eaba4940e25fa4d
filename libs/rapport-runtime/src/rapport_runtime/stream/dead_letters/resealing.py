"""The command `reseal`: dead letters under the active key, so that an older one can be removed."""

import argparse
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rapport_runtime.database import Database, execute, fetch
from rapport_runtime.sealing import Keyring
from rapport_runtime.stream.dead_letters.sealed import CannotOpen, resealed

PAGE_ROWS = 500

_PAGE = """
    SELECT id, consumer_group, topic, partition, record_offset, sealed_key, sealed_value,
        header_names, sealed_headers
    FROM every_letter WHERE id > %(after)s ORDER BY id LIMIT %(rows)s
"""
_WAITING = """
    UPDATE dead_letter SET sealed_key = %(sealed_key)s, sealed_value = %(sealed_value)s,
        sealed_headers = %(sealed_headers)s
    WHERE id = %(id)s
"""
_DECIDED = """
    UPDATE decided_letter SET sealed_key = %(sealed_key)s, sealed_value = %(sealed_value)s,
        sealed_headers = %(sealed_headers)s
    WHERE id = %(id)s
"""


class ResealedLetters(NamedTuple):
    """How many letters were sealed again, and how many still need another key."""

    sealed: int
    left: int

    def __str__(self) -> str:
        return f"letters: {self.sealed} sealed again, {self.left} that need another key"


def reseal_parser(what: str = "dead letters") -> argparse.ArgumentParser:
    """The words of the command `reseal`: none."""
    return argparse.ArgumentParser(
        prog="reseal", description=f"seal {what} with the active key, so that others can go"
    )


def reseal_letters(database: Database, keyring: Keyring) -> ResealedLetters:
    """Seal with the active key what an older key sealed, page by page, each page in a transaction;
    may be run again."""
    after = sealed = left = 0
    while True:
        with database.transaction() as tx:
            rows = fetch(tx, _PAGE, {"after": after, "rows": PAGE_ROWS})
            for row in rows:
                try:
                    columns = resealed(keyring, row)
                except CannotOpen:
                    left += 1
                    continue
                if columns is not None:
                    sealed += _store(tx, {**columns, "id": row.id})
        if len(rows) < PAGE_ROWS:
            return ResealedLetters(sealed, left)
        after = rows[-1].id


def _store(tx: Connection, columns: dict[str, Any]) -> int:
    """In the table where the letter is; it may move from one to the other meanwhile."""
    return execute(tx, _WAITING, columns) or execute(tx, _DECIDED, columns)
