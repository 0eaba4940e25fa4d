"""API keys: what a key grants to its holder, how a key is written, and how it is compared."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rapport_runtime.one_line import is_label

_KEY = re.compile(r"rk_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
_SCOPE = re.compile(r"[a-z][a-z-]*:[a-z][a-z-]*|admin")
_PRACTICE = re.compile(r"[a-z0-9-]{1,64}")
KEY_ID = "part between `rk_` and the next underscore"
"""What of a key its id is, for documents."""


@dataclass(frozen=True)
class Principal:
    """The holder of a verified key: of one practice, or an operator (`practice_id` is None)."""

    key_id: str
    practice_id: str | None
    scopes: frozenset[str]
    label: str = ""
    expires_at: datetime | None = None

    @property
    def holder(self) -> str:
        """Whose share of the service the requests of the key use: the practice's, or that of all
        operators (no practice has an empty id)."""
        return self.practice_id or ""

    @property
    def practice(self) -> str:
        """The practice of a route behind `require_practice`; raises LookupError for operators."""
        if self.practice_id is None:
            raise LookupError("an operator's key belongs to no practice")
        return self.practice_id


class KeyVerifier(Protocol):
    """Finds the holder of a key."""

    def verify(self, raw_key: str) -> Principal | None:
        """The holder, or None for a key that is malformed, unknown, revoked or expired."""

    def verify_many(self, raw_keys: Collection[str]) -> Mapping[str, Principal]:
        """The holders of those that hold, by key, with one question to the database."""


class RecallingVerifier(KeyVerifier, Protocol):
    """A verifier that also remembers, for a moment, the keys that it has verified."""

    def recall(self, raw_key: str) -> Principal | None:
        """The holder of a key verified a moment ago, else None; it does no I/O, so never blocks."""


@dataclass(frozen=True)
class KeyParts:
    """A key taken apart: the public id that finds its row, and the hash of its secret."""

    id: str
    secret_hash: bytes


def parse_key(raw_key: str) -> KeyParts | None:
    """Take `rk_<id>_<secret>` apart; None when it has another shape."""
    match = _KEY.fullmatch(raw_key)
    return None if match is None else KeyParts(match["id"], hash_secret(match["secret"]))


def new_key() -> tuple[str, KeyParts]:
    """A fresh key as its holder must keep it, and the parts of it that we store."""
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return f"rk_{key_id}_{secret}", KeyParts(key_id, hash_secret(secret))


def hash_secret(secret: str) -> bytes:
    """SHA-256, 32 bytes.

    A slow password hash would buy nothing: the secret is 32 random bytes, not a word that
    somebody chose, so 2**256 guesses are needed whatever one guess costs.
    """
    return hashlib.sha256(secret.encode()).digest()


def same_hash(left: bytes, right: bytes) -> bool:
    """Whether both are equal, compared in constant time."""
    return hmac.compare_digest(left, right)


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes sorted, each once; raises ValueError for none or for other than `noun:verb`."""
    unique = tuple(sorted(set(scopes)))
    wrong = [scope for scope in unique if not _SCOPE.fullmatch(scope)]
    if wrong or not unique:
        raise ValueError(f"scopes are words like tiers:read, not {', '.join(wrong) or 'none'}")
    return unique


def checked_label(label: str) -> str:
    """The label; raises ValueError for more than one line, or more than 100 characters."""
    if not is_label(label):
        raise ValueError(
            "a label is one line of 100 characters at most, without marks of direction"
        )
    return label


def checked_practice(practice_id: str | None) -> str | None:
    """The practice's slug, or None for an operator; raises ValueError for another shape."""
    if practice_id is not None and not _PRACTICE.fullmatch(practice_id):
        raise ValueError("a practice is named by a slug of [a-z0-9-], 1 to 64 long")
    return practice_id
