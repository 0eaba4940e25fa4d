"""Bytes at rest: sealed with a key that can be rotated, readable only at the place they belong to.

What is sealed begins with the id of its key, so that others can be opened beside the active one.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class InvalidKeys(ValueError):
    """The keys of the environment cannot be used; the message names the key id, never the key."""


class CannotUnseal(Exception):
    """Sealed bytes that no key opens here: another place's, altered, or their key is gone; the text
    says which, with the key's id, and shows nothing of what is sealed."""


def place_of(*parts: str) -> bytes:
    """A place as bytes; different parts give different bytes, also where their texts together are
    the same."""
    encoded = [part.encode() for part in parts]
    return b"".join(b"%d:%b," % (len(part), part) for part in encoded)


def key_from(name: str, encoded: str) -> bytes:
    """A key of 32 bytes from its base64. Raises InvalidKeys."""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as problem:
        msg = f"key {name!r} is not base64"
        raise InvalidKeys(msg) from problem
    if len(key) != KEY_BYTES:
        msg = f"key {name!r} must be {KEY_BYTES} bytes"
        raise InvalidKeys(msg)
    return key


class Keyring:
    """AES-256-GCM under one active key, opening with any of several.

    `keys` maps key ids to base64 of 32 bytes; `active` is the id of the key that seals. Raises
    InvalidKeys.
    """

    def __init__(self, keys: Mapping[str, str], *, active: str) -> None:
        if active not in keys:
            msg = f"the active key {active!r} is not among the keys"
            raise InvalidKeys(msg)
        for name in keys:
            if not _KEY_ID.fullmatch(name):
                msg = f"a key id is 1 to 32 of A-Z a-z 0-9 _ . -, not {name!r}"
                raise InvalidKeys(msg)
        ciphers = {name: AESGCM(key_from(name, encoded)) for name, encoded in keys.items()}
        self._ciphers = {name.encode(): cipher for name, cipher in ciphers.items()}
        self._active = ciphers[active]
        self._head = active.encode() + b":"

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """The bytes, readable only at this place: key id, colon, nonce, ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._head + nonce + self._active.encrypt(nonce, plain, place)

    def unseal(self, sealed: bytes, place: bytes) -> bytes:
        """What `seal` was given, for the same place. Raises CannotUnseal."""
        name, _, rest = sealed.partition(b":")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise CannotUnseal(_no_key(name))
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], place)
        except (ValueError, InvalidTag) as problem:
            msg = f"not this place's, or altered (key {name.decode()!r})"
            raise CannotUnseal(msg) from problem

    def is_current(self, sealed: bytes) -> bool:
        """Whether the active key sealed these bytes; before a key is removed, all for which this
        is false are sealed anew."""
        return sealed.startswith(self._head)


def _no_key(name: bytes) -> str:
    """What is not a key id stands in no message: it may be anything."""
    text = name.decode("ascii", "replace")
    return f"there is no key {text!r}" if _KEY_ID.fullmatch(text) else "it was never sealed"
