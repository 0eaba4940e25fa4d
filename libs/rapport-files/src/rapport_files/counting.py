"""Counts and compares on disk, so that memory does not grow with a file."""

import hashlib
import sqlite3
import weakref

_PAGES_KIB = 16_384
_DIGEST = 16


class DiskCounter:
    """How often each key was counted, in a temporary database that ends with this object.

    It holds 16 bytes for each key, which nobody can read a text from.
    """

    def __init__(self) -> None:
        self._keys = 0
        self._database = _temporary("counted (key BLOB PRIMARY KEY, times INTEGER NOT NULL)")

    def count(self, *key: str) -> int:
        """Count a key, given in parts, and say how often it was counted before."""
        ((times,),) = self._database.execute(
            "INSERT INTO counted VALUES (?, 0)"
            " ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times",
            (_digest(*key),),
        ).fetchall()
        self._keys += times == 0
        return int(times)

    def __len__(self) -> int:
        """The number of different keys."""
        return self._keys

    def close(self) -> None:
        """Forget all."""
        self._database.close()


class Contradictions:
    """Which keys were told in different words, in a temporary database that ends with this object;
    it holds 32 bytes for each key."""

    def __init__(self) -> None:
        self._database = _temporary(
            "told (key BLOB PRIMARY KEY, words BLOB NOT NULL, differ INTEGER NOT NULL)"
        )
        weakref.finalize(self, self._database.close)

    def see(self, key: str, words: str) -> None:
        """Take into account what a line tells of a key."""
        self._database.execute(
            "INSERT INTO told VALUES (?, ?, 0)"
            " ON CONFLICT (key) DO UPDATE SET differ = differ OR words <> excluded.words",
            (_digest(key), _digest(words)),
        )

    def __contains__(self, key: str) -> bool:
        """Whether lines contradict each other about a key."""
        found = self._database.execute("SELECT differ FROM told WHERE key = ?", (_digest(key),))
        return any(differ for (differ,) in found)


def _temporary(table: str) -> sqlite3.Connection:
    """A database of one table that ends with its connection, whichever thread lets it go; "" is a
    file without a name."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for statement in (
        f"PRAGMA cache_size=-{_PAGES_KIB}",
        "PRAGMA journal_mode=OFF",
        "PRAGMA synchronous=OFF",
        f"CREATE TABLE {table} WITHOUT ROWID",
        "BEGIN",
    ):
        database.execute(statement)
    return database


def _digest(*parts: str) -> bytes:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_DIGEST).digest()
