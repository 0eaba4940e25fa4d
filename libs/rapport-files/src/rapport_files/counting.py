"""Counts keys on disk, so that memory does not grow with a file."""

import hashlib
import sqlite3

_PAGES_KIB = 16_384
_DIGEST = 16


class DiskCounter:
    """How often each key was counted, in a temporary database that ends with this object.

    It holds 16 bytes for each key, which nobody can read a text from.
    """

    def __init__(self) -> None:
        self._keys = 0
        self._database = sqlite3.connect("", isolation_level=None)  # "" is a file without a name
        for statement in (
            f"PRAGMA cache_size=-{_PAGES_KIB}",
            "PRAGMA journal_mode=OFF",
            "PRAGMA synchronous=OFF",
            "CREATE TABLE counted (key BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def count(self, *key: str) -> int:
        """Count a key, given in parts, and say how often it was counted before."""
        digest = hashlib.blake2b(
            "\0".join(key).encode("utf-8", "surrogatepass"), digest_size=_DIGEST
        )
        ((times,),) = self._database.execute(
            "INSERT INTO counted VALUES (?, 0)"
            " ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times",
            (digest.digest(),),
        ).fetchall()
        self._keys += times == 0
        return int(times)

    def __len__(self) -> int:
        """The number of different keys."""
        return self._keys

    def close(self) -> None:
        """Forget all."""
        self._database.close()
