"""Contact details at rest: encrypted with a key that can be rotated, found by a blind index."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class InvalidKeys(ValueError):
    """The keys of the environment cannot be used; the message names the key id, never the key."""


class CannotUnseal(Exception):
    """A sealed text that no key opens here: another row's, altered, or its key is gone."""


@dataclass(frozen=True)
class Place:
    """The row and field of a sealed text; moved to any other place it cannot be opened (S12)."""

    practice_id: str
    client_id: str
    field: str

    def bound(self) -> bytes:
        """The place as additional authenticated data; different places give different bytes."""
        parts = (self.practice_id, self.client_id, self.field)
        return b"".join(b"%d:%b," % (len(part.encode()), part.encode()) for part in parts)


def _key(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as problem:
        msg = f"key {name!r} is not base64"
        raise InvalidKeys(msg) from problem
    if len(key) != _KEY_BYTES:
        msg = f"key {name!r} must be {_KEY_BYTES} bytes"
        raise InvalidKeys(msg)
    return key


class Keyring:
    """AES-256-GCM under one active key, opening with any of several; HMAC-SHA-256 for lookups.

    `keys` maps key ids to base64 of 32 bytes; `active` seals; `index_key` (base64, 32 bytes) makes
    blind indexes and cannot be rotated without re-indexing. Raises InvalidKeys.
    """

    def __init__(self, keys: Mapping[str, str], *, active: str, index_key: str) -> None:
        if active not in keys:
            msg = f"the active key {active!r} is not among the keys"
            raise InvalidKeys(msg)
        for name in keys:
            if not _KEY_ID.fullmatch(name):
                msg = f"a key id is 1 to 32 of A-Z a-z 0-9 _ . -, not {name!r}"
                raise InvalidKeys(msg)
        self._ciphers = {name: AESGCM(_key(name, encoded)) for name, encoded in keys.items()}
        self._active = active
        self._index_key = _key("index", index_key)

    def seal(self, text: str, place: Place) -> str:
        """The text, readable only at this place: `kid:` and base64 of nonce and ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._active].encrypt(nonce, text.encode(), place.bound())
        return f"{self._active}:{base64.b64encode(nonce + sealed).decode()}"

    def unseal(self, sealed: str, place: Place) -> str:
        """What `seal` was given, for the same place. Raises CannotUnseal."""
        name, _, encoded = sealed.partition(":")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise CannotUnseal("no such key")
        try:
            raw = base64.b64decode(encoded, validate=True)
            text = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.bound())
        except (binascii.Error, ValueError, InvalidTag) as problem:
            raise CannotUnseal("not this place's, or altered") from problem
        return text.decode()

    def is_current(self, sealed: str) -> bool:
        """Whether the active key sealed this text; before a key is removed, `reseal` seals anew all
        texts for which this is false."""
        return sealed.partition(":")[0] == self._active

    def blind_index(self, practice_id: str, field: str, text: str) -> str:
        """64 hex digits, equal for equal contact points of a practice; useless without the key."""
        bound = Place(practice_id, text, field).bound()
        return hmac.new(self._index_key, bound, hashlib.sha256).hexdigest()
